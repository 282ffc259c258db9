package milvus

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/milvus-io/milvus-sdk-go/v2/entity"

	"sightline/store"
)

// An item's further pictures are rows of a collection of their own. The key of
// a row is a stamp, the hash of everything that the write said of the item, and
// the number of the view. The item's row holds the stamp and how many views
// there are, and only what it names counts: views are written before their
// item and removed after it, so that the one call of the item changes both. A
// write that is repeated writes the same keys.
//
// What an interrupted write leaves over is ignored by every read. It is removed
// by sweep, at the end of a full sync, and before the first write that changes
// views after a process that did not come to an orderly end.
const (
	stampSize = valueHash
	keySize   = stampSize + 2
)

// stamp is of an item's JSON, which names the pictures, and of its views.
func stamp(item []byte, views []store.View) string {
	var vectors []byte
	for _, v := range views {
		for _, x := range v.Embedding {
			vectors = binary.LittleEndian.AppendUint32(vectors, math.Float32bits(x))
		}
	}
	return hash(stampSize, string(item), string(vectors))
}

func viewKey(stamp string, number int) string { return fmt.Sprintf("%s%02d", stamp, number) }

// viewKeys returns the keys up to the last one; none for "".
func viewKeys(last string) []string {
	count := viewNumber(last)
	keys := make([]string, 0, count)
	for n := range count {
		keys = append(keys, viewKey(last[:stampSize], n+1))
	}
	return keys
}

// viewNumber is 0 of what is no key.
func viewNumber(key string) int {
	if len(key) != keySize {
		return 0
	}
	n, err := strconv.Atoi(key[stampSize:])
	if err != nil || n < 1 || n > store.MaxViews {
		return 0
	}
	return n
}

// belongs says whether a view is one of those that end with the last one.
func belongs(key, last string) bool {
	n := viewNumber(key)
	return n > 0 && n <= viewNumber(last) && strings.HasPrefix(last, key[:stampSize])
}

// viewing is what a process knows of a collection's views.
type viewing struct {
	some   atomic.Bool               // there have been some
	noneAt atomic.Pointer[time.Time] // when there were none
	marked bool                      // see markFor; guarded by state.writing
	failed bool                      // views may be left over; guarded by state.writing
}

// viewsCheck is how long a process that writes no views believes that there are
// none, unless it is to see all writes at once. Asking costs Lite 1 ms.
const viewsCheck = time.Second

// hasViews says whether a search has to look for views. Once there were some it
// always has to.
func (st *state) hasViews(ctx context.Context) (bool, error) {
	v := &st.viewing
	if v.some.Load() {
		return true, nil
	}
	now := time.Now()
	if at := v.noneAt.Load(); at != nil && now.Sub(*at) < viewsCheck && !st.server.options.Strong {
		return false, nil
	}
	n, err := st.countRows(ctx, st.views, always)
	switch {
	case err != nil:
		return false, err
	case n > 0:
		v.some.Store(true)
	default:
		v.noneAt.Store(&now)
	}
	return n > 0, nil
}

// mark is a tombstone of no item, since ids have no control characters. It is
// there while a process writes views, and stays when that does not end in order.
const mark = "\x01views"

// markFor comes before a write that changes views. The caller holds writing.
func (st *state) markFor(ctx context.Context, changesViews bool) error {
	if !changesViews {
		return nil
	}
	st.viewing.some.Store(true)
	if st.viewing.marked {
		return nil
	}
	found, err := st.server.byKeys(ctx, st.tombs, in(colID, []string{mark}), wantVersion, strongly())
	if err == nil && len(found) > 0 {
		err = st.sweep(ctx)
	}
	if err != nil {
		return err
	}
	err = st.server.upsertRows(ctx, st.tombs, 1, entity.NewColumnVarChar(colID, []string{mark}), sideVectors(1),
		entity.NewColumnInt64(colVersion, []int64{0}), entity.NewColumnInt64(colAt, []int64{math.MaxInt64}))
	st.viewing.marked = err == nil
	return err
}

// unmark is tried once, so that closing does not wait for a server that is
// gone: the next process sweeps then.
func (st *state) unmark() {
	ctx, cancel := context.WithTimeout(st.server.base, chorePatience)
	defer cancel()
	ctx, release, err := st.startWriting(ctx)
	if err != nil {
		return // closed, or nobody knows whose turn it is
	}
	defer release()
	if !st.viewing.marked || st.viewing.failed {
		return
	}
	err = st.server.once(ctx, st.server.options.WriteTimeout, func(ctx context.Context) error {
		return st.server.Delete(ctx, st.tombs, "", string(in(colID, []string{mark})))
	})
	if err != nil {
		st.server.options.Log.WarnContext(ctx, "Milvus is looked through for views left over at the next start", "error", err)
	}
	st.viewing.marked = false
}

