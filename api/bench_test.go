package api_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// What the API itself adds to a search: everything but model and index. "plain"
// has nothing to order by and must not pay for what the others have.
func BenchmarkSearchOverhead(b *testing.B) {
	var all []string
	for i := range 200 {
		all = append(all, fmt.Sprintf("sku-%d", i))
	}
	h := newService(all...).handler()
	for _, c := range []struct{ name, fields string }{
		{"plain", ``},
		{"boost", `,"boosts":[{"filter":"price < 50","by":0.5}]`},
		{"pin", `,"pins":[{"id":"sku-150","place":1}]`},
		{"groups", `,"group_by":"brand"`},
		{"diversity", `,"diversity":0.3`},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if w := serve(h, "POST", "/v1/search", "application/json", strings.NewReader(`{"text":"red shoes"`+c.fields+`}`)); w.Code != http.StatusOK {
					b.Fatal(w.Body)
				}
			}
		})
	}
}

// B/op is what one upload of the largest picture allocates (see searches.read).
func BenchmarkLargestPicture(b *testing.B) {
	s := newService("a")
	s.model.pixels = func([]byte) error { return nil }
	h := s.handler()
	body := `{"image":{"base64":"` + base64.StdEncoding.EncodeToString(make([]byte, 10<<20)) + `"}}`
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if w := serve(h, "POST", "/v1/search", "application/json", strings.NewReader(body)); w.Code != http.StatusOK {
			b.Fatal(w.Body)
		}
	}
}
