package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"sightline/bench/harness"
)

const (
	searchds = 3
	workers  = 2           // indexd that do changes
	brand    = "rehearsal" // of the items that change
	// deadline of the steady load's searches: longer than a restart of Milvus, over
	// which calls are repeated (docs/milvus.md).
	deadline = 25 * time.Second
)

// rehearsal is one run.
type rehearsal struct {
	*options

	log  io.Writer
	dir  string
	r    results
	c    *harness.Cluster
	book *harness.Book
	load *harness.Load
	via  *harness.Client // the proxy

	writers     []*harness.Writer
	stopWriters chan struct{}
	written     chan error
}

// step does and records one; its error is recorded and does not stop the others.
func (r *rehearsal) step(name string, do func() (string, error)) {
	if r.load != nil {
		r.load.Enter(name)
	}
	begin := time.Now()
	what, err := do()
	s := step{Name: name, Seconds: time.Since(begin).Seconds(), Result: what, OK: err == nil}
	if err != nil {
		s.Result = strings.Trim(what+"; "+err.Error(), "; ")
	}
	r.r.Steps = append(r.r.Steps, s)
	fmt.Fprintf(r.log, "%6.1f s  %-4s %-32s %s\n", s.Seconds, map[bool]string{true: "ok", false: "FAIL"}[s.OK], name, s.Result)
}

func (r *rehearsal) play(ctx context.Context) error {
	w, err := harness.Make(ctx, r.dir, r.Programs, r.N)
	if err != nil {
		return err
	}
	defer w.Close()
	r.step("start, import, serve", func() (string, error) { return r.start(ctx, w) })
	if r.c == nil || r.c.Proxy == nil {
		return errors.New("the cluster does not start: " + r.r.Steps[0].Result)
	}
	defer func() { _ = r.c.Proxy.Close() }() // nothing is lost with it
	r.step("the same answers from each", func() (string, error) { return r.same(ctx) })
	r.step("writes are seen everywhere", func() (string, error) { return r.visible(ctx) })

	stopLoad := r.begin(ctx)
	r.step("steady load, nothing broken", func() (string, error) { return "", r.wait(ctx, 2*r.calm) })
	r.step("indexd import beside workers", func() (string, error) { return r.beside(ctx) })
	for _, p := range slices.Concat(r.c.Searchds, r.c.Workers, []*harness.Process{r.c.Redis, r.c.Milvus}) {
		r.step("kill -9 "+p.Name, func() (string, error) { return r.kill(ctx, p) })
	}
	r.step("a new model under load", func() (string, error) { return r.roll(ctx) })
	r.step("kill -9 searchd-2, new model", func() (string, error) { return r.kill(ctx, r.c.Searchds[1]) })
	r.step("what was going on ends", func() (string, error) { return r.end(ctx, stopLoad) })
	r.step("nothing lost, in each searchd", func() (string, error) { return r.compare(ctx) })
	r.step("jobs in a final state", func() (string, error) { return r.jobs(ctx) })
	return r.verdict()
}

func (r *rehearsal) wait(ctx context.Context, d time.Duration) error {
	harness.Pause(ctx, d)
	return ctx.Err()
}

// start imports before anything serves.
func (r *rehearsal) start(ctx context.Context, w *harness.World) (string, error) {
	var imported time.Duration
	c, err := harness.OpenCluster(ctx, w, workers, searchds, func(shared []string) error {
		begin := time.Now()
		err := harness.Call(ctx, r.dir, r.Indexd, append([]string{"import", w.Feed(), "--data", w.Path("importer"), "--model", w.Path("model")}, shared...)...)
		imported = time.Since(begin)
		return err
	})
	if err != nil {
		return "", err
	}
	r.c, r.via, r.book = c, harness.NewClient(c.Proxy.URL), harness.NewBook(w.Items, r.within)
	return fmt.Sprintf("%d items imported in %.1f s; %d indexd, %d searchd", len(w.Items), imported.Seconds(), workers, searchds), nil
}

// same asks every searchd the same.
func (r *rehearsal) same(ctx context.Context) (string, error) {
	asked := 0
	for _, text := range []string{"a red mug", "blue striped dress", "shoe", "a watch with a strap", "white hat", "green bottle", "chair", "yellow bag"} {
		for _, noLook := range []bool{false, true} {
			first := ""
			for i, n := range r.c.Nodes {
				_, a, err := n.Search(ctx, harness.Query{Text: text, Limit: 20, NoSecondLook: noLook, Deadline: deadline})
				if err != nil {
					return "", err
				}
				asked++
				if i == 0 {
					first = a.IDs()
				} else if a.IDs() != first || first == "" {
					return "", fmt.Errorf("%q: searchd-%d answers %s, searchd-1 %s", text, i+1, a.IDs(), first)
				}
			}
		}
	}
	return fmt.Sprintf("%d searches, with and without the second look", asked), nil
}

// visible writes, and asks every searchd the same question until it answers with
// the write; the question is one that all have in their caches.
func (r *rehearsal) visible(ctx context.Context) (string, error) {
	w := r.writer("seen", 4)
	question := harness.Query{Text: "a red mug", Filter: fmt.Sprintf("brand = %q", brand), Limit: 50, NoSecondLook: true, Deadline: deadline}
	kinds := []struct {
		name string
		do   func(context.Context, string) error
	}{{"upload", w.Upload}, {"patch", w.Patch}, {"delete", w.Delete}}
	for round := range 5 {
		for _, kind := range kinds {
			id := fmt.Sprintf("seen-%d", round)
			if err := kind.do(ctx, id); err != nil {
				return "", err
			}
			took, err := r.seen(ctx, id, question)
			if err != nil {
				return "", fmt.Errorf("%s of %s: %w", kind.name, id, err)
			}
			r.r.Visible = append(r.r.Visible, visible{kind.name, took.Seconds()})
		}
	}
	return r.r.slowest(), nil
}

// seen waits until every searchd shows an item's last state.
func (r *rehearsal) seen(ctx context.Context, id string, q harness.Query) (time.Duration, error) {
	begin := time.Now()
	for _, n := range r.c.Nodes {
		for {
			_, a, err := n.Search(ctx, q)
			if err != nil {
				return 0, err
			}
			if r.shows(a, id) {
				break
			}
			if time.Since(begin) > r.within {
				return 0, fmt.Errorf("%s does not show it after %v", n.URL, r.within)
			}
			harness.Pause(ctx, 10*time.Millisecond)
		}
	}
	return time.Since(begin), nil
}

func (r *rehearsal) shows(a *harness.Answer, id string) bool {
	want, there := r.book.Get(id)
	for _, h := range a.Hits {
		if h.ID == id {
			return there && h.Item.Title == want.Title
		}
	}
	return !there
}

func (r *rehearsal) writer(name string, items int) *harness.Writer {
	w := &harness.Writer{Client: r.via, Book: r.book, Name: name, Brand: brand, Items: items, Pictures: r.c.Pictures}
	r.writers = append(r.writers, w)
	return w
}
