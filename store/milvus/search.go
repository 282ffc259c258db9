package milvus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/milvus-io/milvus-sdk-go/v2/client"
	"github.com/milvus-io/milvus-sdk-go/v2/entity"

	"sightline/store"
	"sightline/store/filter"
)

// Search implements store.Index. On Milvus Lite it is exact. On servers the
// index is HNSW: it may miss a near item, in about 1 % of places, but fewer hits
// than asked for always mean that there are no more.
//
// Milvus returns a window of rows, more than the page. Their cosines are worked
// out here, from the stored embeddings, so that equal ones are equal to the last
// bit and can be ordered by id; Milvus's own differ in the last digit with
// the place in memory. A hit counts when it is above everything behind the
// window. Where filters that Milvus only narrows down, groups or ties leave too
// few, the window grows, and what no window can answer a scan of all rows does.
func (x *Index) Search(ctx context.Context, q store.Query) ([]store.Hit, error) {
	if err := x.usable(ctx); err != nil {
		return nil, err
	}
	if err := q.Validate(x.dim); err != nil {
		return nil, err
	}
	done, err := x.startReading(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	hits, err := x.search(ctx, newRequest(q))
	if err != nil {
		return nil, fmt.Errorf("search milvus: %w", err)
	}
	return hits, nil
}

func (x *Index) search(ctx context.Context, r *request) ([]store.Hit, error) {
	if r.cond.over == never {
		return nil, nil
	}
	for size := r.firstWindow(); ; size = min(4*size, maxWindow) {
		rows, floor, err := x.window(ctx, r, size)
		if err != nil {
			return nil, err
		}
		whole := len(rows) < size
		if whole && !x.server.flat() {
			if whole, err = x.allFound(ctx, r, len(rows)); err != nil {
				return nil, err
			}
			if !whole {
				return x.scan(ctx, r)
			}
		}
		best := r.rank(rows)
		if whole || r.settled(best, floor) {
			return r.page(best), nil
		}
		if size == maxWindow {
			return x.scan(ctx, r)
		}
	}
}

// allFound says whether a window that is not full has every row there is. HNSW
// gives up early where a filter leaves few rows.
func (x *Index) allFound(ctx context.Context, r *request, found int) (bool, error) {
	count, err := x.countRows(ctx, r.cond.over)
	return found >= count, err
}

// window returns the size nearest rows, and the smallest cosine that Milvus
// gave one of them.
func (x *Index) window(ctx context.Context, r *request, size int) (rows []row, floor float64, err error) {
	param, err := x.server.searchParam(size)
	if err != nil {
		return nil, 0, fmt.Errorf("window of %d rows: %w", size, err)
	}
	expression := string(r.cond.over)
	if r.cond.over == always {
		expression = ""
	}
	query := []entity.Vector{entity.FloatVector(r.query.Embedding)}
	err = x.server.read(ctx, x.items, func(ctx context.Context) error {
		found, err := x.server.Search(ctx, x.items, nil, expression, wantEntry[1:], query, colVector, metric, size, param, x.server.consistency())
		if err != nil {
			return err
		}
		rows, floor, err = decodeFound(found)
		return err
	})
	return rows, floor, err
}

func decodeFound(found []client.SearchResult) ([]row, float64, error) {
	if len(found) != 1 || found[0].Err != nil {
		return nil, 0, fmt.Errorf("answer of Milvus: %d results, %w", len(found), cmp.Or(firstError(found), errNoResult))
	}
	result := found[0]
	if result.ResultCount == 0 {
		return nil, 0, nil
	}
	rows, err := decodeRows(append(result.Fields, result.IDs), result.ResultCount)
	return rows, float64(slices.Min(result.Scores)), err
}

var errNoResult = errors.New("no result")

func firstError(found []client.SearchResult) error {
	for _, result := range found {
		if result.Err != nil {
			return result.Err
		}
	}
	return nil
}

// request is one search with what follows from its query.
type request struct {
	query    store.Query
	cond     span
	want     int // hits up to the end of the page
	excluded map[string]bool
}

func newRequest(q store.Query) *request {
	r := &request{query: q, cond: translate(q.Filter), want: q.K + q.Offset}
	if len(q.Exclude) > 0 {
		r.excluded = make(map[string]bool, len(q.Exclude))
		for _, id := range q.Exclude {
			r.excluded[id] = true
		}
		kept := not(in(colID, unique(q.Exclude)))
		r.cond = span{and(r.cond.over, kept), and(r.cond.under, kept)}
	}
	return r
}

// firstWindow leaves room for ties at the end of the page, and for rows that
// will not become hits.
func (r *request) firstWindow() int {
	size := r.want + r.want/8 + 16
	if r.query.GroupBy != "" || r.cond.under == never {
		size *= 4
	}
	return min(size, maxWindow)
}

// candidate is a row that may become a hit.
type candidate struct {
	row
	cosine float32
}

func (c candidate) compare(d candidate) int {
	return cmp.Or(cmp.Compare(d.cosine, c.cosine), cmp.Compare(c.id, d.id))
}

// rank orders the rows that match, best first, one of each group.
func (r *request) rank(rows []row) []candidate {
	best := make([]candidate, 0, len(rows))
	for _, row := range rows {
		if !r.excluded[row.id] && row.payload.Item.Matches(r.query.Filter) {
			best = append(best, candidate{row, r.cosine(row.vector)})
		}
	}
	slices.SortFunc(best, candidate.compare)
	return r.leaders(best)
}

// leaders keeps the first of each group.
func (r *request) leaders(sorted []candidate) []candidate {
	if r.query.GroupBy == "" {
		return sorted
	}
	seen := make(map[string]bool)
	return slices.DeleteFunc(sorted, func(c candidate) bool {
		v, ok := c.payload.Item.Field(r.query.GroupBy)
		if !ok || v.Type != filter.String {
			return false
		}
		again := seen[v.Text]
		seen[v.Text] = true
		return again
	})
}

// margin is more than Milvus's cosines are off: 1.5e-7 was the most on Lite.
const margin = 2e-6

// settled says whether no row behind the window can belong to the page.
func (r *request) settled(best []candidate, floor float64) bool {
	return len(best) >= r.want && float64(best[r.want-1].cosine) > floor+margin
}

func (r *request) page(best []candidate) []store.Hit {
	best = best[min(r.query.Offset, len(best)):]
	best = best[:min(r.query.K, len(best))]
	hits := make([]store.Hit, len(best))
	for i, c := range best {
		hits[i] = store.Hit{Item: c.payload.Item, Picture: c.payload.Picture, ITC: float64(c.cosine)}
	}
	return hits
}

// cosine is rounded to what embeddings carry, so that noise in the 16th digit
// does not order items whose cosines are equal.
func (r *request) cosine(v []float32) float32 {
	var sum float64
	for i, x := range r.query.Embedding {
		sum += float64(x) * float64(v[i])
	}
	return float32(sum)
}

// scan looks at every row. It keeps no more than twice the page.
func (x *Index) scan(ctx context.Context, r *request) ([]store.Hit, error) {
	keep := 2*r.want + 1000
	var rows []row
	var best []candidate
	settle := func() {
		best = append(best, r.rank(rows)...)
		slices.SortFunc(best, candidate.compare)
		best = r.leaders(best)
		best = best[:min(r.want, len(best))]
		rows = rows[:0]
	}
	err := x.visit(ctx, r.cond.over, wantEntry, place{hint: keep}, func(found row) bool {
		if rows = append(rows, found); len(rows) >= keep {
			settle()
		}
		return true
	})
	settle()
	return r.page(best), err
}
