package embedded

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"sightline/store"
	"sightline/store/filter"
)

const benchDim = 256

// benchSizes are 100,000 items, and a million where SIGHTLINE_BENCH_LARGE=1:
// that takes 3 GB of memory, 2 GB of disk and some minutes to make.
func benchSizes() []int {
	if os.Getenv("SIGHTLINE_BENCH_LARGE") == "1" {
		return []int{100_000, 1_000_000}
	}
	return []int{100_000}
}

// shop makes a catalogue like a shop's: five variants of a product share a
// group and lie close together, products lie around 1000 centres.
type shop struct {
	r       *rand.Rand
	centres [][]float32
	product []float32
}

func newShop() *shop {
	s := &shop{r: rand.New(rand.NewPCG(1, 2))}
	for range 1000 {
		s.centres = append(s.centres, s.near(make([]float32, benchDim), 1))
	}
	return s
}

// near returns a unit vector in a random direction from centre: cosine
// 1/sqrt(1+spread^2) to it.
func (s *shop) near(centre []float32, spread float64) []float32 {
	v := make([]float32, benchDim)
	var sum float64
	for i := range v {
		v[i] = centre[i] + float32(s.r.NormFloat64()*spread/math.Sqrt(benchDim))
		sum += float64(v[i]) * float64(v[i])
	}
	for i := range v {
		v[i] = float32(float64(v[i]) / math.Sqrt(sum))
	}
	return v
}

// query is near one of the centres, as a text's embedding would be.
func (s *shop) query() []float32 { return s.near(s.centres[s.r.IntN(len(s.centres))], 1) }

func (s *shop) entry(i int) store.Entry {
	if i%5 == 0 || s.product == nil {
		s.product = s.near(s.centres[s.r.IntN(len(s.centres))], 0.6)
	}
	price := float64(s.r.IntN(20_000)) / 100
	pick := func(name string, n int) string { return fmt.Sprint(name, " ", s.r.IntN(n)) }
	return store.Entry{
		Embedding: s.near(s.product, 0.2), Picture: fmt.Sprintf("%064x", i), ContentHash: fmt.Sprintf("%064x", i),
		Item: store.Item{
			ID: fmt.Sprintf("sku-%07d", i*7919%10_000_000), Title: fmt.Sprint("Striped cotton T-shirt with a round neck, model ", i/5),
			Description: fmt.Sprint("A soft shirt for warm days. Wash at 30 degrees. Article ", i), Price: &price, Currency: "EUR",
			URL: fmt.Sprint("https://shop.example/p/", i), Image: fmt.Sprint("pictures/", i, ".jpg"), Availability: "in_stock",
			Brand: pick("brand", 200), Category: pick("category", 10), Color: pick("color", 12), GroupID: fmt.Sprint("product ", i/5),
			Attributes: map[string]any{"material": pick("material", 20), "size": float64(s.r.IntN(10) + 36), "sale": s.r.IntN(4) == 0, "tags": []string{pick("tag", 30), pick("tag", 30)}},
			Version:    int64(i), UpdatedAt: time.Unix(1_700_000_000+int64(i), 0).UTC(),
		},
	}
}

// benchFilters are those of the aims, and some that are harder to evaluate.
func benchFilters(tb testing.TB) map[string]filter.Expr {
	filters := map[string]filter.Expr{"all": nil}
	for name, text := range map[string]string{
		"10%":   `category = "category 3"`,
		"0.5%":  `brand = "brand 7"`,
		"1":     `id = "sku-0007919"`,
		"range": `price < 100 AND updated_at > "2023-01-01T00:00:00Z" AND NOT color IN ("color 1", "color 2")`,
		"tags":  `tags CONTAINS ANY ("tag 1", "tag 2", "tag 3") OR title STARTS WITH "Striped cotton T-shirt with a round neck, model 1"`,
	} {
		e, err := filter.Parse(text)
		if err != nil {
			tb.Fatal(err)
		}
		filters[name] = e
	}
	return filters
}

var benchFilterNames = []string{"all", "10%", "0.5%", "1", "range", "tags"}

// memoryIndex has a catalogue in memory only, which is all that reads use.
func memoryIndex(tb testing.TB, items int) (*Index, *shop) { return memoryIndexOf(tb, items, 0) }

