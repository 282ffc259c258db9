package milvus

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"sightline/store"
	"sightline/store/storetest"
)

func wantList(t *testing.T, c store.Collections, want ...store.Collection) {
	t.Helper()
	got, err := c.List(t.Context())
	if err != nil || len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
		t.Errorf("list %+v, %v\nwant %+v", got, err, want)
	}
}

func wantCurrent(t *testing.T, c store.Collections, want string) {
	t.Helper()
	if got, err := c.Current(t.Context()); err != nil || got != want {
		t.Errorf("current %q, %v; want %q", got, err, want)
	}
}

func TestCollectionsConformance(t *testing.T) {
	l := shared.Server(t)
	storetest.RunCollections(t, func(t *testing.T) store.Collections { return openCatalogue(t, l, nil) })
}

func TestCollections(t *testing.T) {
	l := shared.Server(t)
	c := openCatalogue(t, l, nil)
	other := openCatalogue(t, l, func(o *Options) { o.Prefix = c.server.options.Prefix }) // as a second process would
	wantList(t, c)
	wantCurrent(t, c, "")
	old := openIndex(t, c, "old-model", 2)
	mustUpsert(t, old, plain("a", 1, 1, 0), plain("b", 7, 1, 0))
	if _, err := old.Delete(t.Context(), []string{"b"}); err != nil {
		t.Fatal(err)
	}
	next := openIndex(t, other, "next", 3)
	mustUpsert(t, next, plain("a", 1, 1, 0, 0), plain("b", 1, 0, 1, 0)) // tombstones are a model's own
	for _, each := range []*Collections{c, other} {
		wantCurrent(t, each, "old-model")
		wantList(t, each, store.Collection{Fingerprint: "old-model", Dim: 2, Items: 1, Current: true}, store.Collection{Fingerprint: "next", Dim: 3, Items: 2})
	}
	checkRefusals(t, c)
	if err := other.Switch(t.Context(), "next"); err != nil {
		t.Fatal(err)
	}
	wantCurrent(t, c, "next")
	if err := c.Drop(t.Context(), "old-model"); err != nil {
		t.Fatal(err)
	}
	wantList(t, other, store.Collection{Fingerprint: "next", Dim: 3, Items: 2, Current: true})
	again := openIndex(t, c, "old-model", 4)
	mustUpsert(t, again, plain("b", 1, 1, 0, 0, 0)) // neither items nor tombstones of before
	wantList(t, c, store.Collection{Fingerprint: "next", Dim: 3, Items: 2, Current: true}, store.Collection{Fingerprint: "old-model", Dim: 4, Items: 1})
	wantCurrent(t, c, "next")
	mustUpsert(t, openIndex(t, other, "old-model", 4), plain("c", 1, 1, 0, 0, 0)) // other has met it with 2 dimensions
}

func checkRefusals(t *testing.T, c *Collections) {
	t.Helper()
	for name, err := range map[string]error{
		"switch to unknown": c.Switch(t.Context(), "unknown"),
		"switch to nothing": c.Switch(t.Context(), ""),
		"drop unknown":      c.Drop(t.Context(), "unknown"),
		"drop current":      c.Drop(t.Context(), "old-model"),
	} {
		if !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := c.Open(t.Context(), "next", 4); !errors.Is(err, store.ErrFingerprint) {
		t.Errorf("other dimensions: %v", err)
	}
	for _, fingerprint := range []string{"", strings.Repeat("x", store.MaxFingerprint+1)} {
		if _, err := c.Open(t.Context(), fingerprint, 2); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("fingerprint of %d bytes: %v", len(fingerprint), err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Open(ctx, "cancelled", 2); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestSwitchUnderSearches switches there and back while others search what is
// current: no search fails, and none sees another model's items.
func TestSwitchUnderSearches(t *testing.T) {
	c := openCatalogue(t, shared.Server(t), nil)
	indexes := make(map[string]*Index)
	for dim, fingerprint := range map[int]string{2: "a", 3: "b"} {
		x := openIndex(t, c, fingerprint, dim)
		v := make([]float32, dim)
		v[0] = 1
		mustUpsert(t, x, plain(fingerprint, 1, v...))
		indexes[fingerprint] = x
	}
	ctx, stop := context.WithCancel(t.Context())
	var searchers sync.WaitGroup
	for range 3 {
		searchers.Go(func() {
			for ctx.Err() == nil {
				if err := searchCurrent(ctx, c, indexes); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range 40 {
		if err := c.Switch(t.Context(), []string{"a", "b"}[i%2]); err != nil {
			t.Error(err)
		}
	}
	stop()
	searchers.Wait()
	wantCurrent(t, c, "b")
}

func searchCurrent(ctx context.Context, c *Collections, indexes map[string]*Index) error {
	current, err := c.Current(ctx)
	if err != nil {
		return err
	}
	x := indexes[current]
	if x == nil {
		return fmt.Errorf("current is %q", current)
	}
	v := make([]float32, x.dim)
	v[0] = 1
	hits, err := x.Search(ctx, store.Query{Embedding: v, K: 5})
	if err == nil && (len(hits) != 1 || hits[0].Item.ID != current) {
		err = fmt.Errorf("search of %q found %v", current, hits)
	}
	return err
}

// An Open that was interrupted anywhere is completed by the next one, and a Drop
// that was interrupted leaves no tombstones to the next collection.
func TestInterrupted(t *testing.T) {
	l := shared.Server(t)
	c := openCatalogue(t, l, nil)
	s := c.server
	items, tombs := s.itemsOf("m"), s.itemsOf("m")+"_deleted"
	if err := s.CreateCollection(t.Context(), itemSchema(items, 2), 1); err != nil {
		t.Fatal(err)
	}
	x := openIndex(t, c, "m", 2) // items without index, register and alias
	wantCurrent(t, c, "m")
	mustUpsert(t, x, plain("a", 9, 1, 0))
	if _, err := x.Delete(t.Context(), []string{"a"}); err != nil {
		t.Fatal(err)
	}
	if err := s.DropAlias(t.Context(), s.options.Prefix); err != nil {
		t.Fatal(err)
	}
	if err := s.drop(t.Context(), items); err != nil { // the first step of Drop
		t.Fatal(err)
	}
	wantList(t, c)
	if has, err := s.has(t.Context(), tombs); err != nil || !has {
		t.Fatalf("tombstones are there: %v, %v", has, err)
	}
	again := openIndex(t, openCatalogue(t, l, func(o *Options) { o.Prefix = s.options.Prefix }), "m", 2)
	mustUpsert(t, again, plain("a", 1, 1, 0))
	if n, err := again.Count(t.Context(), nil); err != nil || n != 1 {
		t.Errorf("%d items, %v", n, err)
	}
	wantCurrent(t, c, "m")
}

func TestClosedCollections(t *testing.T) {
	c, err := Open(t.Context(), Options{Address: shared.Server(t).Address(), Prefix: "test_closed"})
	if err != nil {
		t.Fatal(err)
	}
	x, err := c.Open(t.Context(), "m", 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	_, errs := c.List(t.Context())
	for name, err := range map[string]error{
		"list": errs, "switch": c.Switch(t.Context(), "m"), "drop": c.Drop(t.Context(), "m"), "index": x.Upsert(t.Context(), []store.Entry{plain("a", 1, 1, 0)}),
	} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := x.Close(); err != nil {
		t.Error(err)
	}
}
