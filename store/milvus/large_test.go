package milvus

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/milvus-io/milvus-sdk-go/v2/entity"

	"sightline/store"
)

func TestLargeItems(t *testing.T) {
	x := newIndex(t, 2, nil)
	large := plain("large", 1, 1, 0)
	large.Item.Description = strings.Repeat("日本語👟", 65536/13)
	large.Item.Attributes = map[string]any{"controls": strings.Repeat("\x01", 65536)} // six bytes each in JSON
	for i := range 13 {
		large.Item.Attributes[fmt.Sprint("text", i)] = strings.Repeat("é<", 65536/3)
	}
	many := plain("many", 1, 1, 0)
	list := make([]string, 256)
	for i := range list {
		list[i] = fmt.Sprint(i)
	}
	many.Item.Attributes = make(map[string]any)
	for i := range 16 {
		many.Item.Attributes[fmt.Sprint("list", i)] = list
	}
	mustUpsert(t, x, large, many, plain("small", 1, 1, 0))
	got, err := x.Get(t.Context(), []string{"large", "many"})
	if err != nil || len(got) != 2 || !reflect.DeepEqual(got[0], large) || !reflect.DeepEqual(got[1], many) {
		t.Errorf("large items came back changed: %v", err)
	}
	for text, want := range map[string][]string{
		`list7 CONTAINS "200"`: {"many"}, `NOT list7 CONTAINS "200"`: {"large", "small"},
		`text3 EXISTS`: {"large"}, `NOT (list1 CONTAINS "0" OR text3 MISSING)`: {"large"},
	} {
		e := parse(t, text)
		if got := mustSearch(t, x, store.Query{Embedding: []float32{1, 0}, K: 5, Filter: e}); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
		if n, err := x.Count(t.Context(), e); err != nil || n != len(want) {
			t.Errorf("%s: counted %d, %v", text, n, err)
		}
	}
}

// More than one call's rows, with ids that come twice.
func TestLargeBatch(t *testing.T) {
	x := newIndex(t, 2, nil)
	var batch []store.Entry
	for i := range 2500 {
		batch = append(batch, plain(fmt.Sprint(i%2400), int64(i), 0.6, 0.8))
	}
	mustUpsert(t, x, batch...)
	if got, err := x.Get(t.Context(), []string{"7", "2399"}); err != nil || len(got) != 2 || got[0].Item.Version != 2407 {
		t.Errorf("got %+v, %v", got, err)
	}
	if n, err := x.DeleteWhere(t.Context(), parse(t, "id EXISTS")); err != nil || n != 2400 {
		t.Errorf("deleted %d, %v", n, err)
	}
	mustUpsert(t, x, batch[100:]...) // all but the last 100 are as old as their tombstones
	if n, err := x.Count(t.Context(), nil); err != nil || n != 2400 {
		t.Errorf("%d items, %v", n, err)
	}
	if n, err := x.ForgetDeleted(t.Context(), time.Now().Add(time.Hour)); err != nil || n != 2400 {
		t.Errorf("forgot %d, %v", n, err)
	}
}

func TestForgetDeleted(t *testing.T) {
	x := newIndex(t, 2, nil)
	mustUpsert(t, x, plain("a", 5, 1, 0))
	if _, err := x.Delete(t.Context(), []string{"a"}); err != nil {
		t.Fatal(err)
	}
	if n, err := x.ForgetDeleted(t.Context(), time.Now().Add(-time.Hour)); err != nil || n != 0 {
		t.Errorf("forgot %d, %v", n, err)
	}
	mustUpsert(t, x, plain("a", 4, 1, 0))
	if n, err := x.ForgetDeleted(t.Context(), time.Now().Add(time.Hour)); err != nil || n != 1 {
		t.Errorf("forgot %d, %v", n, err)
	}
	mustUpsert(t, x, plain("a", 4, 1, 0))
	if got, err := x.Get(t.Context(), []string{"a"}); err != nil || len(got) != 1 {
		t.Errorf("got %v, %v", got, err)
	}
}

// An unnamed index of the kind that the server is to have.
func TestIndexKind(t *testing.T) {
	for kind, change := range map[entity.IndexType]func(*Options){
		entity.Flat: nil, entity.HNSW: func(o *Options) { o.hnsw = true },
	} {
		x := newIndex(t, 2, change)
		found, err := x.server.DescribeIndex(t.Context(), x.items, colVector)
		if err != nil || len(found) != 1 || found[0].IndexType() != kind {
			t.Errorf("%s: %v, %v", kind, found, err)
		}
	}
}
