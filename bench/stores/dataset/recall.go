package dataset

import (
	"fmt"
	"os"
)

// tolerance is what float32 sums of 256 products may be off: hits whose exact
// cosine is so near the k-th best are as good as it.
const tolerance = 1e-6

// Recall judges rows that an engine found.
type Recall struct {
	set     Set
	answers Answers
	queries [][]float64
	file    *os.File
}

// NewRecall reads the queries. The caller closes it.
func NewRecall(s Set, answers Answers) (*Recall, error) {
	queries, err := s.wideQueries()
	if err != nil {
		return nil, err
	}
	f, err := os.Open(s.vectors())
	if err != nil {
		return nil, fmt.Errorf("judge recall: %w", err)
	}
	return &Recall{set: s, answers: answers, queries: queries, file: f}, nil
}

// Close closes the dataset's file.
func (r *Recall) Close() error { return r.file.Close() }

// Of is the share of the k best rows of a query that are among the found ones.
// A row that does not match the filter, or comes twice, counts for nothing.
func (r *Recall) Of(filter string, query, k int, found []int) (float64, error) {
	best := r.answers[filter][query]
	best = best[:min(k, len(best))]
	if len(best) == 0 {
		return 1, nil
	}
	worst := best[len(best)-1].Dot - tolerance
	good := make(map[int]bool, len(best))
	for _, row := range found[:min(k, len(found))] {
		if row < 0 || row >= r.set.Items || r.set.value(filter, row) != r.set.Where(filter, query) {
			continue
		}
		cosine, err := r.cosine(query, row)
		if err != nil {
			return 0, err
		}
		if cosine >= worst {
			good[row] = true
		}
	}
	return min(1, float64(len(good))/float64(len(best))), nil
}

func (r *Recall) cosine(query, row int) (float64, error) {
	raw := make([]byte, rowBytes)
	if _, err := r.file.ReadAt(raw, int64(row)*rowBytes); err != nil {
		return 0, fmt.Errorf("read vector %d: %w", row, err)
	}
	return dot(r.queries[query], widen(make([]float64, Dim), decode(raw))), nil
}
