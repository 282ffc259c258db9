package milvus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/milvus-io/milvus-sdk-go/v2/client"

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
// Where items have further pictures there is a window of those beside it.
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

// candidate is an item that may become a hit.
type candidate struct {
	row
	cosine float32
	view   int // the picture that cosine is of
}

func (c candidate) compare(d candidate) int {
	return cmp.Or(cmp.Compare(d.cosine, c.cosine), cmp.Compare(c.id, d.id))
}

// see counts a view: the nearest one stands, of equally near ones the first.
func (c *candidate) see(cosine float32, view int) {
	if cosine > c.cosine || cosine == c.cosine && view < c.view {
		c.cosine, c.view = cosine, view
	}
}

// candidates are the rows of items that match, by their own pictures.
func (r *request) candidates(rows []row) []candidate {
	all := make([]candidate, 0, len(rows))
	for _, row := range rows {
		if !r.excluded[row.id] && row.payload.Item.Matches(r.query.Filter) {
			all = append(all, candidate{row: row, cosine: r.cosine(row.vector)})
		}
	}
	return all
}

// rank puts the best first and keeps one of each group.
func (r *request) rank(all []candidate) []candidate {
	slices.SortFunc(all, candidate.compare)
	return r.leaders(all)
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

// reach is the cosine at the end of the page, -Inf where it is not full.
func (r *request) reach(best []candidate) float64 {
	if len(best) < r.want {
		return math.Inf(-1)
	}
	return float64(best[r.want-1].cosine)
}

func (r *request) page(best []candidate) []store.Hit {
	best = best[min(r.query.Offset, len(best)):]
	best = best[:min(r.query.K, len(best))]
	hits := make([]store.Hit, len(best))
	for i, c := range best {
		hits[i] = store.Hit{Item: c.payload.Item, Picture: c.payload.Picture, View: c.view, ITC: float64(c.cosine)}
		if c.view > 0 {
			hits[i].Picture = c.payload.Views[c.view-1]
		}
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

// scan looks at every item and its views. It keeps no more than twice the page.
func (x *Index) scan(ctx context.Context, r *request) ([]store.Hit, error) {
	keep := 2*r.want + 1000
	var rows []row
	var best []candidate
	var failed error
	settle := func() bool {
		found := r.candidates(rows)
		if failed = x.seeViews(ctx, r, found); failed != nil {
			return false
		}
		best = r.rank(append(best, found...))
		best = best[:min(r.want, len(best))]
		rows = rows[:0]
		return true
	}
	err := x.visit(ctx, r.cond.over, wantEntry, place{hint: keep}, func(found row) bool {
		rows = append(rows, found)
		return len(rows) < keep || settle()
	})
	if err == nil && failed == nil {
		settle()
	}
	return r.page(best), errors.Join(err, failed)
}

// seeViews reads all views of candidates.
func (x *Index) seeViews(ctx context.Context, r *request, all []candidate) error {
	rows := make([]row, len(all))
	for i, c := range all {
		rows[i] = c.row
	}
	return x.viewRows(ctx, rows, func(item int, view row) {
		all[item].see(r.cosine(view.vector), viewNumber(view.key))
	})
}
