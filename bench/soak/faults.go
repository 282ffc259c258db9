package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"

	"sightline/bench/harness"
)

// pictures is a shop's server of pictures: good ones at once, slow ones, and
// broken ones.
type pictures struct {
	url    string
	server *http.Server
}

// slowness of a slow picture.
const slowness = 1500 * time.Millisecond

func newPictures(ctx context.Context, good []byte) (*pictures, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &pictures{url: "http://" + l.Addr().String()}
	p.server = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text := good
		switch r.URL.Path {
		case "/slow":
			harness.Pause(r.Context(), slowness)
		case "/broken":
			text = good[:len(good)/2]
		}
		w.Header().Set("Content-Type", "image/png")
		_, _ = w.Write(text) // the fetcher may have left
	})}
	go func() { _ = p.server.Serve(l) }() // ends with close
	return p, nil
}

func (p *pictures) close() { _ = p.server.Close() } // nothing is lost with it

// bad puts an item with a broken picture, which has to be refused for good.
func (r *soak) bad(ctx context.Context, w *harness.Writer) error {
	r.mu.Lock()
	id := fmt.Sprintf("broken-%d", r.broken)
	r.mu.Unlock()
	err := w.Refused(ctx, id, r.shop.url+"/broken")
	if err == nil {
		r.mu.Lock()
		r.broken++
		r.mu.Unlock()
	}
	return err
}

// lasts is how long the device hangs and fails.
const lasts = 5 * time.Second

// faults come one after the other until a moment, with time between them.
func (r *soak) faults(ctx context.Context, until time.Time) {
	kinds := []struct {
		name string
		do   func(context.Context) error
	}{
		{"kill -9", r.kill},
		{"device hangs", func(ctx context.Context) error { return r.device(ctx, syscall.SIGUSR1) }},
		{"device fails", func(ctx context.Context) error { return r.device(ctx, syscall.SIGUSR2) }},
		{"crowd of writers", r.together},
	}
	every := max(6*time.Second, r.duration/2/12)
	for i := 0; harness.Pause(ctx, every/2) && time.Now().Add(2*lasts).Before(until); i++ {
		kind := kinds[i%len(kinds)]
		r.load.Enter(kind.name)
		begin := time.Now()
		err := kind.do(ctx)
		r.load.Enter("serving")
		f := fault{Name: kind.name, At: begin.Sub(r.begun).Seconds(), Seconds: time.Since(begin).Seconds()}
		if err != nil {
			f.Error = err.Error()
		}
		r.r.Faults = append(r.r.Faults, f)
		fmt.Fprintf(r.log, "%6.0f s  %-18s %.1f s  %s\n", f.At, f.Name, f.Seconds, f.Error)
		harness.Pause(ctx, every/2)
	}
}

// kill ends searchd as a crash does, starts it again, and holds the whole
// catalogue to what was acknowledged.
func (r *soak) kill(ctx context.Context) error {
	r.setDown(true)
	r.server.Kill()
	err := r.server.Start(ctx)
	r.setDown(false)
	if err != nil {
		return err
	}
	asked := time.Now()
	got, err := r.client.Export(ctx)
	if err != nil {
		return err
	}
	r.r.Compared += r.book.CheckAll(got, asked)
	return nil
}

func (r *soak) setDown(yes bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = yes
}

func (r *soak) device(ctx context.Context, s syscall.Signal) error {
	if err := r.server.Signal(s); err != nil {
		return err
	}
	harness.Pause(ctx, lasts)
	return r.server.Signal(s)
}

// crowded is how many writers come at once: more than may wait for the outcome
// of their writes (64).
const crowded = 100

func (r *soak) together(ctx context.Context) error {
	if r.crowd == nil {
		for i := range crowded {
			r.crowd = append(r.crowd, r.writer(fmt.Sprintf("crowd%d", i), 1))
		}
	}
	failed := make([]error, crowded)
	var wg sync.WaitGroup
	for i, w := range r.crowd {
		wg.Go(func() { failed[i] = w.Step(ctx) })
	}
	wg.Wait()
	return errors.Join(failed...)
}

// end compares the catalogue and the queue with what was acknowledged.
func (r *soak) end(ctx context.Context) error {
	got, err := r.client.Export(ctx)
	if err != nil {
		return err
	}
	r.r.Differences = r.book.Compare(got)
	r.r.Left = len(got)
	if r.r.Jobs, err = r.drained(ctx); err != nil {
		return err
	}
	r.r.Phases, r.r.Broken, r.r.Webhooks = r.load.Phases(), r.broken, r.hooks
	r.r.Violations, r.r.Checked = r.book.Violations()
	for _, w := range r.writers {
		r.r.Uploads += w.Uploads.Load()
		r.r.Patches += w.Patches.Load()
		r.r.Deletes += w.Deletes.Load()
		r.r.Repeats += w.Repeats.Load()
	}
	r.r.trends()
	return errors.Join(r.r.wrong()...)
}

// drained waits until no job is without a final state.
func (r *soak) drained(ctx context.Context) (map[string]int, error) {
	for end := time.Now().Add(time.Minute); ; {
		all, err := r.client.Jobs(ctx)
		if err != nil || all["waiting"]+all["leased"] == 0 {
			return all, err
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("jobs without a final state after a minute: %v", all)
		}
		if !harness.Pause(ctx, 100*time.Millisecond) {
			return nil, ctx.Err()
		}
	}
}

func cell(text string) string {
	return strings.NewReplacer("\n", "; ", "|", "/").Replace(text[:min(len(text), 300)])
}
