package indexer_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"sightline/encoder/picture"
	"sightline/indexer"
	"sightline/indexer/feed"
	"sightline/store/fetch"
	"sightline/store/sources"
)

// badRow is one way for a row of the hostile feed to be wrong.
type badRow struct {
	name   string
	line   func(i int, server string) string
	stage  indexer.Stage
	reason string // what the outcome says
}

func rowOf(i int, image string) string {
	return fmt.Sprintf(`{"id":"item-%d","title":"a mug","image":%q}`, i, image)
}

func atServer(path string) func(int, string) string {
	return func(i int, server string) string { return rowOf(i, server+path) }
}

var badRows = []badRow{
	{"broken picture", atServer("/broken.png"), indexer.StageDecode, ""},
	{"no picture", atServer("/page.html"), indexer.StageFetch, "no picture"},
	{"404", atServer("/none.png"), indexer.StageFetch, "404"},
	{"timeout", atServer("/slow.png"), indexer.StageFetch, ""},
	{"30 MB", atServer("/huge.png"), indexer.StageFetch, ""},
	{"redirect loop", atServer("/loop.png"), indexer.StageFetch, "redirect"},
	{"private address", func(i int, _ string) string { return rowOf(i, "http://10.255.255.1/a.png") }, indexer.StageFetch, "private"},
	{"metadata by name", func(i int, _ string) string { return rowOf(i, "http://rebind.test/a.png") }, indexer.StageFetch, "link-local"},
	{"redirect inwards", atServer("/inwards.png"), indexer.StageFetch, "private"},
	{"no JSON", func(int, string) string { return `{"id":"item` }, indexer.StageFeed, "JSON"},
	{"broken UTF-8", func(i int, _ string) string { return fmt.Sprintf("{\"id\":\"item-%d\",\"title\":\"m\xffug\"}", i) }, indexer.StageFeed, "UTF-8"},
	{"duplicate", func(_ int, server string) string { return rowOf(1, server+"/p/1.png") }, indexer.StageFeed, "which is kept"},
	{"no id", func(_ int, server string) string {
		return fmt.Sprintf(`{"title":"a mug","image":%q}`, server+"/p/1.png")
	}, indexer.StageFeed, "id"},
	{"price", func(i int, server string) string {
		return fmt.Sprintf(`{"id":"item-%d","price":-1,"image":%q}`, i, server+"/p/1.png")
	}, indexer.StageFeed, "price"},
	{"second picture 404", func(i int, server string) string {
		return fmt.Sprintf(`{"id":"item-%d","images":[%q,%q,%q]}`, i, server+"/p/1.png", server+"/none.png", server+"/p/2.png")
	}, leftOut, "404"},
}

// leftOut stands for the stage of rows that are written without a picture.
const leftOut indexer.Stage = "left out"

