package milvus

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/milvus-io/milvus-sdk-go/v2/entity"

	"sightline/store"
)

// viewed is an entry whose further pictures have the embeddings.
func viewed(id string, version int64, first []float32, further ...[]float32) store.Entry {
	e := plain(id, version, first...)
	e.Picture, e.ContentHash = pictureOf(id, 0), "hash"
	for i, v := range further {
		e.Views = append(e.Views, store.View{Picture: pictureOf(id, i+1), Embedding: v})
	}
	return e
}

func pictureOf(id string, n int) string {
	return strings.Repeat(fmt.Sprintf("%x", fmt.Appendf(nil, "%08.8s%08d", id, n)), 2)
}

// wantRows checks how many rows of views there are, left-over ones included.
func wantRows(t *testing.T, x *Index, want int) {
	t.Helper()
	if n, err := x.countRows(t.Context(), x.views, always); err != nil || n != want {
		t.Errorf("%d rows of views, %v; want %d", n, err, want)
	}
}

func wantEntries(t *testing.T, x *Index, want ...store.Entry) {
	t.Helper()
	var ids []string
	for _, e := range want {
		ids = append(ids, e.Item.ID)
	}
	got, err := x.Get(t.Context(), ids)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("get %v, %v\nwant %v", got, err, want)
	}
}

var east, north, west = []float32{1, 0}, []float32{0, 1}, []float32{-1, 0}

func TestViewKeys(t *testing.T) {
	a, b := strings.Repeat("a", stampSize), strings.Repeat("b", stampSize)
	for last, want := range map[string]int{"": 0, a: 0, a + "00": 0, a + "01": 1, a + "19": 19, a + "20": 0, a + "-1": 0, a + "x1": 0, a + "001": 0} {
		if keys := viewKeys(last); len(keys) != want || want > 0 && keys[want-1] != last {
			t.Errorf("%q: %v", last, keys)
		}
	}
	for key, want := range map[string]bool{a + "01": true, a + "03": true, a + "04": false, a + "00": false, b + "01": false, a: false, "": false} {
		if belongs(key, a+"03") != want || belongs(key, "") {
			t.Errorf("%q belongs: not %v", key, want)
		}
	}
}

// No write leaves rows behind, whatever the item had before.
func TestViewRows(t *testing.T) {
	x := newIndex(t, 2, nil)
	wantRows(t, x, 0)
	for _, step := range []struct {
		entry store.Entry
		rows  int
	}{
		{viewed("a", 1, east, north, west), 2},
		{viewed("a", 1, east, north, west), 2},
		{viewed("a", 1, east, north), 1},
		{viewed("a", 1, east), 0},
		{viewed("a", 2, east, west), 1},
		{viewed("a", 1, east, north, west), 1},
		{plain("a", 3, 1, 0), 0},
		{viewed("a", 4, east, north), 1},
	} {
		mustUpsert(t, x, step.entry)
		wantRows(t, x, step.rows)
	}
	mustUpsert(t, x, viewed("b", 1, east, north), viewed("b", 1, east, north, west), viewed("c", 1, north, west))
	wantRows(t, x, 4)
	if n, err := x.Delete(t.Context(), []string{"b", "c", "d"}); err != nil || n != 2 {
		t.Errorf("deleted %d, %v", n, err)
	}
	wantRows(t, x, 1)
	if n, err := x.DeleteWhere(t.Context(), parse(t, `id = "a"`)); err != nil || n != 1 {
		t.Errorf("deleted %d, %v", n, err)
	}
	wantRows(t, x, 0)
}

// One Upsert with more rows of views than a call takes.
func TestManyViews(t *testing.T) {
	x := newIndex(t, 8, func(o *Options) { o.FlushRows = 500 })
	r := rand.New(rand.NewPCG(11, 12))
	var batch []store.Entry
	for i := range 120 {
		var further [][]float32
		for range store.MaxViews {
			further = append(further, randomUnit(r, 8))
		}
		e := viewed(fmt.Sprint(i), 1, randomUnit(r, 8), further...)
		e.Item.Brand, e.Item.GroupID = fmt.Sprint("brand ", i%3), fmt.Sprint(i/6)
		e.Item.Attributes = map[string]any{"size": float64(i % 20)}
		batch = append(batch, e)
	}
	mustUpsert(t, x, batch...)
	wantRows(t, x, 120*store.MaxViews)
	wantEntries(t, x, batch...)
	if page, err := x.Scan(t.Context(), "", 200, nil); err != nil || len(page) != 120 || len(page[119].Views) != store.MaxViews {
		t.Errorf("a page has %d items, %v", len(page), err)
	}
	for _, q := range []store.Query{{K: 7}, {K: 40, Offset: 50}, {K: 200}, {K: 5, GroupBy: "group_id"}, {K: 9, Filter: parse(t, `size > 15 AND brand = "brand 1"`)}} {
		q.Embedding = randomUnit(r, 8)
		checkAgainstBruteForce(t, x, batch, q)
	}
}

