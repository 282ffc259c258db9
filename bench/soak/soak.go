package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"sightline/bench/harness"
)

const (
	brand = "soak" // of the items that change
	// deadline of the searches: short enough that a device that hangs for 5 s does
	// not fill searchd's --max-searches, and long enough for a machine that is shared.
	deadline = 4 * time.Second
	// cacheMB is small, so that kept answers have filled it before memory is watched.
	cacheMB = 8
	shop    = "soak.myshopify.com"
	secret  = "a secret of this run"
	// arrives is how long a webhook may take to be in the index, over a kill of
	// searchd and a slow picture: an attempt that failed waits for up to 5 s and 10 s.
	arrives     = 45 * time.Second
	sampleEvery = 2 * time.Second
	// collectEvery so many samples garbage is collected, to see what is left. More
	// often would hide how memory grows between collections.
	collectEvery = 15
)

// soak is one run.
type soak struct {
	*options

	log     io.Writer
	dir     string
	begun   time.Time
	r       results
	w       *harness.World
	server  *harness.Process
	client  *harness.Client
	book    *harness.Book
	load    *harness.Load
	shop    *pictures
	crowd   []*harness.Writer
	writers []*harness.Writer

	mu     sync.Mutex
	broken int // writes of broken pictures that were refused, as they should be
	hooks  int
	down   bool // searchd is being started again
}

func (r *soak) play(ctx context.Context) (err error) {
	if r.w, err = harness.Make(ctx, r.dir, r.Programs, r.N); err != nil {
		return err
	}
	defer r.w.Close()
	if r.shop, err = newPictures(ctx, r.w.Pictures[0]); err != nil {
		return err
	}
	defer r.shop.close()
	if err := r.start(ctx); err != nil {
		return err
	}
	loading, stopLoad := context.WithCancel(ctx)
	defer stopLoad()
	r.load = &harness.Load{Client: r.client, Book: r.book, Rate: r.Rate, Query: r.w.Queries(brand, deadline)}
	r.load.Enter("serving")
	var searching, sampling sync.WaitGroup
	searching.Go(func() { r.load.Run(loading, ctx) })
	sampling.Go(func() { r.sample(loading) })
	stop := make(chan struct{})
	written := r.write(ctx, stop)
	r.faults(ctx, r.begun.Add(r.duration/2))
	r.load.Enter("second half")
	harness.Pause(ctx, time.Until(r.begun.Add(r.duration)))
	close(stop)
	failed := written()
	stopLoad()
	searching.Wait()
	sampling.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.Join(failed, r.end(ctx))
}

// start imports the catalogue and serves it.
func (r *soak) start(ctx context.Context) error {
	data, model := r.w.Path("data"), r.w.Path("model")
	if err := harness.Call(ctx, r.dir, r.Indexd, "import", r.w.Feed(), "--data", data, "--model", model); err != nil {
		return err
	}
	address, err := harness.FreeAddress(ctx)
	if err != nil {
		return err
	}
	u, err := url.Parse(r.shop.url)
	if err != nil {
		return err
	}
	r.server = r.w.Add("searchd", r.Faulty, harness.ReadyAt("http://"+address), "--data", data, "--model", model, "--listen", address,
		"--fetch-allow", "127.0.0.1", "--fetch-ports", u.Port(), "--shopify-shops", shop, "--currency", "EUR", "--log-level", "warn", "--pprof", "--cache-mb", strconv.Itoa(cacheMB))
	r.server.Env = append(r.server.Env, "SIGHTLINE_SHOPIFY_SECRET="+secret)
	r.client = harness.NewClient("http://" + address)
	r.book = harness.NewBook(r.w.Items, 0)
	if err := r.server.Start(ctx); err != nil {
		return err
	}
	r.begun = time.Now()
	return nil
}

func (r *soak) writer(name string, items int) *harness.Writer {
	w := &harness.Writer{Client: r.client, Book: r.book, Name: name, Brand: brand, Items: items, Pictures: r.w.Pictures}
	r.writers = append(r.writers, w)
	return w
}

// pauseBetween the writes of one writer.
const pauseBetween = 400 * time.Millisecond

// write starts the writers; the function that it returns waits for them.
func (r *soak) write(ctx context.Context, stop <-chan struct{}) func() error {
	one, batch, far, bad := r.writer("one", 30), r.writer("batch", 10), r.writer("far", 10), r.writer("bad", 1)
	hooks := &harness.Shop{Domain: shop, Secret: secret, Picture: r.shop.url + "/good", Within: arrives}
	hooks.Client, hooks.Book, hooks.Name, hooks.Brand = r.client, r.book, "shop", brand
	kinds := []func(n int) error{
		func(int) error { return one.Step(ctx) },
		func(int) error { return batch.Batch(ctx) },
		func(n int) error { return far.ByAddress(ctx, fmt.Sprintf("far-%d", n%10), r.shop.url+"/slow") },
		func(int) error { return r.bad(ctx, bad) },
		func(n int) error {
			err := hooks.Step(ctx, n%5)
			r.mu.Lock()
			r.hooks = hooks.Sent
			r.mu.Unlock()
			return err
		},
	}
	failed := make([]error, len(kinds))
	var wg sync.WaitGroup
	for i, do := range kinds {
		wg.Go(func() {
			for n := 0; failed[i] == nil && ctx.Err() == nil; n++ {
				select {
				case <-stop:
					return
				case <-time.After(pauseBetween):
				}
				failed[i] = do(n)
			}
		})
	}
	return func() error {
		wg.Wait()
		return errors.Join(failed...)
	}
}

// sample takes samples until ctx ends.
func (r *soak) sample(ctx context.Context) {
	for n := 0; harness.Pause(ctx, sampleEvery); n++ {
		r.mu.Lock()
		if !r.down {
			s, err := harness.Take(ctx, r.server, r.client, r.w.Path("data"))
			if err == nil && n%collectEvery == 0 {
				s.Live, err = r.collect(ctx)
			}
			if err == nil { // else it was killed just now
				s.At = time.Since(r.begun).Seconds()
				r.r.Samples = append(r.r.Samples, s)
			}
		}
		r.mu.Unlock()
	}
}

// collect returns what is left of the heap, and keeps its profile where -profiles
// says.
func (r *soak) collect(ctx context.Context) (float64, error) {
	live, profile, err := harness.Collect(ctx, r.client)
	if err != nil || r.profiles == "" {
		return live, err
	}
	return live, os.WriteFile(filepath.Join(r.profiles, fmt.Sprintf("heap-%05.0f-s", time.Since(r.begun).Seconds())), profile, 0o600)
}
