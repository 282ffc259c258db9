package embedded

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"sightline/store/storetest"
)

// FuzzDecode compares with json.Unmarshal, and wants what json.Marshal writes
// to be read without its help.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{
		`{"id":"a","title":"T \"x\" \u003c","price":19.99,"version":7,"updated_at":"2026-01-31T12:30:00.123456Z"}`,
		`{"id":"ä","attributes":{"size":42.5,"new":true,"old":false,"pattern":"plaid","tags":["a","","b"],"none":[]}}`,
		`{"id":"a","id":"b","price":1,"price":null,"attributes":{"a":1},"attributes":{"b":2,"b":3}}`,
		`{"ID":"a","unknown":1,"version":1e3}`, `{"id":"a" }`, `{"id":"\ud800"}`, "{\"id\":\"\xff\"}", "{\"id\":\"\x01\"}",
		`{"id":"a","images":["https://shop.example/1.jpg","b \u003c.png",""]}`, `{"images":[]}`, `{"images":null}`, `{"images":["a"],"images":["b"]}`,
		`{"images":"a"}`, `{"images":[1]}`, `{"images":[null]}`, `{"images":["a",]}`,
		`{"price":01}`, `{"price":-0}`, `{"price":1.}`, `{"price":0x1}`, `{"price":1e999}`, `{"price":Inf}`, `{"price":1_0}`, `{"version":1.5}`,
		`{}`, `{`, `[`, `null`, `{"id":"a"}x`, `{,}`, `{"id":"a",}`, `{"attributes":{"a":[1]}}`, `{"attributes":{"a":{}}}`, `{"attributes":{}}`,
		`{"attributes":{"a":null}}`, `{"updated_at":"2026-1-31T12:30:00Z"}`, `{"updated_at":""}`, `{"id":"\`, `{"id`, `{"id":"a`, ``,
	} {
		f.Add([]byte(text))
	}
	var d decoder // one for all: texts it shares must not mix
	f.Fuzz(func(t *testing.T, text []byte) {
		want, wantErr := decodeItem(text)
		got, err := d.item(text)
		if fmt.Sprint(err) != fmt.Sprint(wantErr) || !reflect.DeepEqual(got, want) {
			t.Fatalf("%s:\ngot  %+v, %v\nwant %+v, %v", text, got, err, want, wantErr)
		}
	})
}

func TestDecodeNeedsNoHelp(t *testing.T) {
	var d decoder
	rapid.Check(t, func(t *rapid.T) {
		it := storetest.DrawItem(t, "id", 3)
		if n := rapid.IntRange(0, 2).Draw(t, "images"); n > 0 {
			it.Images = []string{"https://shop.example/1.jpg", "a \"b\".png"}[:n]
		}
		text, err := json.Marshal(it)
		if err != nil {
			t.Fatal(err)
		}
		want, err := decodeItem(text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := d.item(text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%s: %v\ngot  %+v\nwant %+v", text, err, got, want)
		}
		if d.failed {
			t.Fatalf("left to json.Unmarshal: %s", text)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	s := newShop()
	text, err := json.Marshal(s.entry(5).Item)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("json.Unmarshal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := decodeItem(text); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decoder", func(b *testing.B) {
		var d decoder
		b.ReportAllocs()
		for b.Loop() {
			if _, err := d.item(text); err != nil {
				b.Fatal(err)
			}
		}
	})
}