// checkAgainstBruteForce holds a search, and the scan that stands in for it,
// against all pictures.
func checkAgainstBruteForce(t *testing.T, x *Index, all []store.Entry, q store.Query) {
	t.Helper()
	r := newRequest(q)
	rows := make([]row, len(all))
	for i, e := range all {
		p, _, err := encodePayload(e)
		if err != nil {
			t.Fatal(err)
		}
		rows[i] = row{id: e.Item.ID, vector: e.Embedding, payload: p, views: e.Views}
	}
	found := r.candidates(rows)
	for i := range found {
		for n, v := range found[i].views {
			found[i].see(r.cosine(v.Embedding), n+1)
		}
	}
	want := r.page(r.rank(found))
	hits, err := x.Search(t.Context(), q)
	if err != nil || len(hits) == 0 || !reflect.DeepEqual(hits, want) {
		t.Errorf("%+v:\nfound %+v, %v\nwant  %+v", q, hits, err, want)
	}
	if hits, err := x.scan(t.Context(), r); err != nil || !reflect.DeepEqual(hits, want) {
		t.Errorf("%+v:\nscan  %+v, %v\nwant  %+v", q, hits, err, want)
	}
}

// HNSW on Lite finds few of a filter's items, and of their views.
func TestViewsOnHNSW(t *testing.T) {
	x := newIndex(t, 32, func(o *Options) { o.FlushRows, o.hnsw = 4000, true })
	r := rand.New(rand.NewPCG(13, 14))
	var batch []store.Entry
	for i := range 2000 {
		e := viewed(fmt.Sprint(i), 1, randomUnit(r, 32), [][]float32{randomUnit(r, 32), randomUnit(r, 32), randomUnit(r, 32)}[:i%4]...)
		e.Item.Brand = fmt.Sprint(i / 20)
		batch = append(batch, e)
	}
	mustUpsert(t, x, batch...)
	waitIndexed(t, x)
	for i := range 5 {
		checkAgainstBruteForce(t, x, batch, store.Query{Embedding: randomUnit(r, 32), K: 10, Filter: parse(t, fmt.Sprintf(`brand = "%d"`, i*13))})
	}
}

