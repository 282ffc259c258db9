package dataset

import (
	"bufio"
	"cmp"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"
)

// Answer is one of the best rows of a query.
type Answer struct {
	Row int
	Dot float64
}

// Answers are the Depth best rows of each query, best first, by filter.
type Answers map[string][][]Answer

// Load makes the dataset and its answers, or reads what an earlier call with the
// same numbers left in the folder: the answers are written last.
func (s Set) Load(ctx context.Context) (Answers, error) {
	type kept struct {
		Set     Set
		Answers Answers
	}
	path := filepath.Join(s.Dir, "answers.gob")
	if f, err := os.Open(path); err == nil {
		defer f.Close()
		var k kept
		if err := gob.NewDecoder(bufio.NewReader(f)).Decode(&k); err == nil && k.Set == s {
			return k.Answers, nil
		}
	}
	if err := s.Make(ctx); err != nil {
		return nil, err
	}
	answers, err := s.exact(ctx)
	if err != nil {
		return nil, fmt.Errorf("exact answers: %w", err)
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("keep answers: %w", err)
	}
	if err := errors.Join(gob.NewEncoder(f).Encode(kept{s, answers}), f.Close()); err != nil {
		return nil, fmt.Errorf("keep answers: %w", err)
	}
	return answers, nil
}

// exact compares every item with every query in float64, on all processors.
func (s Set) exact(ctx context.Context) (Answers, error) {
	queries, err := s.wideQueries()
	if err != nil {
		return nil, err
	}
	workers := runtime.GOMAXPROCS(0)
	parts := make([]*finder, workers)
	group, ctx := errgroup.WithContext(ctx)
	for w := range workers {
		parts[w] = newFinder(s, queries)
		group.Go(func() error { return parts[w].scan(ctx, s.Items*w/workers, s.Items*(w+1)/workers) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for _, p := range parts[1:] {
		for i, more := range p.best {
			for _, a := range more {
				parts[0].best[i].add(a)
			}
		}
	}
	return parts[0].answers(), nil
}

func (s Set) wideQueries() ([][]float64, error) {
	queries, err := s.QueryVectors()
	if err != nil {
		return nil, err
	}
	wide := make([][]float64, len(queries))
	for i, q := range queries {
		wide[i] = widen(make([]float64, Dim), q)
	}
	return wide, nil
}

func widen(into []float64, v []float32) []float64 {
	for i, x := range v {
		into[i] = float64(x)
	}
	return into
}

// finder keeps the best rows of a part: best[query*len(Filters)+filter].
type finder struct {
	set     Set
	queries [][]float64
	wanted  []string // as best
	best    []topHeap
}

func newFinder(s Set, queries [][]float64) *finder {
	f := &finder{set: s, queries: queries, best: make([]topHeap, len(queries)*len(Filters))}
	for q := range queries {
		for _, filter := range Filters {
			f.wanted = append(f.wanted, s.Where(filter, q))
		}
	}
	return f
}

func (f *finder) scan(ctx context.Context, from, to int) error {
	file, err := os.Open(f.set.vectors())
	if err != nil {
		return err
	}
	defer file.Close()
	in := bufio.NewReaderSize(io.NewSectionReader(file, int64(from)*rowBytes, int64(to-from)*rowBytes), 1<<20)
	raw, wide := make([]byte, rowBytes), make([]float64, Dim)
	for row := from; row < to; row++ {
		if _, err := io.ReadFull(in, raw); err != nil {
			return fmt.Errorf("read vector %d: %w", row, err)
		}
		f.compare(row, widen(wide, decode(raw)))
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

func (f *finder) compare(row int, v []float64) {
	has := make([]string, len(Filters))
	for i, filter := range Filters {
		has[i] = f.set.value(filter, row)
	}
	for q, query := range f.queries {
		a := Answer{row, dot(query, v)}
		for i := range Filters {
			if at := q*len(Filters) + i; has[i] == f.wanted[at] {
				f.best[at].add(a)
			}
		}
	}
}

// dot adds in four sums, which the processor does at once.
func dot(a, b []float64) float64 {
	var s0, s1, s2, s3 float64
	for len(a) >= 4 && len(b) >= 4 {
		s0 += a[0] * b[0]
		s1 += a[1] * b[1]
		s2 += a[2] * b[2]
		s3 += a[3] * b[3]
		a, b = a[4:], b[4:]
	}
	return s0 + s1 + s2 + s3
}

func (f *finder) answers() Answers {
	out := make(Answers)
	for i, best := range f.best {
		slices.SortFunc(best, func(a, b Answer) int {
			return cmp.Or(cmp.Compare(b.Dot, a.Dot), cmp.Compare(id(a.Row), id(b.Row)))
		})
		filter := Filters[i%len(Filters)]
		out[filter] = append(out[filter], best)
	}
	return out
}

// topHeap holds the Depth best, the worst of them first.
type topHeap []Answer

func (h *topHeap) add(a Answer) {
	s := *h
	if len(s) < Depth {
		s = append(s, a)
		for i := len(s) - 1; i > 0 && s[i].Dot < s[(i-1)/2].Dot; i = (i - 1) / 2 {
			s[i], s[(i-1)/2] = s[(i-1)/2], s[i]
		}
		*h = s
		return
	}
	if a.Dot <= s[0].Dot {
		return
	}
	s[0] = a
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(s); child++ {
			if s[child].Dot < s[least].Dot {
				least = child
			}
		}
		if least == i {
			return
		}
		s[i], s[least] = s[least], s[i]
		i = least
	}
}