// removeViews removes rows that no item names any more. That is no part of the
// write that it ends, which is done: what cannot be removed waits for a sweep.
func (st *state) removeViews(ctx context.Context, keys []string) {
	for _, chunk := range chunks(keys, deleteIDs) {
		if err := st.server.remove(ctx, st.views, in(colView, chunk)); err != nil {
			st.viewing.failed = true
			st.server.options.Log.WarnContext(ctx, "views are left over in Milvus until the next full sync", "error", err)
			return
		}
	}
}

// sweep removes the views that are not of their item's last write. It looks at
// the keys of all. The caller holds writing.
func (st *state) sweep(ctx context.Context) error {
	const page = 4096
	for after := ""; ; {
		rows, err := st.server.query(ordered(ctx), st.views, compare(colView, ">", quote(after)), wantOwner, page, strongly())
		if err != nil {
			return err
		}
		dead, err := st.leftOver(ctx, rows)
		if err == nil && len(dead) > 0 {
			err = st.server.remove(ctx, st.views, in(colView, dead))
		}
		if err != nil {
			return err
		}
		if len(rows) < page {
			st.viewing.failed = false
			return nil
		}
		after = rows[len(rows)-1].key
	}
}

func (st *state) leftOver(ctx context.Context, views []row) (keys []string, err error) {
	owners := make([]string, len(views))
	for i, v := range views {
		owners[i] = v.id
	}
	items, err := st.server.byIDs(ctx, st.items, unique(owners), wantStored, strongly())
	if err != nil {
		return nil, err
	}
	for _, v := range views {
		if !belongs(v.key, items[v.id].key) {
			keys = append(keys, v.key)
		}
	}
	return keys, nil
}

// viewRows calls do for each view of items, in chunks, so that not all
// embeddings are in memory at once. Views of one item come in their order.
func (st *state) viewRows(ctx context.Context, items []row, do func(item int, view row)) error {
	owner := make(map[string]int)
	var keys []string
	for i := range items {
		for _, key := range viewKeys(items[i].payload.lastView()) {
			owner[key] = i
			keys = append(keys, key)
		}
	}
	for _, chunk := range chunks(keys, batchRows) {
		rows, err := st.server.byKeys(ctx, st.views, in(colView, chunk), wantView, st.server.consistency())
		if err != nil {
			return err
		}
		found := make(map[string]row, len(rows))
		for _, r := range rows {
			found[r.key] = r
		}
		for _, key := range chunk {
			if r, ok := found[key]; ok {
				do(owner[key], r)
			}
		}
	}
	return nil
}

// complete gives rows of items their views. On servers an item may be replaced
// between the reads: it is read again then. Where views are missing all the
// same, lost in a power cut of Milvus Lite, the entry has none, and no content
// hash, so that the next import writes it anew.
func (st *state) complete(ctx context.Context, rows []row) error {
	for range 3 {
		if err := st.fillViews(ctx, rows); err != nil {
			return err
		}
		missing := incomplete(rows)
		if len(missing) == 0 {
			return nil
		}
		if err := st.readAgain(ctx, rows, missing); err != nil {
			return err
		}
	}
	if err := st.fillViews(ctx, rows); err != nil {
		return err
	}
	for _, i := range incomplete(rows) {
		st.server.options.Log.WarnContext(ctx, "views of an item are missing in Milvus; import it again", "id", rows[i].id)
		rows[i].views, rows[i].payload.Hash = nil, ""
	}
	return nil
}

func (st *state) fillViews(ctx context.Context, rows []row) error {
	var pending []row
	var place []int
	for _, i := range incomplete(rows) {
		rows[i].views = nil
		pending, place = append(pending, rows[i]), append(place, i)
	}
	return st.viewRows(ctx, pending, func(item int, view row) {
		r := &rows[place[item]]
		r.views = append(r.views, store.View{Picture: r.payload.Views[viewNumber(view.key)-1], Embedding: view.vector})
	})
}

// incomplete returns the places of rows without all their views.
func incomplete(rows []row) []int {
	var places []int
	for i := range rows {
		if len(rows[i].views) < len(rows[i].payload.Views) {
			places = append(places, i)
		}
	}
	return places
}

// readAgain keeps rows of items that are gone by now.
func (st *state) readAgain(ctx context.Context, rows []row, places []int) error {
	ids := make([]string, len(places))
	for i, at := range places {
		ids[i] = rows[at].id
	}
	found, err := st.server.byIDs(ctx, st.items, unique(ids), wantEntry, st.server.consistency())
	if err != nil {
		return err
	}
	for _, at := range places {
		if r, ok := found[rows[at].id]; ok {
			rows[at] = r
		}
	}
	return nil
}
