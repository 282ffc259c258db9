package milvus

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/milvus-io/milvus-sdk-go/v2/entity"
	"golang.org/x/sync/errgroup"

	"sightline/store"
)

func (x *Index) search(ctx context.Context, r *request) ([]store.Hit, error) {
	if r.cond.over == never {
		return nil, nil
	}
	f := x.newFinder(r)
	for {
		whole, err := f.look(ctx)
		if err != nil {
			return nil, err
		}
		if !whole {
			return x.scan(ctx, r)
		}
		best, err := f.best(ctx)
		if err != nil {
			return nil, err
		}
		switch settled, grown := f.grow(r.reach(best)); {
		case settled:
			return r.page(best), nil
		case !grown:
			return x.scan(ctx, r)
		}
	}
}

// finder is the windows of one search.
type finder struct {
	*Index
	*request
	own     *window
	views   *window         // nil where no item has any
	fetched map[string]*row // items that views have found; nil for those that are not there
}

// window is the nearest rows of a collection.
type window struct {
	collection string
	fields     []string
	size       int
	due        bool // it has grown and is to be asked for
	rows       []row
	// floor is a cosine that no row behind the window is above, but for margin;
	// -Inf where no row is behind it.
	floor float64
}

// viewsPerItem is how many more rows the window of views begins with: those of
// one item are often near each other.
const viewsPerItem = 2

func (x *Index) newFinder(r *request) *finder {
	f := &finder{Index: x, request: r, own: &window{collection: x.items, fields: wantEntry[1:], size: r.firstWindow(), due: true}}
	if x.viewing.some.Load() {
		f.openViews()
	}
	return f
}

func (f *finder) openViews() {
	f.views = &window{collection: f.state.views, fields: wantView[1:], size: min(viewsPerItem*f.firstWindow(), maxWindow), due: true}
	f.fetched = make(map[string]*row)
}

// look asks for the windows that are due, beside each other; while no views are
// known of, for those too. It returns false where a window lacks rows without
// being full: HNSW gives up early where a filter leaves few.
func (f *finder) look(ctx context.Context) (whole bool, err error) {
	var wholeOwn, wholeViews, some bool
	group, beside := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		wholeOwn, err = f.fill(beside, f.own)
		return err
	})
	group.Go(func() (err error) {
		if f.views == nil {
			some, err = f.hasViews(beside)
			return err
		}
		wholeViews, err = f.fill(beside, f.views)
		return err
	})
	err = group.Wait()
	switch {
	case err != nil || f.views != nil:
		return wholeOwn && wholeViews, err
	case some && wholeOwn:
		f.openViews()
		return f.look(ctx)
	}
	return wholeOwn, nil
}

func (f *finder) fill(ctx context.Context, w *window) (whole bool, err error) {
	if !w.due {
		return true, nil
	}
	w.due = false
	if err := f.window(ctx, f.request, w); err != nil {
		return false, err
	}
	if len(w.rows) == w.size {
		return true, nil
	}
	w.floor = math.Inf(-1)
	if f.server.flat() {
		return true, nil
	}
	count, err := f.countRows(ctx, w.collection, f.cond.over)
	return len(w.rows) >= count, err
}

// window fills a window from Milvus.
func (x *Index) window(ctx context.Context, r *request, w *window) error {
	param, err := x.server.searchParam(w.size)
	if err != nil {
		return fmt.Errorf("window of %d rows: %w", w.size, err)
	}
	expression := string(r.cond.over)
	if r.cond.over == always {
		expression = ""
	}
	query := []entity.Vector{entity.FloatVector(r.query.Embedding)}
	return x.server.read(ctx, w.collection, func(ctx context.Context) error {
		found, err := x.server.Search(ctx, w.collection, nil, expression, w.fields, query, colVector, metric, w.size, param, x.server.consistency())
		if err != nil {
			return err
		}
		w.rows, w.floor, err = decodeFound(found)
		return err
	})
}

// best ranks the items of both windows. Items that only views have found are
// read as far as a page has room for them, and all of them where that leaves
// the page to one that was not read.
func (f *finder) best(ctx context.Context) ([]candidate, error) {
	own := f.candidates(f.own.rows)
	if f.views == nil || len(f.views.rows) == 0 {
		return f.rank(own), nil
	}
	others := f.others()
	for few := f.few(); ; few = len(others) {
		few = min(few, len(others))
		if err := f.fetch(ctx, others[:few]); err != nil {
			return nil, err
		}
		best := f.merge(own)
		if few == len(others) || f.reach(best) > float64(others[few].cosine) {
			return best, nil
		}
	}
}

// few is how many items are likely to fill the page.
func (f *finder) few() int {
	if f.query.GroupBy != "" || f.cond.under == never {
		return 4 * f.want
	}
	return f.want
}

// others are the items of near views that are not in the window of items, the
// nearest first, as far as they are above its floor: below it there is nothing
// to decide yet. Behind a window that holds all items there are none.
func (f *finder) others() []candidate {
	if math.IsInf(f.own.floor, -1) {
		return nil
	}
	place := make(map[string]int, len(f.own.rows))
	for _, r := range f.own.rows {
		place[r.id] = -1
	}
	var all []candidate
	for _, v := range f.views.rows {
		cosine := f.cosine(v.vector)
		if float64(cosine) <= f.own.floor-margin {
			continue
		}
		at, known := place[v.id]
		switch {
		case !known:
			place[v.id] = len(all)
			all = append(all, candidate{row: row{id: v.id}, cosine: cosine})
		case at >= 0:
			all[at].cosine = max(all[at].cosine, cosine)
		}
	}
	slices.SortFunc(all, candidate.compare)
	return all
}

// fetch reads those that have not been read.
func (f *finder) fetch(ctx context.Context, others []candidate) error {
	var missing []string
	for _, c := range others {
		if _, known := f.fetched[c.id]; !known {
			missing = append(missing, c.id)
		}
	}
	found, err := f.server.byIDs(ctx, f.items, missing, wantEntry, f.server.consistency())
	if err != nil {
		return err
	}
	for _, id := range missing {
		r, ok := found[id]
		f.fetched[id] = &r
		if !ok {
			f.fetched[id] = nil // a view left over
		}
	}
	return nil
}

// merge ranks what is known of items by all their pictures.
func (f *finder) merge(own []candidate) []candidate {
	inWindow := make(map[string]bool, len(f.own.rows))
	for _, r := range f.own.rows {
		inWindow[r.id] = true
	}
	var others []row
	for id, r := range f.fetched {
		if r != nil && !inWindow[id] {
			others = append(others, *r)
		}
	}
	all := append(f.candidates(others), own...)
	place := make(map[string]int, len(all))
	for i, c := range all {
		place[c.id] = i
	}
	for _, v := range f.views.rows {
		if i, ok := place[v.id]; ok && belongs(v.key, all[i].payload.lastView()) {
			all[i].see(f.cosine(v.vector), viewNumber(v.key))
		}
	}
	return f.rank(all)
}

// grow enlarges the windows behind which rows may be that belong to a page that
// reaches down to a cosine. There are none behind any where it is settled; it
// cannot grow where a window has the largest size.
func (f *finder) grow(reach float64) (settled, grown bool) {
	settled, grown = true, true
	for _, w := range []*window{f.own, f.views} {
		if w == nil || math.IsInf(w.floor, -1) || reach > w.floor+margin {
			continue
		}
		settled = false
		grown = grown && w.size < maxWindow
		w.size, w.due = min(4*w.size, maxWindow), true
	}
	return settled, grown
}
