package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"sightline/bench/harness"
)

// killMilvus is the step in which Milvus dies.
const killMilvus = "kill -9 milvus"

// begin starts the steady load of searches and two writers; the function that it
// returns ends the searches.
func (r *rehearsal) begin(ctx context.Context) func() {
	r.load = &harness.Load{Client: r.via, Book: r.book, Rate: r.Rate, Query: r.c.Queries(brand, deadline)}
	loading, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.load.Run(loading, ctx)
	}()
	r.stopWriters, r.written = make(chan struct{}), make(chan error, 2)
	for _, name := range []string{"one", "another"} {
		w := r.writer(name, 20)
		go func() { r.written <- w.Run(ctx, 300*time.Millisecond, r.stopWriters) }()
	}
	return func() {
		cancel()
		<-done
	}
}

// kill ends a process as a crash does, leaves it dead for a while, starts it
// again, and lets things settle.
func (r *rehearsal) kill(ctx context.Context, p *harness.Process) (string, error) {
	died := time.Now()
	p.Kill()
	if err := r.wait(ctx, 2*time.Second); err != nil {
		return "", err
	}
	begin := time.Now()
	if err := p.Start(ctx); err != nil {
		return "", err
	}
	back := time.Since(begin)
	if p == r.c.Milvus {
		r.r.MilvusAway = time.Since(died).Seconds()
	}
	if err := r.wait(ctx, r.calm); err != nil {
		return "", err
	}
	return fmt.Sprintf("dead for 2 s, ready %.1f s after its start", back.Seconds()), nil
}

// roll moves to another model as docs/deploy.md says: migrate follows until
// nothing writes, which is when both indexd are stopped; then they and one searchd
// after the other come back with the new model. From the first write into the new
// collection until the last searchd has it, answers of the old one are as good as
// they were, and no hit is held to the book.
func (r *rehearsal) roll(ctx context.Context) (string, error) {
	m := r.c.Add("migrate", r.Indexd, nil, append([]string{"migrate", "--switch", "--data", r.c.Path("indexd-new"), "--model", r.c.Path("new-model")}, r.c.Shared...)...)
	begin := time.Now()
	if err := m.Launch(ctx); err != nil {
		return "", err
	}
	m.Ready = func(context.Context) error {
		if m.Said("all is ready") {
			return nil
		}
		return errors.New("migrate has not said that all is ready")
	}
	if err := m.AwaitReady(ctx); err != nil {
		return "", err
	}
	filled := time.Since(begin)
	if err := r.eachWorker((*harness.Process).Stop); err != nil {
		return "", err
	}
	if err := m.Wait(ctx); err != nil {
		return "", err
	}
	switched := time.Since(begin)
	r.book.Lenient(true)
	err := r.eachWorker(func(p *harness.Process) error {
		r.c.Use(p, "new-model")
		return p.Start(ctx)
	})
	if err != nil {
		return "", err
	}
	for _, s := range r.c.Searchds {
		if err := s.Stop(); err != nil {
			return "", err
		}
		r.c.Use(s, "new-model")
		if err := s.Start(ctx); err != nil {
			return "", err
		}
	}
	rolled := time.Since(begin)
	err = r.wait(ctx, r.within)
	r.book.Lenient(false)
	return fmt.Sprintf("filled after %.1f s, switched after %.1f s, all rolled after %.1f s", filled.Seconds(), switched.Seconds(), rolled.Seconds()), err
}

func (r *rehearsal) eachWorker(do func(*harness.Process) error) error {
	for _, p := range r.c.Workers {
		if err := do(p); err != nil {
			return err
		}
	}
	return nil
}

// imports are how often beside imports its feed, and fed how many items that has.
const imports, fed = 3, 10

// beside imports a feed, with other titles each time, by a program of its own while
// the workers write.
func (r *rehearsal) beside(ctx context.Context) (string, error) {
	picture := r.c.Path("fed.png")
	if err := os.WriteFile(picture, r.c.Pictures[0], 0o600); err != nil {
		return "", err
	}
	for n := range imports {
		var feed bytes.Buffer
		for i := range fed {
			item := harness.Item{ID: fmt.Sprintf("fed-%d", i), Title: fmt.Sprintf("a red mug, import %d of fed-%d", n, i), Price: 1, Brand: brand}
			r.book.Begin(item, false)
			fmt.Fprintf(&feed, "{\"id\":%q,\"title\":%q,\"price\":1,\"brand\":%q,\"image\":%q}\n", item.ID, item.Title, brand, filepath.Base(picture))
		}
		path := r.c.Path("fed.jsonl")
		if err := os.WriteFile(path, feed.Bytes(), 0o600); err != nil {
			return "", err
		}
		if err := harness.Call(ctx, r.dir, r.Indexd, append([]string{"import", path, "--data", r.c.Path("importer"), "--model", r.c.Path("model")}, r.c.Shared...)...); err != nil {
			return "", err
		}
		for i := range fed {
			r.book.Acknowledge(fmt.Sprintf("fed-%d", i))
		}
	}
	return fmt.Sprintf("%d imports of %d items", imports, fed), nil
}

// end lets writers finish, and then the searches.
func (r *rehearsal) end(ctx context.Context, stopLoad func()) (string, error) {
	close(r.stopWriters)
	err := errors.Join(<-r.written, <-r.written)
	stopLoad()
	r.r.Phases, r.r.Retried, r.r.Refused = r.load.Phases(), r.c.Proxy.Retried.Load(), r.c.Proxy.Failed.Load()
	for _, w := range r.writers {
		r.r.Uploads += w.Uploads.Load()
		r.r.Patches += w.Patches.Load()
		r.r.Deletes += w.Deletes.Load()
		r.r.Repeats += w.Repeats.Load()
	}
	r.r.Violations, r.r.Checked = r.book.Violations()
	if err == nil {
		err = ctx.Err()
	}
	return fmt.Sprintf("%d uploads, %d patches, %d deletes acknowledged; %d tries repeated", r.r.Uploads, r.r.Patches, r.r.Deletes, r.r.Repeats), err
}

// compare holds every searchd's catalogue to the book.
func (r *rehearsal) compare(ctx context.Context) (string, error) {
	var wrong []error
	for i, n := range r.c.Nodes {
		got, err := n.Export(ctx)
		if err != nil {
			return "", err
		}
		for _, line := range r.book.Compare(got) {
			wrong = append(wrong, fmt.Errorf("searchd-%d: %s", i+1, line))
		}
	}
	return fmt.Sprintf("%d items compared in each of %d", len(r.book.Want()), len(r.c.Nodes)), errors.Join(wrong...)
}

// jobs waits for the queue to have nothing but final states, none of them dead.
func (r *rehearsal) jobs(ctx context.Context) (string, error) {
	for end := time.Now().Add(time.Minute); ; {
		all, err := r.c.Nodes[0].Jobs(ctx)
		if err != nil {
			return "", err
		}
		r.r.Jobs = all
		if open := all["waiting"] + all["leased"]; open == 0 {
			if all["dead"] > 0 {
				err = fmt.Errorf("%d are dead", all["dead"])
			}
			return fmt.Sprintf("%d done, %d superseded, %d dead", all["done"], all["superseded"], all["dead"]), err
		} else if time.Now().After(end) {
			return "", fmt.Errorf("%d jobs have no final state after a minute: %v", open, all)
		}
		if err := r.wait(ctx, 200*time.Millisecond); err != nil {
			return "", err
		}
	}
}
