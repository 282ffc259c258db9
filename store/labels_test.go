package store_test

import (
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sightline/store"
)

var (
	pictureA = strings.Repeat("a", 64)
	pictureB = strings.Repeat("b", 64)
)

const someRules = "0123456789abcdef"

func labelled(t *testing.T, it store.Item, picture string, names ...string) store.Item {
	t.Helper()
	out, ok := it.WithLabels(names, picture, someRules)
	if !ok {
		t.Fatal("no room for labels")
	}
	return out
}

func TestLabelling(t *testing.T) {
	bare := store.Item{ID: "a", Attributes: map[string]any{"material": "wool"}}
	for name, c := range map[string]struct {
		change func(map[string]any)
		want   []string
		made   store.Labelling
		ok     bool
	}{
		"as written":      {func(map[string]any) {}, []string{"dotted", "red"}, store.Labelling{Picture: pictureA, Rules: someRules}, true},
		"in other order":  {func(m map[string]any) { m["picture_labels"] = []string{"red", "dotted"} }, []string{"red", "dotted"}, store.Labelling{Picture: pictureA, Rules: someRules}, true},
		"corrected":       {func(m map[string]any) { m["picture_labels"] = []string{"red"} }, []string{"red"}, store.Labelling{Picture: pictureA, Rules: someRules, ByHand: true}, true},
		"taken away":      {func(m map[string]any) { delete(m, "picture_labels") }, nil, store.Labelling{Picture: pictureA, Rules: someRules, ByHand: true}, true},
		"of nothing":      {func(m map[string]any) { delete(m, "picture_labels_of") }, []string{"dotted", "red"}, store.Labelling{}, false},
		"of another form": {func(m map[string]any) { m["picture_labels_of"] = pictureA }, []string{"dotted", "red"}, store.Labelling{}, false},
	} {
		it := labelled(t, bare, pictureA, "dotted", "red")
		c.change(it.Attributes)
		made, ok := it.Labelling()
		if ok != c.ok || made != c.made || !reflect.DeepEqual(it.Labels(), c.want) {
			t.Errorf("%s: %+v %v %v", name, made, ok, it.Labels())
		}
		if err := it.Validate(); (err == nil) != c.ok || err != nil && !strings.Contains(err.Error(), "reserved") {
			t.Errorf("%s: %v", name, err)
		}
	}
	none := labelled(t, store.Item{ID: "a"}, pictureA)
	if made, ok := none.Labelling(); !ok || made.ByHand || none.Labels() != nil {
		t.Errorf("no label applies: %+v %v", made, ok)
	}
	if len(bare.Attributes) != 1 {
		t.Errorf("the item that labels were given to has changed: %v", bare.Attributes)
	}
	own := store.Item{ID: "a", Attributes: map[string]any{"picture_labels": "mine"}}
	if err := own.Validate(); err == nil || !strings.Contains(err.Error(), "reserved") {
		t.Errorf("a shop's own attribute: %v", err)
	}
	if err := (store.Item{ID: "a", Attributes: map[string]any{"picture_labels": []string{"x"}}}).ValidatePatch(); err != nil {
		t.Errorf("a correction: %v", err)
	}
	if err := own.ValidatePatch(); err == nil || !strings.Contains(err.Error(), "list of texts") {
		t.Errorf("a correction that is no list: %v", err)
	}
	odd := labelled(t, bare, pictureA)
	odd.Attributes["picture_labels"] = "red"
	if err := odd.Validate(); err == nil || !strings.Contains(err.Error(), "list of texts") {
		t.Errorf("one text: %v", err)
	}
}

func TestCarryLabels(t *testing.T) {
	bare := store.Item{ID: "a", Attributes: map[string]any{"material": "wool"}}
	old := labelled(t, bare, pictureA, "red")
	corrected := old.Clone()
	corrected.Attributes["picture_labels"] = []string{"blue"}
	for name, c := range map[string]struct {
		it, old store.Item
		picture string
		want    []string
		made    bool
	}{
		"a shop that knows nothing of them": {bare, old, pictureA, []string{"red"}, true},
		"another picture":                   {bare, old, pictureB, nil, false},
		"new":                               {bare, store.Item{}, pictureA, nil, false},
		"a correction stays":                {bare, corrected, pictureA, []string{"blue"}, true},
		"a correction is made":              {corrected, old, pictureA, []string{"blue"}, true},
		"read, and with another picture":    {old, old, pictureB, nil, false},
	} {
		got := c.it.CarryLabels(c.old, c.picture)
		if _, made := got.Labelling(); made != c.made || !reflect.DeepEqual(got.Labels(), c.want) || got.Attributes["material"] != "wool" {
			t.Errorf("%s: %v", name, got.Attributes)
		}
		if err := got.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLabelsOfAny: whatever names a model gives, they are what is read again, and a
// crowded item is left as it is.
func TestLabelsOfAny(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.StringN(1, 20, 64), 0, 10, rapid.ID[string]).Draw(t, "names")
		it := store.Item{ID: "a", Attributes: map[string]any{}}
		for i := range rapid.IntRange(0, 128).Draw(t, "attributes") {
			it.Attributes["a"+strings.Repeat("x", i)] = true
		}
		before := len(it.Attributes)
		out, ok := it.WithLabels(names, pictureA, someRules)
		if ok != (before <= 126) || len(it.Attributes) != before {
			t.Fatalf("%d attributes: %v", before, ok)
		}
		if !ok {
			return
		}
		if made, ok := out.Labelling(); !ok || made.ByHand || len(out.Labels()) != len(names) {
			t.Fatalf("%+v %v %v", made, ok, out.Labels())
		}
	})
}
