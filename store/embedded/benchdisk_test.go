package embedded

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"sightline/store"
	"sightline/store/sqlitefile"
)

// fillFolder writes a catalogue's file in large transactions, without an index
// in memory: what Upsert would leave there, in a tenth of the time.
func fillFolder(tb testing.TB, dir string, items int) {
	tb.Helper()
	x, err := Open(tb.Context(), Options{Dir: dir, Dim: benchDim, Fingerprint: "m"})
	if err != nil {
		tb.Fatal(err)
	}
	defer x.Close()
	s := newShop()
	for done := 0; done < items; done += 10_000 {
		rows := make([]row, min(10_000, items-done))
		for i := range rows {
			e := s.entry(done + i)
			rows[i] = row{record: &record{item: e.Item, picture: e.Picture, hash: e.ContentHash}, vector: e.Embedding}
		}
		err := sqlitefile.InTransaction(tb.Context(), x.db, func(ctx context.Context, tx *sql.Tx) error {
			return x.writeRows(ctx, tx, rows, tb.Context().Err)
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
}

// BenchmarkOpen loads a catalogue that the system has in its file cache, as
// after a restart of the program.
func BenchmarkOpen(b *testing.B) {
	for _, items := range benchSizes() {
		dir := b.TempDir()
		fillFolder(b, dir, items)
		info, err := os.Stat(filepath.Join(dir, "catalogue.db"))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprint(items), func(b *testing.B) {
			var x *Index
			measure(b, func(int) {
				if x, err = Open(b.Context(), Options{Dir: dir, Dim: benchDim, Fingerprint: "m"}); err != nil {
					b.Fatal(err)
				}
				if err := x.Close(); err != nil {
					b.Fatal(err)
				}
			})
			b.ReportMetric(float64(info.Size())/float64(items), "disk-B/item")
			b.ReportMetric(float64(heapInUse())/float64(items), "memory-B/item")
			runtime.KeepAlive(x)
		})
		if err := os.RemoveAll(dir); err != nil { // now, not when the next size is done
			b.Fatal(err)
		}
	}
}

func heapInUse() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func BenchmarkUpsert(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint("batch=", n), func(b *testing.B) {
			x, err := Open(b.Context(), Options{Dir: b.TempDir(), Dim: benchDim, Fingerprint: "m"})
			if err != nil {
				b.Fatal(err)
			}
			defer x.Close()
			s := newShop()
			batch := make([]store.Entry, n)
			for i := range batch {
				batch[i] = s.entry(i)
			}
			measure(b, func(int) {
				if err := x.Upsert(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			})
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "items/s")
		})
	}
}

// BenchmarkMemory says what an item takes in memory, part by part.
func BenchmarkMemory(b *testing.B) {
	const items = 10 * chunkSlots
	s := newShop()
	parts := map[string]float64{}
	for b.Loop() {
		before := heapInUse()
		part := func(name string) {
			now := heapInUse()
			parts[name] = float64(int64(now)-int64(before)) / items
			before = now
		}
		var d decoder // as after a start: texts that many items share are kept once
		records := make([]*record, items)
		for i := range records {
			e := s.entry(i)
			text, err := json.Marshal(e.Item)
			if err != nil {
				b.Fatal(err)
			}
			it, err := d.item(text)
			if err != nil {
				b.Fatal(err)
			}
			records[i] = &record{item: it, picture: e.Picture, hash: e.ContentHash}
		}
		d = decoder{}
		part("records-B/item")
		where := make(map[string]uint32)
		for i, rec := range records {
			where[rec.item.ID] = uint32(i)
		}
		part("ids-B/item")
		var indexes []*chunkIndex
		for chunk := range slices.Chunk(records, chunkSlots) {
			indexes = append(indexes, newChunkIndex(chunk))
		}
		part("filters-B/item")
		m, err := newMatrix(benchDim, chunkSlots, 1)
		if err != nil {
			b.Fatal(err)
		}
		for i := range uint32(items) {
			if err := m.vectors.Set(i, s.product); err != nil {
				b.Fatal(err)
			}
		}
		part("vectors-B/item")
		runtime.KeepAlive([]any{where, indexes, m, d})
	}
	for name, size := range parts {
		b.ReportMetric(size, name)
	}
}
