package change_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"sightline/store"
	"sightline/store/change"
)

func TestRoundTrip(t *testing.T) {
	for _, c := range []change.Change{
		{Op: change.Put, ID: "a/b", Item: &store.Item{ID: "a/b", Images: []string{"https://x/2.jpg"}, Attributes: map[string]any{"tags": []string{"x"}}}, IfMatch: "*"},
		{Op: change.Patch, ID: "a", Patch: json.RawMessage(`{"price":null}`), Images: []string{change.Stored("ab"), "https://x/y"}},
		{Op: change.Delete, ID: "a"},
	} {
		payload, err := c.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if back, err := change.Decode(payload); err != nil || !reflect.DeepEqual(back, c) {
			t.Errorf("%s: %+v, %v", payload, back, err)
		}
	}
}

func TestRefused(t *testing.T) {
	for name, c := range map[string]change.Change{
		"no id":         {Op: change.Delete},
		"operation":     {Op: "drop", ID: "a"},
		"no item":       {Op: change.Put, ID: "a"},
		"another item":  {Op: change.Put, ID: "a", Item: &store.Item{ID: "b"}},
		"no patch":      {Op: change.Patch, ID: "a"},
		"many pictures": {Op: change.Delete, ID: "a", Images: make([]string, store.MaxViews+2)},
	} {
		if payload, err := c.Encode(); err == nil {
			t.Errorf("%s: encoded as %s", name, payload)
		}
	}
	for payload, want := range map[string]string{
		`{"format":2,"op":"delete","id":"a"}`: "update it",
		`{"op":"delete","id":"a"}`:            "format 0",
		`{"format":1,"op":"delete"}`:          "no id",
		`[]`:                                  "read change",
	} {
		if _, err := change.Decode([]byte(payload)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", payload, err)
		}
	}
}

func TestNames(t *testing.T) {
	if key, ok := change.StoredKey(change.Stored("ab")); !ok || key != "ab" {
		t.Errorf("%q, %v", key, ok)
	}
	if _, ok := change.StoredKey("https://x/y"); ok {
		t.Error("an address names no stored picture")
	}
	if tag := change.ETag(store.Entry{ContentHash: strings.Repeat("0f", 32)}); tag != `"`+strings.Repeat("0f", 16)+`"` {
		t.Error(tag)
	}
	if tag := change.ETag(store.Entry{}); tag != `""` {
		t.Error(tag)
	}
}
