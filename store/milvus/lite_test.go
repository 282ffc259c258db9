package milvus

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sightline/store"
	"sightline/store/milvus/milvustest"
)

// shared is the Milvus Lite of all tests that do not kill it.
var shared = &milvustest.Lite{}

func TestMain(m *testing.M) {
	if text := os.Getenv(writerVariable); text != "" {
		var w writer
		err := json.Unmarshal([]byte(text), &w)
		if err == nil {
			err = w.run(context.Background())
		}
		fmt.Fprintln(os.Stderr, w.Name, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		shared.Remove()
		os.Exit(code)
	}))
}

var prefixes atomic.Int64

// openCatalogue opens collections of a prefix of their own.
func openCatalogue(t testing.TB, l *milvustest.Lite, change func(*Options)) *Collections {
	t.Helper()
	o := Options{Address: l.Address(), Prefix: fmt.Sprintf("test%d_%d", os.Getpid(), prefixes.Add(1)), FlushIdle: time.Hour, SearchTimeout: 2 * time.Minute, WriteTimeout: 2 * time.Minute}
	if change != nil {
		change(&o)
	}
	c, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

func openIndex(t testing.TB, c *Collections, fingerprint string, dim int) *Index {
	t.Helper()
	x, err := c.Open(t.Context(), fingerprint, dim)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return x.(*Index)
}

// newIndex is an empty index on the shared server.
func newIndex(t testing.TB, dim int, change func(*Options)) *Index {
	t.Helper()
	return openIndex(t, openCatalogue(t, shared.Server(t), change), "m", dim)
}

func mustUpsert(t testing.TB, x store.Index, entries ...store.Entry) {
	t.Helper()
	if err := x.Upsert(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
}

func mustSearch(t testing.TB, x store.Index, q store.Query) []string {
	t.Helper()
	hits, err := x.Search(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]string, len(hits))
	for i, h := range hits {
		ids[i] = h.Item.ID
	}
	return ids
}
