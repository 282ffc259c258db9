package store_test

import (
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"

	"sightline/store"
)

// TestCarryCaption: a kept caption lasts as long as its picture, and never takes
// the place of what a shop says.
func TestCarryCaption(t *testing.T) {
	key, other := strings.Repeat("ab", 32), strings.Repeat("cd", 32)
	kept := map[string]any{"caption": "a red mug", "caption_of": key}
	declined := map[string]any{"caption_of": key}
	many := map[string]any{}
	for i := range 127 {
		many[fmt.Sprint(i)] = true
	}
	for name, c := range map[string]struct {
		item, old map[string]any
		picture   string
		want      map[string]any
	}{
		"same picture":          {nil, kept, key, kept},
		"beside others":         {map[string]any{"x": "y"}, kept, key, map[string]any{"x": "y", "caption": "a red mug", "caption_of": key}},
		"another picture":       {nil, kept, other, nil},
		"no picture":            {nil, kept, "", nil},
		"the shop's own":        {map[string]any{"caption": "ours"}, kept, key, map[string]any{"caption": "ours"}},
		"patched":               {map[string]any{"caption": "better", "caption_of": key}, kept, key, map[string]any{"caption": "better", "caption_of": key}},
		"patched and new":       {kept, kept, other, map[string]any{}},
		"taken away":            {declined, kept, key, declined},
		"stays away":            {nil, declined, key, declined},
		"the shop's caption_of": {map[string]any{"caption_of": "x", "caption": "y"}, nil, key, map[string]any{"caption_of": "x", "caption": "y"}},
		"none before":           {map[string]any{"x": "y"}, nil, key, map[string]any{"x": "y"}},
		"too many":              {many, kept, key, many},
	} {
		before := maps.Clone(c.item)
		got := store.Item{Attributes: c.item}.CarryCaption(store.Item{Attributes: c.old}, c.picture)
		if !reflect.DeepEqual(got.Attributes, c.want) && len(got.Attributes)+len(c.want) > 0 {
			t.Errorf("%s: %v, want %v", name, got.Attributes, c.want)
		}
		if !reflect.DeepEqual(c.item, before) {
			t.Errorf("%s: the caller's map was changed", name)
		}
	}
}

func TestCaption(t *testing.T) {
	key := strings.Repeat("ab", 32)
	it, ok := store.Item{ID: "1"}.WithCaption("a mug", key)
	if !ok || it.Caption() != "a mug" || !it.CaptionDecided(key) || it.CaptionDecided("") || it.Validate() != nil {
		t.Errorf("%v %v", it, ok)
	}
	own := store.Item{ID: "1", Attributes: map[string]any{"caption": "ours"}}
	if _, ok := own.WithCaption("a mug", key); ok || own.Caption() != "" {
		t.Error("the shop's own caption was taken for a kept one")
	}
}
