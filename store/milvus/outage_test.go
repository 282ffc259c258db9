package milvus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sightline/encoder/encodertest"
	"sightline/store"
	"sightline/store/milvus/milvustest"
)

func wantWords(t *testing.T, err error, address string) {
	t.Helper()
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "Milvus at "+address+" does not answer: start it or correct --milvus-addr") {
		t.Errorf("got %v", err)
	}
	if err != nil && (strings.Contains(err.Error(), "rpc error") || strings.Contains(err.Error(), "deadline")) {
		t.Errorf("the error shows what is inside: %v", err)
	}
}

func TestNobodyThere(t *testing.T) {
	port, release, err := encodertest.FreePort(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	address := net.JoinHostPort("127.0.0.1", port)
	began := time.Now()
	_, err = Open(t.Context(), Options{Address: address, ConnectTimeout: 200 * time.Millisecond})
	wantWords(t, err, address)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestSilentAddress(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, err = Open(t.Context(), Options{Address: listener.Addr().String(), ConnectTimeout: 200 * time.Millisecond})
	wantWords(t, err, listener.Addr().String())
}

func TestRefusedOptions(t *testing.T) {
	junk := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(junk, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]Options{
		"nothing": {}, "prefix": {Address: "x:1", Prefix: "my-shop"}, "both": {Address: "x:1", Token: "t", Username: "u"},
		"time": {Address: "x:1", SearchTimeout: -1}, "address": {Address: "http://a b", ConnectTimeout: time.Second}, "authority": {Address: "x:1", CAFile: junk},
	} {
		if _, err := Open(t.Context(), o); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Open(t.Context(), Options{Address: "x:1", CAFile: "missing.pem"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	shown := fmt.Sprintf("%v %+v %q", store.Secret("hush"), Options{Token: "hush", Password: "hush"}, store.Secret("hush"))
	if strings.Contains(shown, "hush") || fmt.Sprint(store.Secret("")) != "" {
		t.Errorf("a secret is shown: %s", shown)
	}
}

// A hung server ends calls by the deadline, theirs or the caller's, and all is
// well when it wakes.
func TestHungServer(t *testing.T) {
	l := milvustest.Own(t)
	c := openCatalogue(t, l, nil)
	x := openIndex(t, c, "m", 2)
	mustUpsert(t, x, plain("a", 1, 1, 0))
	if err := l.Hang(); err != nil {
		t.Fatal(err)
	}
	// Short only now: a server that is well may take longer on a busy machine.
	patient := c.server.options
	c.server.options.SearchTimeout, c.server.options.WriteTimeout = 300*time.Millisecond, 300*time.Millisecond
	q := store.Query{Embedding: []float32{1, 0}, K: 1}
	_, err := x.Search(t.Context(), q)
	wantWords(t, err, l.Address())
	wantWords(t, x.Upsert(t.Context(), []store.Entry{plain("b", 1, 1, 0)}), l.Address())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := x.Search(ctx, q); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrUnavailable) {
		t.Errorf("the caller's deadline: %v", err)
	}
	c.server.options = patient
	if err := l.Wake(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "searches", func() bool { _, err := x.Search(t.Context(), q); return err == nil })
	eventually(t, "writes", func() bool { return x.Upsert(t.Context(), []store.Entry{plain("b", 1, 1, 0)}) == nil })
}

// TestKilled kills Milvus Lite under writes and searches, again and again, and
// starts it again. Nothing of ours is restarted: writes are repeated, searches
// recover, and what was acknowledged is there.
func TestKilled(t *testing.T) {
	l := milvustest.Own(t)
	x := openIndex(t, openCatalogue(t, l, func(o *Options) {
		o.FlushRows, o.FlushIdle = 60, 100*time.Millisecond
		o.SearchTimeout, o.WriteTimeout = time.Minute, time.Minute // a busy machine takes 10 s to start Python
	}), "m", 4)
	ctx, stop := context.WithCancel(t.Context())
	var acknowledged, searches, failed atomic.Int64
	var deleted sync.Map
	var work sync.WaitGroup
	work.Go(func() {
		for round := int64(1); ctx.Err() == nil; round++ {
			if err := x.Upsert(t.Context(), killBatch(round)); err != nil {
				t.Errorf("round %d: %v", round, err)
				return
			}
			acknowledged.Store(round)
			id := fmt.Sprintf("own %06d", round-2)
			if _, err := x.Delete(t.Context(), []string{id}); err != nil {
				t.Errorf("delete in round %d: %v", round, err)
				return
			}
			deleted.Store(id, true)
		}
	})
	for _, picture := range [][]float32{{1, 0, 0, 0}, {0, 0, 1, 0}} {
		work.Go(func() {
			for ctx.Err() == nil {
				hits, err := x.Search(ctx, store.Query{Embedding: picture, K: 5, Filter: parse(t, `id STARTS WITH "group"`)})
				if searches.Add(1); ctx.Err() == nil && err != nil {
					failed.Add(1)
					t.Logf("search: %v", err)
				}
				if err == nil && len(hits) != 0 && (len(hits) != 5 || hits[4].ITC != 1) {
					t.Errorf("a search saw %d of 5 items of a group: %+v", len(hits), hits)
				}
			}
		})
	}
	for range 4 {
		time.Sleep(600 * time.Millisecond)
		l.Stop()
		if err := l.Start(); err != nil {
			t.Fatal(err)
		}
	}
	before := acknowledged.Load()
	eventually(t, "writes after the last restart", func() bool { return acknowledged.Load() > before+2 })
	stop()
	work.Wait()
	checkAcknowledged(t, x, acknowledged.Load(), &deleted)
	t.Logf("%d rounds, %d searches of which %d failed, 4 kills", acknowledged.Load(), searches.Load(), failed.Load())
	if failed.Load() > 0 {
		t.Errorf("%d searches failed", failed.Load())
	}
	if hits, err := x.Search(t.Context(), store.Query{Embedding: []float32{1, 0, 0, 0}, K: 5}); err != nil || len(hits) != 5 {
		t.Errorf("searches have not recovered: %d hits, %v", len(hits), err)
	}
}

// killBatch has one to three views of each item, other ones each round.
func killBatch(round int64) []store.Entry {
	views := [][]float32{{0, 0, 1, 0}, {0, 0, 0, 1}, {0, 0, 0, -1}}[:1+round%3]
	batch := []store.Entry{viewed(fmt.Sprintf("own %06d", round), round, []float32{0, 1, 0, 0}, views...)}
	for i := range 5 {
		batch = append(batch, viewed(fmt.Sprint("group ", i), round, []float32{1, 0, 0, 0}, views...))
	}
	return batch
}

func checkAcknowledged(t *testing.T, x *Index, last int64, deleted *sync.Map) {
	t.Helper()
	for i := range 5 {
		got, err := x.Get(t.Context(), []string{fmt.Sprint("group ", i)})
		if err != nil || len(got) != 1 || got[0].Item.Version < last || int64(len(got[0].Views)) != 1+got[0].Item.Version%3 {
			t.Errorf("group %d: %+v, %v; want version %d with its views", i, got, err, last)
		}
	}
	for round := int64(1); round <= last; round++ {
		id := fmt.Sprintf("own %06d", round)
		_, gone := deleted.Load(id)
		got, err := x.Get(t.Context(), []string{id})
		if err != nil || (len(got) == 0) != gone {
			t.Errorf("%s: %d found, %v; deleted: %v", id, len(got), err, gone)
		}
	}
	if _, err := x.ForgetDeleted(t.Context(), time.Now()); err != nil {
		t.Error(err)
	}
	all, err := x.Scan(t.Context(), "", 100, nil)
	if err != nil {
		t.Error(err)
	}
	views := 0
	for _, e := range all {
		views += len(e.Views)
	}
	wantRows(t, x, views)
}