// hostileServer has pictures below /p/ and every kind of trouble beside them.
func hostileServer(t *testing.T) string {
	t.Helper()
	pictures := make([][]byte, 50)
	for i := range pictures {
		pictures[i] = pngOf(fmt.Sprint(i))
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var n int
		switch _, err := fmt.Sscanf(r.URL.Path, "/p/%d.png", &n); {
		case err == nil:
			_, _ = w.Write(pictures[n%len(pictures)])
		case r.URL.Path == "/broken.png":
			_, _ = w.Write(pictures[0][:40])
		case r.URL.Path == "/page.html":
			_, _ = io.WriteString(w, "<html>sold out</html>")
		case r.URL.Path == "/slow.png":
			select {
			case <-r.Context().Done():
			case <-time.After(time.Minute):
			}
		case r.URL.Path == "/huge.png":
			w.Header().Set("Content-Length", fmt.Sprint(30<<20))
			_, _ = w.Write(pictures[0])
		case r.URL.Path == "/loop.png":
			http.Redirect(w, r, "/loop.png", http.StatusFound)
		case r.URL.Path == "/inwards.png":
			http.Redirect(w, r, "http://192.168.7.7/a.png", http.StatusFound)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// inward resolves every name to the address of cloud metadata.
type inward struct{}

func (inward) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("169.254.169.254")}, nil
}

// hostileFeed has a bad row of the next kind in every hundred.
func hostileFeed(n int, server string) io.ReadCloser {
	r, w := io.Pipe()
	go func() {
		for i := range n {
			line := rowOf(i, fmt.Sprintf("%s/p/%d.png", server, i))
			if kind, bad := badKind(i); bad {
				line = kind.line(i, server)
			}
			if _, err := io.WriteString(w, line+"\n"); err != nil {
				return
			}
		}
		_ = w.Close()
	}()
	return r
}

// badKind says which kind of bad row i is.
func badKind(i int) (badRow, bool) {
	if i%100 != 50 {
		return badRow{}, false
	}
	return badRows[i/100%len(badRows)], true
}

// TestHostileFeed imports a feed in which one row in a hundred is bad: exactly
// the good ones are written, every bad one is listed with stage and reason, and
// memory does not grow with the feed. SIGHTLINE_TEST_LONG imports 100,000 rows.
func TestHostileFeed(t *testing.T) {
	n := 1600 // each kind of trouble once
	if os.Getenv("SIGHTLINE_TEST_LONG") != "" {
		n = 100_000
	}
	server := hostileServer(t)
	client, err := fetch.New(fetch.Options{
		Allow: []string{"127.0.0.0/8"}, Ports: allPorts(), Attempts: 1, PerHost: 32, Timeout: 4 * time.Second, Resolver: inward{},
		BreakerFailures: 1000, Sniff: func(head []byte) bool { _, ok := picture.Sniff(head); return ok },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	known, err := sources.Open(t.Context(), filepath.Join(t.TempDir(), "sources.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { known.Close() })
	w := newWorld(t)
	parts := w.parts()
	parts.Index, parts.Features, parts.Pictures = discard{}, discard{}, hashOnly{}
	parts.Fetcher, parts.Sources = client, known

	wrong, heap := 0, [2]uint64{}
	var largest uint64
	observe := func(o indexer.Outcome, _ indexer.Progress) {
		if problem := outcomeProblem(o); problem != "" {
			if wrong++; wrong < 10 {
				t.Error(problem)
			}
		}
		if o.Row == n/5 {
			heap[0] = liveHeap()
		}
		if o.Row%1000 == 0 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			largest = max(largest, m.Sys)
		}
	}
	source := hostileFeed(n, server)
	defer source.Close()
	begin := time.Now()
	sum, err := indexer.New(parts, indexer.Options{Observe: observe}).Run(t.Context(), feed.Read(source, feed.Options{Format: feed.JSONL}))
	if err != nil {
		t.Fatal(err)
	}
	heap[1] = liveHeap()
	bad, incomplete := 0, 0
	for i := range n {
		if kind, ok := badKind(i); ok && kind.stage == leftOut {
			incomplete++
		} else if ok {
			bad++
		}
	}
	if sum.Written != n-bad || sum.Failed != bad || sum.LeftOut != incomplete || wrong > 0 {
		t.Errorf("%d written, %d failed of %d, %d pictures left out; %d outcomes are wrong", sum.Written, sum.Failed, n, sum.LeftOut, wrong)
	}
	took := time.Since(begin)
	t.Logf("%d rows in %s (%.0f/s); live heap %d kB at a fifth, %d kB at the end; %d MB from the system", n, took, float64(n)/took.Seconds(), heap[0]>>10, heap[1]>>10, largest>>20)
	// Seen ids take some 50 bytes a row; the rest is bounded.
	if grown := int64(heap[1]) - int64(heap[0]); grown > int64(n)*60+2<<20 {
		t.Errorf("live heap grew by %d kB", grown>>10)
	}
}

// outcomeProblem compares an outcome with what row it is of.
func outcomeProblem(o indexer.Outcome) string {
	kind, bad := badKind(o.Row - 1)
	switch {
	case bad && kind.stage == leftOut:
		if o.State != indexer.Written || len(o.Warnings) != 1 || o.Warnings[0].Picture != 2 || !strings.Contains(o.Warnings[0].Reason, kind.reason) {
			return fmt.Sprintf("row %d (%s): %+v", o.Row, kind.name, o)
		}
	case !bad && (o.State != indexer.Written || len(o.Warnings) > 0):
		return fmt.Sprintf("row %d is good: %+v", o.Row, o)
	case bad && (o.State != indexer.Failed || o.Stage != kind.stage || o.Reason == "" || !strings.Contains(o.Reason, kind.reason)):
		return fmt.Sprintf("row %d (%s), want %s %q: %+v", o.Row, kind.name, kind.stage, kind.reason, o)
	}
	return ""
}
