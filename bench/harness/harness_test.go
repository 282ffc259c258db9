package harness

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func answer(id, title string) *Answer {
	a := &Answer{}
	a.Hits = append(a.Hits, struct {
		ID   string `json:"id"`
		Item Item   `json:"item"`
	}{id, Item{ID: id, Title: title}})
	return a
}

// TestBook: an answer may show what was until the next state is acknowledged,
// and what is being written from its begin on.
func TestBook(t *testing.T) {
	b := NewBook(map[string]Item{"a": {ID: "a", Title: "one"}}, 0)
	complaints := 0
	check := func(step, title, want string) {
		t.Helper()
		b.Check(answer("a", title), time.Now())
		all, _ := b.Violations()
		switch got := strings.Join(all[complaints:], "; "); {
		case want == "" && got != "":
			t.Errorf("%s: %s", step, got)
		case !strings.Contains(got, want) || want != "" && got == "":
			t.Errorf("%s: got %q, want %q", step, got, want)
		}
		complaints = len(all)
	}
	check("as imported", "one", "")
	check("foreign", "else", "never written")
	b.Begin(Item{ID: "a", Title: "two"}, false)
	check("under way, old", "one", "")
	check("under way, new", "two", "")
	b.Acknowledge("a")
	check("acknowledged, old", "one", "outdated")
	check("acknowledged, new", "two", "")
	b.Begin(Item{ID: "a"}, true)
	check("being deleted", "two", "")
	b.Acknowledge("a")
	check("deleted", "two", "was deleted")
	if _, checked := b.Violations(); checked != 8 {
		t.Errorf("%d hits checked", checked)
	}
}

func TestBookAllowance(t *testing.T) {
	b := NewBook(map[string]Item{"a": {ID: "a", Title: "one"}}, time.Hour)
	b.Begin(Item{ID: "a"}, true)
	b.Acknowledge("a")
	b.Check(answer("a", "one"), time.Now())
	if all, _ := b.Violations(); len(all) > 0 {
		t.Error(all)
	}
	b.Check(answer("a", "one"), time.Now().Add(2*time.Hour))
	if all, _ := b.Violations(); len(all) != 1 {
		t.Error(all)
	}
}

// TestBookCompares whole catalogues, while writes go on and at the end.
func TestBookCompares(t *testing.T) {
	b := NewBook(map[string]Item{"a": {ID: "a", Title: "one"}, "b": {ID: "b", Title: "one"}}, 0)
	b.Begin(Item{ID: "c", Title: "new"}, false)
	b.CheckAll(map[string]Item{"a": {ID: "a", Title: "one"}, "b": {ID: "b", Title: "one"}}, time.Now())
	if all, _ := b.Violations(); len(all) > 0 {
		t.Error(all)
	}
	b.Acknowledge("c")
	b.CheckAll(map[string]Item{"a": {ID: "a", Title: "one"}, "d": {ID: "d"}}, time.Now())
	if all, _ := b.Violations(); len(all) != 3 { // b and c are lost, d came from nowhere
		t.Error(all)
	}
	got := b.Compare(map[string]Item{"a": {Title: "two"}, "b": {Title: "one"}, "d": {}})
	if len(got) != 3 || !strings.HasPrefix(got[0], "differs: a") || got[1] != "lost: c" || !strings.HasPrefix(got[2], "too much: d") {
		t.Error(got)
	}
}

// TestProxy: a searchd that breaks its connections costs nothing that may be
// repeated, and what may not be is answered 502.
func TestProxy(t *testing.T) {
	var healthy atomic.Bool
	var got atomic.Int64
	healthy.Store(true)
	good := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			got.Add(1)
		}
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(append([]byte(r.URL.RequestURI()+" "), body...))
	}))
	defer good.Close()
	bad := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" || !healthy.Load() {
			panic(http.ErrAbortHandler)
		}
	}))
	defer bad.Close()
	p, err := NewProxy(t.Context(), bad.URL, good.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	}()
	c := NewClient(p.URL)
	defer c.HTTP.CloseIdleConnections()
	for range 6 {
		status, text, err := c.Do(t.Context(), http.MethodPost, "/v1/search?a=b", []byte("body"))
		if err != nil || status != http.StatusOK || string(text) != "/v1/search?a=b body" {
			t.Fatalf("%d %q %v", status, text, err)
		}
	}
	if p.Retried.Load() == 0 {
		t.Error("the broken searchd was never asked")
	}
	healthy.Store(false)
	good.Close()
	if status, _, err := c.Do(t.Context(), http.MethodPost, "/v1/items:batch", nil); err != nil || status != http.StatusBadGateway || p.Failed.Load() == 0 {
		t.Errorf("nobody there: %d %v", status, err)
	}
	if got.Load() != 6 {
		t.Errorf("%d requests came through", got.Load())
	}
}