// interrupted writes what a call writes before it is cut off in front of its
// items, as a crash would.
func interrupted(t *testing.T, x *Index, entries ...store.Entry) {
	t.Helper()
	loads, err := loadsOf(entries)
	if err != nil {
		t.Fatal(err)
	}
	if err := x.markFor(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	x.viewing.failed = true // what a crash does to the mark
	for _, b := range loads[0].views {
		if err := x.server.upsertRows(t.Context(), x.views, len(b.ids), b.columns(x.dim)...); err != nil {
			t.Fatal(err)
		}
	}
}

func TestInterruptedViews(t *testing.T) {
	x := newIndex(t, 2, nil)
	a := viewed("a", 1, east, east)
	mustUpsert(t, x, a)
	replaced, unborn := viewed("a", 2, north, west), viewed("b", 1, east, west, north)
	interrupted(t, x, replaced)
	interrupted(t, x, unborn)
	unchanged := func(rows int) {
		t.Helper()
		wantEntries(t, x, a)
		wantRows(t, x, rows)
		hits, err := x.Search(t.Context(), store.Query{Embedding: west, K: 5})
		if err != nil || len(hits) != 1 || hits[0].ITC != -1 || hits[0].View != 0 {
			t.Errorf("a search sees half a write: %+v, %v", hits, err)
		}
	}
	unchanged(4)
	mustUpsert(t, x, replaced) // repeated, it leaves nothing of either attempt
	wantEntries(t, x, replaced)
	wantRows(t, x, 3)
	mustUpsert(t, x, a) // older
	if _, err := x.ForgetDeleted(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	wantEntries(t, x, replaced)
	wantRows(t, x, 1)

	mustUpsert(t, x, unborn)
	if err := x.server.remove(t.Context(), x.items, in(colID, []string{"b"})); err != nil { // half of a Delete
		t.Fatal(err)
	}
	if got := mustSearch(t, x, store.Query{Embedding: north, K: 5}); !slices.Equal(got, []string{"a"}) {
		t.Errorf("found %v", got)
	}
	wantRows(t, x, 3)
	if _, err := x.ForgetDeleted(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	wantRows(t, x, 1)
}

// More left-over views than a window holds stand between the query and the
// items that views find. All own pictures are far away.
func TestLeftOverInTheWay(t *testing.T) {
	x := newIndex(t, 2, nil)
	at := func(angle float64) []float32 { return []float32{float32(math.Cos(angle)), float32(math.Sin(angle))} }
	var batch, dead []store.Entry
	for i := range 100 {
		batch = append(batch, viewed(fmt.Sprintf("i%03d", i), 1, at(float64(i)/1000), at(1.5-float64(i)/1000)))
	}
	for i := range 80 {
		dead = append(dead, viewed(fmt.Sprintf("dead%03d", i), 1, east, north))
	}
	mustUpsert(t, x, batch...)
	for _, n := range []int{30, 80} {
		interrupted(t, x, dead[:n]...)
		checkAgainstBruteForce(t, x, batch, store.Query{Embedding: north, K: 5})
		checkAgainstBruteForce(t, x, batch, store.Query{Embedding: north, K: 3, Offset: 5, Exclude: []string{"i001", "i006"}})
	}
}

// The next process tidies up after one that crashed and not after one that
// closed.
func TestMark(t *testing.T) {
	l := shared.Server(t)
	first := openCatalogue(t, l, nil)
	prefix := first.server.options.Prefix
	x := openIndex(t, first, "m", 2)
	marked := func() bool {
		t.Helper()
		rows, err := x.server.byKeys(t.Context(), x.tombs, in(colID, []string{mark}), wantVersion, strongly())
		if err != nil {
			t.Fatal(err)
		}
		return len(rows) > 0
	}
	mustUpsert(t, x, plain("plain", 1, 1, 0))
	if marked() {
		t.Error("marked without views")
	}
	mustUpsert(t, x, viewed("a", 1, east, north))
	if !marked() {
		t.Error("not marked while views are written")
	}
	if n, err := x.ForgetDeleted(t.Context(), time.Now().Add(time.Hour)); err != nil || n != 0 || !marked() {
		t.Errorf("forgot %d tombstones, %v", n, err)
	}
	interrupted(t, x, viewed("b", 1, east, north, west)) // the process ends here
	second, err := Open(t.Context(), Options{Address: l.Address(), Prefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	y, err := second.Open(t.Context(), "m", 2)
	if err != nil {
		t.Fatal(err)
	}
	mustUpsert(t, y, plain("c", 1, 0, 1))
	wantRows(t, x, 3) // nobody has asked for views yet
	mustUpsert(t, y, viewed("c", 1, east, west))
	wantRows(t, x, 2)
	if err := errors.Join(y.Close(), second.Close()); err != nil {
		t.Fatal(err)
	}
	if marked() {
		t.Error("marked after an orderly end")
	}
}

// Views that a power cut has taken cost neither the item nor the page, and the
// content hash that would keep an import from writing them again.
func TestLostViews(t *testing.T) {
	x := newIndex(t, 2, nil)
	a, b := viewed("a", 1, east, north, west), viewed("b", 1, east, north)
	mustUpsert(t, x, a, b)
	p, _, err := encodePayload(a)
	if err != nil {
		t.Fatal(err)
	}
	x.removeViews(t.Context(), []string{viewKey(p.Stamp, 1)})
	a.Views, a.ContentHash = nil, ""
	wantEntries(t, x, a, b)
	if page, err := x.Scan(t.Context(), "", 10, nil); err != nil || !reflect.DeepEqual(page, []store.Entry{a, b}) {
		t.Errorf("page %+v, %v", page, err)
	}
}

// A process that has met no views sees the first ones of another, at once where
// it is to see everything at once.
func TestViewsOfOthers(t *testing.T) {
	l := shared.Server(t)
	first := openCatalogue(t, l, nil)
	reader := func(strong bool) *Index {
		return openIndex(t, openCatalogue(t, l, func(o *Options) { o.Prefix, o.Strong = first.server.options.Prefix, strong }), "m", 2)
	}
	writer, bounded, strong := openIndex(t, first, "m", 2), reader(false), reader(true)
	mustUpsert(t, writer, plain("a", 1, 1, 0))
	for _, x := range []*Index{bounded, strong} {
		mustSearch(t, x, store.Query{Embedding: north, K: 1})
	}
	mustUpsert(t, writer, viewed("a", 2, east, north))
	sees := func(x *Index) bool {
		hits, err := x.Search(t.Context(), store.Query{Embedding: north, K: 1})
		return err == nil && len(hits) == 1 && hits[0].View == 1 && hits[0].ITC == 1
	}
	if !sees(strong) {
		t.Error("a reader that waits for all writes misses one")
	}
	eventually(t, "the first views", func() bool { return sees(bounded) })
}

func TestOldSchema(t *testing.T) {
	c := openCatalogue(t, shared.Server(t), nil)
	name := c.server.itemsOf("m")
	old := entity.NewSchema().WithName(name).WithField(varChar(colID, maxID).WithIsPrimaryKey(true)).WithField(vector(2)).WithField(varChar(colTokens, maxVarChar))
	if err := c.server.CreateCollection(t.Context(), old, 1); err != nil {
		t.Fatal(err)
	}
	_, err := c.Open(t.Context(), "m", 2)
	if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "index the catalogue anew") {
		t.Errorf("a collection of another version: %v", err)
	}
}
