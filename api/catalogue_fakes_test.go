package api_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sightline/api"
	"sightline/indexer/queue"
	"sightline/indexer/queue/sqlite"
	"sightline/store"
	"sightline/store/change"
	"sightline/store/filter"
)

// shop is a service that takes writes: a real queue, and a worker that does
// changes to items in memory.
type shop struct {
	*service
	t      testing.TB
	queue  queue.Queue
	writer *faultyWriter
	stored storedPictures

	mu    sync.Mutex
	items map[string]store.Item
	did   []change.Change
	fails func(change.Change) error // before each change
}

// newShop has no worker yet; see work.
func newShop(t testing.TB) *shop {
	t.Helper()
	q, err := sqlite.Open(t.Context(), sqlite.Options{Dir: t.TempDir(), Settings: queue.Settings{Backoff: time.Hour, MaxBackoff: time.Hour}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	s := &shop{service: newService(), t: t, queue: q, items: map[string]store.Item{}, stored: storedPictures{kept: map[string][]byte{}}}
	s.writer = &faultyWriter{Writer: queueWriter{queue: q}}
	s.opts.Catalogue = &api.Catalogue{Items: s, Writer: s.writer, Uploads: &s.stored}
	return s
}

// work starts a worker that ends with the test.
func (s *shop) work() {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- queue.Run(ctx, s.queue, s.do1, queue.RunOptions{Workers: 2}) }()
	s.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			s.t.Errorf("worker: %v", err)
		}
	})
}

func (s *shop) do1(_ context.Context, job queue.Job) (string, error) {
	c, err := change.Decode(job.Payload)
	if err != nil {
		return "", queue.Failure{Stage: "decode", Reason: err.Error(), Permanent: true}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.did = append(s.did, c)
	if s.fails != nil {
		if err := s.fails(c); err != nil {
			return "", err
		}
	}
	old, known := s.items[c.ID]
	if c.IfMatch != "" && (!known || c.IfMatch != "*" && c.IfMatch != change.ETag(entryOf(old))) {
		return "", queue.Failure{Stage: api.StagePrecondition, Reason: "another", Permanent: true}
	}
	switch {
	case c.Op == change.Delete:
		delete(s.items, c.ID)
		return "deleted", nil
	case c.Op == change.Put:
		s.items[c.ID] = *c.Item
		if !known {
			return api.OutcomeCreated, nil
		}
		return "written", nil
	case !known:
		return "", queue.Failure{Stage: api.StageMissing, Reason: "gone", Permanent: true}
	}
	merged, err := merge(old, c.Patch)
	if err != nil {
		return "", queue.Failure{Stage: "patch", Reason: err.Error(), Permanent: true}
	}
	s.items[c.ID] = merged
	return "written", nil
}

// merge is RFC 7396.
func merge(item store.Item, patch []byte) (store.Item, error) {
	var target, changes map[string]any
	raw, err := json.Marshal(item)
	if err := errors.Join(err, json.Unmarshal(raw, &target), json.Unmarshal(patch, &changes)); err != nil {
		return item, err
	}
	raw, err = json.Marshal(mergeValue(target, changes))
	var merged store.Item
	return merged, errors.Join(err, json.Unmarshal(raw, &merged), merged.Validate())
}

func mergeValue(target, patch any) any {
	changes, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	out, _ := target.(map[string]any)
	if out == nil {
		out = map[string]any{}
	}
	for name, value := range changes {
		if value == nil {
			delete(out, name)
		} else {
			out[name] = mergeValue(out[name], value)
		}
	}
	return out
}

func entryOf(it store.Item) store.Entry {
	raw, err := json.Marshal(it)
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256(raw)
	return store.Entry{Item: it, ContentHash: hex.EncodeToString(sum[:])}
}

// The shop is its own index.

func (s *shop) Search(context.Context, store.Query) ([]store.Hit, error) { return nil, nil }

func (s *shop) Stats(context.Context) (store.Stats, error) { return store.Stats{}, nil }

func (s *shop) Get(_ context.Context, ids []string) ([]store.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []store.Entry
	for _, id := range ids {
		if it, ok := s.items[id]; ok {
			found = append(found, entryOf(it))
		}
	}
	return found, nil
}

func (s *shop) Scan(ctx context.Context, after string, limit int, e filter.Expr) ([]store.Entry, error) {
	if err := errors.Join(ctx.Err(), store.ValidateScan(limit)); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []store.Entry
	for _, id := range slices.Sorted(maps.Keys(s.items)) {
		if it := s.items[id]; id > after && it.Matches(e) && len(found) < limit {
			found = append(found, store.Entry{Item: it})
		}
	}
	return found, nil
}

func (s *shop) Count(ctx context.Context, e filter.Expr) (int, error) {
	all, err := s.Scan(ctx, "", store.MaxWindow, e)
	return len(all), err
}

// handler makes the shop the index of searches too, so that GET finds items.
func (s *shop) handler() http.Handler {
	s.engine.Index = s
	return s.service.handler()
}

// counts waits for nothing.
func (s *shop) counts() queue.Counts {
	s.t.Helper()
	c, err := s.queue.Counts(s.t.Context(), "")
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *shop) total() int64 { c := s.counts(); return c.Total() }

// nothing checks that a request left no trace.
func (s *shop) nothing(what string) {
	s.t.Helper()
	s.stored.mu.Lock()
	defer s.stored.mu.Unlock()
	if c := s.counts(); c.Total() != 0 || len(s.stored.kept) != 0 {
		s.t.Errorf("%s left %+v and %d pictures", what, c, len(s.stored.kept))
	}
}

// payloads are the queued changes in order.
func (s *shop) queued() []change.Change {
	s.t.Helper()
	jobs, err := s.queue.List(s.t.Context(), queue.ListOptions{Limit: 1000})
	if err != nil {
		s.t.Fatal(err)
	}
	var all []change.Change
	for _, j := range jobs {
		j, err := s.queue.Get(s.t.Context(), j.ID)
		if err != nil {
			s.t.Fatal(err)
		}
		c, err := change.Decode(j.Payload)
		if err != nil {
			s.t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

// storedPictures keeps pictures in memory.
type storedPictures struct {
	mu   sync.Mutex
	kept map[string][]byte
	err  error
}

func (p *storedPictures) Put(_ context.Context, data []byte) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return "", p.err
	}
	sum := sha256.Sum256(data)
	key := hex.EncodeToString(sum[:])
	p.kept[key] = bytes.Clone(data)
	return key, nil
}

// faultyWriter fails calls of Submit on request.
type faultyWriter struct {
	api.Writer
	submits atomic.Int64
	submit  func(n int) error // n from 1; nil error goes on
}

func (f *faultyWriter) Submit(ctx context.Context, writes []api.Write) ([]api.Taken, error) {
	n := int(f.submits.Add(1))
	if f.submit != nil {
		if err := f.submit(n); err != nil {
			return nil, err
		}
	}
	return f.Writer.Submit(ctx, writes)
}
