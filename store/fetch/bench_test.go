package fetch_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"sightline/store/fetch"
)

// BenchmarkGet fetches 100 KB pictures from one host on loopback; the server
// runs in the same process and on the same cores.
func BenchmarkGet(b *testing.B) {
	body := []byte("\xff\xd8\xff" + strings.Repeat("x", 100<<10))
	s := handle(b, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.Write(body)
	})
	c := open(b, fetch.Options{PerHost: 32, Sniff: isJPEG}, s)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	b.SetParallelism(8)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if _, err := get(b, c, s.URL); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "fetches/s")
}

// BenchmarkNotModified is a picture that has not changed.
func BenchmarkNotModified(b *testing.B) {
	s := handle(b, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) })
	c := open(b, fetch.Options{PerHost: 32}, s)
	b.ReportAllocs()
	b.SetParallelism(8)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			r, err := c.Get(b.Context(), fetch.Request{URL: s.URL, ETag: `"v1"`})
			if err != nil || !r.NotModified {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "fetches/s")
}

// BenchmarkRefuse is what an address costs that is not asked.
func BenchmarkRefuse(b *testing.B) {
	c := open(b, fetch.Options{})
	for name, address := range map[string]string{"private": "http://10.0.0.1/", "name": "https://shop.example/a/b.jpg?c=d"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = c.Check(address)
			}
		})
	}
}
