package worker_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sightline/indexer"
	"sightline/indexer/queue"
	"sightline/indexer/queue/queuetest"
	"sightline/indexer/queue/sqlite"
	"sightline/indexer/worker"
	"sightline/store"
	"sightline/store/change"
	"sightline/store/filter"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if queuetest.Race && !queuetest.Long() {
		if err := flag.Set("rapid.checks", "10"); err != nil { // of 100: SQLite is ten times as slow
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

// shop is an index, and an importer into it that makes keys of addresses
// instead of fetching them.
type shop struct {
	mu      sync.Mutex
	entries map[string]store.Entry
	deleted map[string]int64
	fetched []string // addresses
	upserts int
	bare    bool // items need no picture

	// Hooks, called before the work when not nil.
	onDo     func(indexer.Record) (indexer.Outcome, error) // ends it with an outcome that has a state, or an error
	onWrite  func()                                        // between the importer's look and its write, mu not held
	onGet    func() error
	onDelete func() error
}

func newShop() *shop { return &shop{entries: map[string]store.Entry{}, deleted: map[string]int64{}} }

func keyOf(image string) string {
	if key, ok := change.StoredKey(image); ok {
		return key
	}
	sum := sha256.Sum256([]byte(image))
	return hex.EncodeToString(sum[:])
}

func failed(stage indexer.Stage, reason string) indexer.Outcome {
	return indexer.Outcome{State: indexer.Failed, Stage: stage, Reason: reason}
}

// Do is worker.Importer's, by the rules of package indexer.
func (s *shop) Do(ctx context.Context, r indexer.Record) (indexer.Outcome, error) {
	if s.onDo != nil {
		if out, err := s.onDo(r); err != nil || out.State != "" {
			return out, err
		}
	}
	if err := r.Item.Validate(); err != nil {
		return failed(indexer.StageFeed, err.Error()), nil
	}
	e, out := s.entry(r)
	if out.State != "" {
		return out, nil
	}
	if s.onWrite != nil {
		s.onWrite()
	}
	s.upsert(e)
	return indexer.Outcome{State: indexer.Written}, ctx.Err()
}

// entry looks at the index and the pictures.
func (s *shop) entry(r indexer.Record) (store.Entry, indexer.Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(r.Images) == 0 && !s.bare || len(r.Images) > 0 && r.Image != r.Images[0] {
		return store.Entry{}, failed(indexer.StageFetch, "has no picture")
	}
	e := store.Entry{Item: r.Item, Embedding: []float32{1}}
	var keys []string
	for i, image := range r.Images {
		if _, ok := change.StoredKey(image); !ok {
			s.fetched = append(s.fetched, image)
		}
		keys = append(keys, keyOf(image))
		if i == 0 {
			e.Picture = keys[0]
		} else {
			e.Views = append(e.Views, store.View{Picture: keys[i], Embedding: []float32{1}})
		}
	}
	e.ContentHash, _ = r.Item.ContentHash("model", keys...)
	old, ok := s.entries[r.Item.ID]
	switch {
	case ok && r.Item.Version < old.Item.Version:
		return e, indexer.Outcome{State: indexer.Unchanged, Reason: "an older version"}
	case ok && old.ContentHash == e.ContentHash && old.Item.Version == r.Item.Version:
		return e, indexer.Outcome{State: indexer.Unchanged}
	}
	return e, indexer.Outcome{}
}

// upsert has the rule of store.Index.
func (s *shop) upsert(e store.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.entries[e.Item.ID]
	if ok && e.Item.Version < old.Item.Version || !ok && e.Item.Version < s.deleted[e.Item.ID] {
		return
	}
	delete(s.deleted, e.Item.ID)
	e.Item = e.Item.Clone()
	s.entries[e.Item.ID] = e
	s.upserts++
}

func (s *shop) Get(ctx context.Context, ids []string) ([]store.Entry, error) {
	if s.onGet != nil {
		if err := s.onGet(); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []store.Entry
	for _, id := range ids {
		if e, ok := s.entries[id]; ok {
			e.Item = e.Item.Clone()
			out = append(out, e)
		}
	}
	return out, ctx.Err()
}

func (s *shop) Delete(ctx context.Context, ids []string) (int, error) {
	return s.remove(ctx, func(item store.Item) bool { return slices.Contains(ids, item.ID) })
}

func (s *shop) DeleteWhere(ctx context.Context, e filter.Expr) (int, error) {
	if err := store.ValidateDeleteWhere(e); err != nil {
		return 0, err
	}
	return s.remove(ctx, func(item store.Item) bool { return item.Matches(e) })
}

func (s *shop) remove(ctx context.Context, which func(store.Item) bool) (n int, err error) {
	if s.onDelete != nil {
		if err := s.onDelete(); err != nil {
			return 0, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, e := range s.entries {
		if which(e.Item) {
			delete(s.entries, id)
			s.deleted[id] = e.Item.Version
			n++
		}
	}
	return n, ctx.Err()
}

// items is what the index has, and which pictures.
func (s *shop) items() map[string]store.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.entries)
}

func (s *shop) worker() *worker.Worker {
	return worker.New(worker.Parts{Importer: s, Index: s}, worker.Options{Patience: time.Nanosecond})
}

// job is a change as the queue has it.
func job(t testing.TB, c change.Change) queue.Job {
	t.Helper()
	payload, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return queue.Job{Kind: change.Kind, Key: change.Key(c.ID), Payload: payload, Attempt: 1}
}

func put(item store.Item) change.Change {
	return change.Change{Op: change.Put, ID: item.ID, Item: &item}
}

func patch(id, text string) change.Change {
	return change.Change{Op: change.Patch, ID: id, Patch: []byte(text)}
}

func remove(id string) change.Change { return change.Change{Op: change.Delete, ID: id} }

// handle does a job. The error's text is "" for none, and begins with a word
// that says whether it may be repeated.
func handle(t testing.TB, w *worker.Worker, j queue.Job) (outcome, problem string) {
	t.Helper()
	outcome, err := w.Handle(t.Context(), j)
	f, ok := errors.AsType[queue.Failure](err)
	switch {
	case err == nil:
		return outcome, ""
	case !ok:
		return outcome, "broken " + err.Error()
	case f.Permanent:
		return outcome, "dead " + f.Error()
	}
	return outcome, "again " + f.Error()
}

// want checks how a job ends: an outcome, or a problem that holds all of some
// texts.
func want(t testing.TB, w *worker.Worker, j queue.Job, outcome string, problem ...string) {
	t.Helper()
	got, said := handle(t, w, j)
	if got != outcome || len(problem) == 0 && said != "" || len(problem) > 0 && !strings.HasPrefix(said, problem[0]) {
		t.Errorf("%s %s: %q, %q; want %q, %q", j.Kind, j.Payload, got, said, outcome, problem)
	}
	for _, part := range problem {
		if !strings.Contains(said, part) {
			t.Errorf("%s: %q has no %q", j.Payload, said, part)
		}
	}
}

func open(t testing.TB, s queue.Settings) queue.Queue {
	t.Helper()
	q, err := sqlite.Open(t.Context(), sqlite.Options{Dir: t.TempDir(), Settings: s})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	})
	return q
}

// mug is an item with a picture.
func mug() store.Item {
	return store.Item{
		ID: "mug", Title: "Mug", Image: "https://x/mug.jpg", Images: []string{"https://x/back.jpg"}, Price: new(9.5), Currency: "EUR",
		Attributes: map[string]any{"material": "clay", "size": []string{"S", "L"}}, Version: 3, UpdatedAt: time.Unix(1e9, 0).UTC(),
	}
}

func temporary(stage indexer.Stage, reason string) indexer.Outcome {
	out := failed(stage, reason)
	out.Temporary = true
	return out
}
