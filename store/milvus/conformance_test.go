package milvus

import (
	"flag"
	"testing"

	"sightline/store"
	"sightline/store/storetest"
)

// TestConformance runs the suite with all rows in the server's memory, with
// rows that are spread over segments, and with HNSW, whose short answers have
// to be completed. The flags of rapid say how often the model is tried, less
// often than elsewhere: each step is a call to a Python program.
func TestConformance(t *testing.T) {
	l := shared.Server(t)
	for _, variant := range []struct {
		name   string
		checks string
		change func(*Options)
	}{
		{"in memory", "30", nil},
		{"in segments", "30", func(o *Options) { o.FlushRows = 5 }},
		{"HNSW", "20", func(o *Options) { o.FlushRows, o.hnsw = 5, true }},
	} {
		t.Run(variant.name, func(t *testing.T) {
			setChecks(t, variant.checks)
			c := openCatalogue(t, l, variant.change)
			storetest.Run(t, func(t *testing.T) store.Index { return emptied(t, c) })
		})
	}
}

// setChecks is for this test only, and not at all where the command line says
// how often.
func setChecks(t *testing.T, checks string) {
	t.Helper()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	if given {
		return
	}
	f := flag.Lookup("rapid.checks")
	before := f.Value.String()
	if err := f.Value.Set(checks); err != nil { // flag.Set would count as given
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Value.Set(before) })
}

// emptied opens the catalogue's one collection anew. The suite opens hundreds
// of indexes, and each that stays costs the server memory.
func emptied(t testing.TB, c *Collections) store.Index {
	t.Helper()
	c.mu.Lock()
	err := c.remove(t.Context(), c.server.itemsOf(storetest.Fingerprint))
	c.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	x, err := c.Open(t.Context(), storetest.Fingerprint, storetest.Dim)
	if err != nil {
		t.Fatal(err)
	}
	return x
}