// memoryIndexOf gives each item some further pictures, which differ from each
// other more than variants do.
func memoryIndexOf(tb testing.TB, items, views int) (*Index, *shop) {
	tb.Helper()
	m, err := newMatrix(benchDim, chunkSlots, 1)
	if err != nil {
		tb.Fatal(err)
	}
	s := newShop()
	for done := 0; done < items; done += 10_000 {
		rows := make([]row, 10_000)
		for i := range rows {
			e := s.entry(done + i)
			for n := range views {
				e.Views = append(e.Views, store.View{Picture: fmt.Sprintf("%032x%032x", n+1, done+i), Embedding: s.near(s.product, 0.5)})
			}
			rows[i] = entryRow(e)
		}
		if err := m.apply(nil, rows, 1); err != nil {
			tb.Fatal(err)
		}
	}
	runtime.GC()
	return &Index{matrix: m}, s
}

// processorTime is what the process has used so far: on a machine that does
// other things too, it says more than time passed.
func processorTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measure reports the least, the median and the 99th percentile of a call's
// time, and the processor time of all of them.
func measure(b *testing.B, call func(round int)) {
	b.Helper()
	var took []time.Duration
	runtime.GC() // of what made the catalogue
	b.ReportAllocs()
	before := processorTime(b)
	for b.Loop() {
		start := time.Now()
		call(len(took))
		took = append(took, time.Since(start))
	}
	used := processorTime(b) - before
	slices.Sort(took)
	micros := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }
	b.ReportMetric(micros(took[0]), "least-µs")
	b.ReportMetric(micros(took[len(took)/2]), "p50-µs")
	b.ReportMetric(micros(took[len(took)*99/100]), "p99-µs")
	b.ReportMetric(micros(used)/float64(len(took)), "cpu-µs/op")
}

// BenchmarkReads asks one catalogue of each size everything that needs no disk.
func BenchmarkReads(b *testing.B) {
	for _, items := range benchSizes() {
		x, s := memoryIndex(b, items)
		queries := make([][]float32, 64)
		for i := range queries {
			queries[i] = s.query()
		}
		filters := benchFilters(b)
		b.Run(fmt.Sprint("Search/", items), func(b *testing.B) { benchSearch(b, x, queries, filters) })
		b.Run(fmt.Sprint("Groups/", items), func(b *testing.B) { benchGroups(b, x, queries) })
		b.Run(fmt.Sprint("Count/", items), func(b *testing.B) { benchCount(b, x, filters) })
		b.Run(fmt.Sprint("Facets/", items), func(b *testing.B) { benchFacets(b, x, filters) })
		b.Run(fmt.Sprint("SearchFacets/", items), func(b *testing.B) { benchSearchFacets(b, x, filters) })
		b.Run(fmt.Sprint("Scan/", items), func(b *testing.B) { benchScan(b, x, filters) })
		b.Run(fmt.Sprint("Get/", items), func(b *testing.B) { benchGet(b, x) })
	}
}

// BenchmarkViews searches 300,000 vectors, or 400,000: those of 300,000 items, of
// 100,000 with two views each, and of 20,000 with nineteen each.
func BenchmarkViews(b *testing.B) {
	for _, c := range []struct{ items, views int }{{300_000, 0}, {100_000, 2}, {20_000, 19}} {
		x, s := memoryIndexOf(b, c.items, c.views)
		queries := make([][]float32, 64)
		for i := range queries {
			queries[i] = s.query()
		}
		filters := benchFilters(b)
		b.Run(fmt.Sprintf("Search/%d+%d", c.items, c.views), func(b *testing.B) { benchSearch(b, x, queries, filters) })
		b.Run(fmt.Sprintf("Groups/%d+%d", c.items, c.views), func(b *testing.B) { benchGroups(b, x, queries) })
		b.Run(fmt.Sprintf("Count/%d+%d", c.items, c.views), func(b *testing.B) { benchCount(b, x, filters) })
	}
}

func benchSearch(b *testing.B, x *Index, queries [][]float32, filters map[string]filter.Expr) {
	for _, name := range benchFilterNames {
		for _, k := range []int{10, 200} {
			b.Run(fmt.Sprintf("%s/k=%d", name, k), func(b *testing.B) {
				measure(b, func(i int) {
					q := store.Query{Embedding: queries[i%len(queries)], K: k, Filter: filters[name]}
					if hits, err := x.Search(b.Context(), q); err != nil || len(hits) == 0 {
						b.Fatal(len(hits), err)
					}
				})
			})
		}
	}
}

