package eval

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"sightline/api"
)

// Searcher answers searches; api.Engine is one.
type Searcher interface {
	Search(ctx context.Context, req api.SearchRequest) (api.SearchResponse, error)
}

// deadline of one search while measuring: quality is to be that of a second
// look that was never cut short.
const deadline = 30 * time.Second

// Row is the outcome at one depth; depth 0 is the first stage alone.
type Row struct {
	Depth int `json:"depth"`
	Quality
	P50    float64            `json:"p50_ms"` // of a whole search, one after the other
	P95    float64            `json:"p95_ms"`
	Cut    int                `json:"cut"` // searches whose second look left candidates unread; their quality is too low
	ByKind map[string]Quality `json:"by_kind,omitempty"`
}

// Report is what Run found.
type Report struct {
	Queries int    `json:"queries"`
	Model   string `json:"model"`
	Rows    []Row  `json:"rows"`
	// Reliability of match probabilities at the largest depth; Swaps by what was
	// exchanged. Nil without a second look, and without swaps in the queries.
	Reliability *Reliability `json:"reliability,omitempty"`
	Swaps       []SwapRow    `json:"swaps,omitempty"`
	Pairs       []Pair       `json:"-"` // what Reliability was made of
}

// Run asks every query at depth 0 and at each of depths, and rates the first
// 100 hits. The second look reads the words of a query with the candidates'
// pictures, and the picture of a query with their titles. Progress, where set,
// is called after each search.
func Run(ctx context.Context, s Searcher, queries []Query, depths []int, progress func(done, total int)) (Report, error) {
	r := Report{Queries: len(queries)}
	all := append([]int{0}, depths...)
	for i, depth := range all {
		run := &depthRun{depth: depth, byKind: map[string][]Quality{}, keep: depth > 0 && depth == slices.Max(all)}
		for j, q := range queries {
			model, err := run.ask(ctx, s, q)
			if err != nil {
				return r, fmt.Errorf("query %q at depth %d: %w", q.name(), depth, err)
			}
			r.Model = model
			if progress != nil {
				progress(i*len(queries)+j+1, len(all)*len(queries))
			}
		}
		r.Rows = append(r.Rows, run.row())
		r.Pairs = append(r.Pairs, run.pairs...)
	}
	r.Reliability = reliability(r.Pairs)
	return r, nil
}

// depthRun collects the answers at one depth.
type depthRun struct {
	depth  int
	byKind map[string][]Quality
	times  []float64
	cut    int
	keep   bool // pairs
	pairs  []Pair
}

func (d *depthRun) request(q Query) (api.SearchRequest, error) {
	req := api.NewSearchRequest(q.Text)
	req.Limit, req.Deadline = Cutoff, deadline
	req.Rerank = d.depth > 0
	if d.depth > 0 {
		req.Depth = d.depth
	}
	if q.Image == "" {
		return req, nil
	}
	data, err := os.ReadFile(q.Image)
	if err != nil {
		return req, fmt.Errorf("read picture: %w", err)
	}
	req.Image = data
	return req, nil
}

func (d *depthRun) ask(ctx context.Context, s Searcher, q Query) (model string, err error) {
	req, err := d.request(q)
	if err != nil {
		return "", err
	}
	res, err := s.Search(ctx, req)
	if err != nil {
		return "", err
	}
	if d.depth > 0 && res.Rerank.Scored < res.Rerank.Of {
		d.cut++
	}
	ranking := make([]string, len(res.Hits))
	for i, h := range res.Hits {
		ranking[i] = h.ID
	}
	relevant := make(map[string]bool, len(q.Relevant))
	for _, id := range q.Relevant {
		relevant[id] = true
	}
	for _, h := range res.Hits {
		if d.keep && h.MatchProbability != nil {
			d.pairs = append(d.pairs, Pair{h.Margin, *h.MatchProbability, relevant[h.ID]})
		}
	}
	d.byKind[q.Kind] = append(d.byKind[q.Kind], measure(ranking, relevant))
	d.times = append(d.times, float64(res.Timings.Total)/float64(time.Millisecond))
	return res.Model, nil
}

func (d *depthRun) row() Row {
	r := Row{Depth: d.depth, Cut: d.cut, P50: quantile(d.times, 0.5), P95: quantile(d.times, 0.95)}
	var all []Quality
	kinds := map[string]Quality{}
	for kind, q := range d.byKind {
		all = append(all, q...)
		kinds[kind] = mean(q)
	}
	r.Quality = mean(all)
	if len(kinds) > 1 {
		r.ByKind = kinds
	}
	return r
}

// quantile is the value at the nearest rank.
func quantile(values []float64, p float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[int(p*float64(len(sorted)-1)+0.5)]
}
