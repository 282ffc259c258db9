// Package rerank measures the second look with the model that is shipped:
// throughput with one and many clients, and how good orders are that a deadline
// cut. `go test -bench . ./bench/rerank` runs it, in about three minutes.
package rerank

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"sightline/encoder"
	"sightline/encoder/encodertest"
	"sightline/encoder/ort"
	"sightline/rerank"
	"sightline/store/features"
)

// shop is a rendered catalogue in memory.
type shop struct {
	model   *encoder.Model
	ids     []string
	vectors [][]float32
	states  map[string]features.Record
	queries []query
}

type query struct {
	Text     string
	Kind     string
	Relevant []string
	tokens   encoder.Query
	nearest  []rerank.Candidate // the first stage's best 100
}

// Get makes a shop a rerank.FeatureSource.
func (s *shop) Get(_ context.Context, key string) (features.Record, bool, error) {
	r, ok := s.states[key]
	return r, ok, nil
}

// perKind bounds the queries: those of one kind.
const perKind = 60

func open(b *testing.B) *shop {
	b.Helper()
	library, err := ort.FindLibrary(os.Getenv)
	if err != nil {
		encodertest.Missing(b, "onnxruntime", err)
	}
	dir := b.TempDir()
	catalogue, bundle := filepath.Join(dir, "catalogue"), filepath.Join(dir, "model")
	for _, args := range [][]string{
		{"sightline/demo/render", "--split=test", "--n=2000", "--seed=7", "--out=" + catalogue},
		{"sightline/cmd/indexd", "model", "convert", "../../demo/model/retrieval", "--out", bundle},
	} {
		if out, err := exec.CommandContext(b.Context(), "go", append([]string{"run"}, args...)...).CombinedOutput(); err != nil {
			b.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	rt, err := ort.New(ort.Options{Library: library})
	if err != nil {
		b.Fatal(err)
	}
	s := &shop{states: map[string]features.Record{}}
	if s.model, err = encoder.Open(b.Context(), bundle, rt); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.model.Close() })
	s.read(b, catalogue)
	s.ask(b, filepath.Join(catalogue, "queries.jsonl"))
	return s
}

// read encodes the pictures, eight at a time.
func (s *shop) read(b *testing.B, catalogue string) {
	b.Helper()
	type item struct{ ID, Image string }
	for items := range slices.Chunk(lines[item](b, filepath.Join(catalogue, "feed.jsonl")), 8) {
		batch := make([]encoder.Pixels, len(items))
		for i, it := range items {
			data, err := os.ReadFile(filepath.Join(catalogue, it.Image))
			if err != nil {
				b.Fatal(err)
			}
			if batch[i], err = s.model.Pixels(data); err != nil {
				b.Fatal(err)
			}
		}
		got, err := s.model.Images(b.Context(), batch)
		if err != nil {
			b.Fatal(err)
		}
		for i, f := range got {
			s.ids = append(s.ids, items[i].ID)
			s.vectors = append(s.vectors, slices.Clone(f.Embedding))
			f.States.Float = slices.Clone(f.States.Float)
			s.states[items[i].ID] = features.Record(f.States)
		}
	}
}

// ask encodes the queries and finds the 100 nearest pictures of each.
func (s *shop) ask(b *testing.B, path string) {
	b.Helper()
	seen := map[string]int{}
	for _, q := range lines[query](b, path) {
		if seen[q.Kind]++; seen[q.Kind] > perKind {
			continue
		}
		q.tokens = s.model.Tokenize(q.Text)
		vectors, err := s.model.Texts(b.Context(), []encoder.Query{q.tokens})
		if err != nil {
			b.Fatal(err)
		}
		for i, v := range s.vectors {
			dot := 0.0
			for k := range v {
				dot += float64(v[k]) * float64(vectors[0][k])
			}
			q.nearest = append(q.nearest, rerank.Candidate{ID: s.ids[i], Picture: s.ids[i], ITC: dot})
		}
		slices.SortFunc(q.nearest, func(a, b rerank.Candidate) int { return cmp.Or(cmp.Compare(b.ITC, a.ITC), cmp.Compare(a.ID, b.ID)) })
		q.nearest = q.nearest[:min(100, len(q.nearest))]
		s.queries = append(s.queries, q)
	}
}

func lines[T any](b *testing.B, path string) []T {
	b.Helper()
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	var out []T
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		var v T
		if err := json.Unmarshal(sc.Bytes(), &v); err != nil {
			b.Fatal(err)
		}
		out = append(out, v)
	}
	if err := sc.Err(); err != nil {
		b.Fatal(err)
	}
	return out
}