func benchGroups(b *testing.B, x *Index, queries [][]float32) {
	for _, field := range []string{"group_id", "brand", "category"} {
		for _, k := range []int{10, 200} {
			b.Run(fmt.Sprintf("%s/k=%d", field, k), func(b *testing.B) {
				measure(b, func(i int) {
					q := store.Query{Embedding: queries[i%len(queries)], K: k, GroupBy: field}
					if hits, err := x.Search(b.Context(), q); err != nil || len(hits) == 0 {
						b.Fatal(len(hits), err)
					}
				})
			})
		}
	}
}

func benchCount(b *testing.B, x *Index, filters map[string]filter.Expr) {
	for _, name := range benchFilterNames[1:] {
		b.Run(name, func(b *testing.B) {
			measure(b, func(int) {
				if n, err := x.Count(b.Context(), filters[name]); err != nil || n == 0 {
					b.Fatal(n, err)
				}
			})
		})
	}
}

func benchFacets(b *testing.B, x *Index, filters map[string]filter.Expr) {
	few := []string{"brand", "category", "color", "attributes.sale", "attributes.tags"}
	for _, name := range []string{"all", "10%"} {
		for kind, fields := range map[string][]string{"few values": few, "unique values": {"title"}} {
			b.Run(name+"/"+kind, func(b *testing.B) {
				measure(b, func(int) {
					if facets, err := x.Facets(b.Context(), filters[name], fields, 20); err != nil || len(facets[fields[0]]) == 0 {
						b.Fatal(facets, err)
					}
				})
			})
		}
	}
}

// benchSearchFacets is what a shop's page asks for with each search: four fields
// of texts, prices with ranges, and how many items lack each of them.
func benchSearchFacets(b *testing.B, x *Index, filters map[string]filter.Expr) {
	fields := []string{"brand", "category", "color", "attributes.tags"}
	ranges := []store.Range{{From: math.Inf(-1), To: 25}, {From: 25, To: 50}, {From: 50, To: 100}, {From: 100, To: math.Inf(1)}}
	for _, name := range benchFilterNames {
		b.Run(name, func(b *testing.B) {
			measure(b, func(int) {
				if _, err := x.Facets(b.Context(), filters[name], fields, 20); err != nil {
					b.Fatal(err)
				}
				if n, err := x.Numbers(b.Context(), filters[name], "price", ranges); err != nil || n.Count == 0 {
					b.Fatal(n, err)
				}
				for _, field := range append(fields, "price") {
					missing := filter.Expr(filter.Not{Kid: filter.Exists{Field: field}})
					if filters[name] != nil {
						missing = filter.And{Kids: []filter.Expr{filters[name], missing}}
					}
					if _, err := x.Count(b.Context(), missing); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

func benchScan(b *testing.B, x *Index, filters map[string]filter.Expr) {
	for _, name := range []string{"all", "10%", "0.5%"} {
		b.Run("page of 1000/"+name, func(b *testing.B) {
			after := ""
			measure(b, func(int) {
				page, err := x.Scan(b.Context(), after, 1000, filters[name])
				if err != nil {
					b.Fatal(err)
				}
				if after = ""; len(page) == 1000 {
					after = page[999].Item.ID
				}
			})
		})
	}
	b.Run("all pages of 1000", func(b *testing.B) {
		measure(b, func(int) {
			seen := 0
			for after, full := "", true; full; {
				page, err := x.Scan(b.Context(), after, 1000, nil)
				if err != nil {
					b.Fatal(err)
				}
				if full = len(page) == 1000; full {
					after = page[999].Item.ID
				}
				seen += len(page)
			}
			if seen != x.matrix.current.Load().items() {
				b.Fatalf("saw %d items", seen)
			}
		})
	})
}

func benchGet(b *testing.B, x *Index) {
	ids, err := x.matrix.current.Load().ids(b.Context(), nil)
	if err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{1, 200} {
		b.Run(fmt.Sprint("ids=", n), func(b *testing.B) {
			measure(b, func(i int) {
				from := i * 7919 % (len(ids) - n)
				if got, err := x.Get(b.Context(), ids[from:from+n]); err != nil || len(got) != n {
					b.Fatal(len(got), err)
				}
			})
		})
	}
}

// BenchmarkChunkIndex makes the index of one full chunk.
func BenchmarkChunkIndex(b *testing.B) {
	s := newShop()
	records := make([]*record, chunkSlots)
	for i := range records {
		records[i] = &record{item: s.entry(i).Item}
	}
	measure(b, func(int) { newChunkIndex(records) })
}