func TestMayRepeat(t *testing.T) {
	for _, c := range []struct {
		method, path, key string
		want              bool
	}{
		{"PUT", "/v1/items/a", "", true},
		{"DELETE", "/v1/items/a", "", true},
		{"PATCH", "/v1/items/a", "", false},
		{"PATCH", "/v1/items/a", "k", true},
		{"POST", "/v1/search", "", true},
		{"POST", "/v1/items:batch", "", false},
	} {
		r := httptest.NewRequest(c.method, c.path, nil)
		r.Header.Set("Idempotency-Key", c.key)
		if mayRepeat(r) != c.want {
			t.Errorf("%s %s %q: %v", c.method, c.path, c.key, !c.want)
		}
	}
}

// TestWriterRepeats: under the same key, until it is done; what is queued is
// waited for; a refusal is not repeated.
func TestWriterRepeats(t *testing.T) {
	keys := map[string]int{}
	answers := []int{http.StatusServiceUnavailable, http.StatusAccepted}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/v1/jobs/j"):
			_, _ = w.Write([]byte(`{"state":"done"}`))
		case len(answers) == 0:
			w.WriteHeader(http.StatusUnprocessableEntity)
		default:
			keys[r.Header.Get("Idempotency-Key")]++
			w.WriteHeader(answers[0])
			answers = answers[1:]
			_, _ = w.Write([]byte(`{"job":"j"}`))
		}
	}))
	defer s.Close()
	w := &Writer{Client: NewClient(s.URL), Book: NewBook(nil, 0), Name: "w", Items: 1, Pictures: [][]byte{{1}}}
	defer w.Client.HTTP.CloseIdleConnections()
	if err := w.Step(t.Context()); err != nil || len(keys) != 1 || w.Repeats.Load() != 1 || w.Uploads.Load() != 1 {
		t.Errorf("%v, keys %v, %d repeated", err, keys, w.Repeats.Load())
	}
	if item, ok := w.Book.Get("w-0"); !ok || !strings.Contains(item.Title, "state 1") {
		t.Errorf("the book has %+v", item)
	}
	if err := w.Refused(t.Context(), "x", "http://127.0.0.1/broken"); err != nil {
		t.Error(err)
	}
}

func TestTrend(t *testing.T) {
	line := func(slope float64) (all []Sample) {
		for i := range 11 {
			all = append(all, Sample{At: float64(i), RSS: 100 + slope*float64(i)})
		}
		return all
	}
	rss := func(s Sample) float64 { return s.RSS }
	if flat := TrendOf("x", line(0.5), rss, 0.1, 1); !flat.Flat() || flat.Growth < 4.99 || flat.Growth > 5.01 {
		t.Errorf("%+v", flat)
	}
	if steep := TrendOf("x", line(2), rss, 0.1, 1); steep.Flat() {
		t.Errorf("%+v", steep)
	}
	if none := TrendOf("x", nil, rss, 0.1, 1); !none.Flat() {
		t.Errorf("%+v", none)
	}
}

// TestProcess: one that ends before it is ready is an error with its last words.
func TestProcess(t *testing.T) {
	p := &Process{Name: "one", Program: "sh", Args: []string{"-c", "echo no such thing; exit 3"}, Log: t.TempDir() + "/log", Ready: func(context.Context) error { return errors.New("not yet") }}
	if err := p.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "no such thing") {
		t.Error(err)
	}
	p.Args, p.Ready = []string{"-c", "exec sleep 60"}, func(context.Context) error { return nil }
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.Kill()
	p.Kill() // twice is once
	if err := p.Wait(t.Context()); err == nil {
		t.Error("a killed one ended well")
	}
}