// Benchmark runs both parts over one shop, which takes a while to make.
func Benchmark(b *testing.B) {
	s := open(b)
	for _, clients := range []int{1, 16} {
		for _, way := range []string{"direct", "scheduler", "direct-one-text", "scheduler-one-text"} {
			b.Run(fmt.Sprintf("clients=%d/%s", clients, way), func(b *testing.B) { s.throughput(b, clients, way) })
		}
	}
	for _, depth := range []int{-1, 1, 2, 4, 8, 12, 16, 20, 24, 32, 40, 50} {
		b.Run(fmt.Sprintf("of-50/depth=%d", depth), func(b *testing.B) { s.quality(b, 50, depth, rerank.OrderExpected) })
	}
	for _, depth := range []int{4, 8, 16, 32, 64, 100} {
		for name, o := range map[string]rerank.Order{"expected": rerank.OrderExpected, "scored": rerank.OrderScored, "matches": rerank.OrderMatches} {
			b.Run(fmt.Sprintf("depth=%d/order=%s", depth, name), func(b *testing.B) { s.quality(b, 100, depth, o) })
		}
	}
}

// throughput keeps clients asking, each for the best 48 candidates, without a
// deadline. "direct" is what the scheduler stands in for: every client runs its
// own sub-batches, and the runtime lets in whoever comes.
func (s *shop) throughput(b *testing.B, clients int, way string) {
	const depth, batch = 48, 16
	r := rerank.New(s.model, s, rerank.Options{Depth: depth, Batch: batch})
	defer r.Close()
	var next, pairs atomic.Int64
	var wg sync.WaitGroup
	before := processorTime(b)
	b.ResetTimer()
	for range clients {
		wg.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				q := s.queries[0]
				if !strings.HasSuffix(way, "one-text") {
					q = s.queries[int(n)%len(s.queries)]
				}
				if strings.HasPrefix(way, "direct") {
					pairs.Add(int64(s.direct(b, q, depth, batch)))
					continue
				}
				pairs.Add(int64(r.Rerank(b.Context(), q.tokens, q.nearest).Scored))
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(pairs.Load())/b.Elapsed().Seconds(), "pairs/s")
	b.ReportMetric(float64(processorTime(b)-before)/1e3/float64(pairs.Load()), "cpu-µs/pair")
}

// processorTime is this program's so far, in nanoseconds: what other programs
// on the machine change least.
func processorTime(b *testing.B) int64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

func (s *shop) direct(b *testing.B, q query, depth, batch int) int {
	n := 0
	for cands := range slices.Chunk(q.nearest[:depth], batch) {
		states := make([]encoder.States, len(cands))
		for i, c := range cands {
			states[i] = encoder.States(s.states[c.Picture])
		}
		logits, err := s.model.Match(b.Context(), q.tokens, states)
		if err != nil {
			b.Error(err)
		}
		n += len(logits)
	}
	return n
}

// quality rates the order of 100 candidates of which the first were read, as
// when a deadline came.
func (s *shop) quality(b *testing.B, of, depth int, o rerank.Order) {
	r := rerank.New(s.model, s, rerank.Options{Depth: depth, Order: o, Probability: s.model.Probability})
	defer r.Close()
	var r1, r10, ndcg, ap float64
	for b.Loop() {
		r1, r10, ndcg, ap = 0, 0, 0, 0
		for _, q := range s.queries {
			rated := rate(r.Rerank(b.Context(), q.tokens, q.nearest[:of]).Hits, q.Relevant)
			r1, r10, ndcg, ap = r1+rated[0], r10+rated[1], ndcg+rated[2], ap+rated[3]
		}
	}
	n := float64(len(s.queries))
	b.ReportMetric(r1/n, "r@1")
	b.ReportMetric(r10/n, "r@10")
	b.ReportMetric(ndcg/n, "ndcg@10")
	b.ReportMetric(ap/n, "map@100")
}

// rate is whether the first hit is relevant, the share of relevant ones in the
// first ten, nDCG of these, and average precision.
func rate(hits []rerank.Scored, relevant []string) (out [4]float64) {
	found, ideal := 0.0, 0.0
	for i, h := range hits {
		gain := 1 / math.Log2(float64(i+2))
		if i < min(10, len(relevant)) {
			ideal += gain
		}
		if !slices.Contains(relevant, h.ID) {
			continue
		}
		found++
		out[3] += found / float64(i+1)
		if i < 10 {
			out[1]++
			out[2] += gain
		}
		if i == 0 {
			out[0] = 1
		}
	}
	out[1] /= float64(min(10, len(relevant)))
	out[2] /= ideal
	out[3] /= float64(min(100, len(relevant)))
	return out
}
