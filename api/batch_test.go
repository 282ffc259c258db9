package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"sightline/api"
	"sightline/indexer/queue"
	"sightline/store/change"
)

const mixedBatch = `{
	"items":[{"id":"a","image":"https://shop.example/a.jpg"},{"id":"b","image":"b.jpg"},{"title":"no id","image":"https://shop.example/c.jpg"}],
	"patches":[{"id":"d","price":3,"material":"felt"},{"id":"a","price":4},"text"],
	"deletes":["e","",7]}`

func TestBatch(t *testing.T) {
	s := newShop(t)
	w := s.json("POST", "/v1/items:batch", mixedBatch)
	a := read(t, w, http.StatusAccepted)
	if a.Accepted != 3 || a.Rejected != 6 || w.Header().Get("Location") != "/v1/jobs/"+a.Job {
		t.Fatalf("answer %+v", a)
	}
	for i, want := range []string{
		"items[1] b image must be", "items[2]  id is missing", "patches[1] a id is in the batch more than once",
		"patches[2]  item cannot be read", "deletes[1]  id is missing", "deletes[2]  id must be text",
	} {
		p := a.Problems[i]
		if got := fmt.Sprintf("%s %s %s %s", p.At, p.ID, p.Errors[0].Field, p.Errors[0].Detail); !strings.HasPrefix(got, want) {
			t.Errorf("problem %d: %s, want %s", i, got, want)
		}
	}
	var ops []string
	for _, c := range s.queued() {
		ops = append(ops, string(c.Op)+" "+c.ID)
	}
	if got := strings.Join(ops, ", "); got != "put a, patch d, delete e" {
		t.Errorf("queued %s", got)
	}
	if patch := string(s.queued()[1].Patch); patch != `{"attributes":{"material":"felt"},"price":3}` {
		t.Errorf("patch %s", patch)
	}
	job := read(t, s.send("GET", "/v1/jobs/"+a.Job, "", ""), 200)
	if job.Items[0].Op != "put" || job.Items[1].Op != "patch" || job.Items[2].Op != "delete" {
		t.Errorf("job %+v", job)
	}
}

func TestRefusedBatches(t *testing.T) {
	many := func(n int) string {
		return `{"deletes":["` + strings.Join(strings.Fields(strings.Repeat("x ", n)), `","`) + `"]}`
	}
	for name, c := range map[string]struct {
		query, body string
		headers     []string
		status      int
		code, words string
	}{
		"atomic":       {"?atomic=true", mixedBatch, nil, 422, "invalid", "items[1].image must be"},
		"all bad":      {"", `{"items":[{"id":"b","image":"b.jpg"}]}`, nil, 422, "invalid", "1 of the changes"},
		"nothing":      {"", `{"items":[]}`, nil, 422, "invalid", "all empty"},
		"unknown":      {"", `{"item":[]}`, nil, 422, "invalid", `did you mean "items"?`},
		"no list":      {"", `{"items":{}}`, nil, 422, "invalid", "must be a list"},
		"1001":         {"", many(1001), nil, 422, "invalid", "1001 changes"},
		"If-Match":     {"", `{"deletes":["a"]}`, []string{"If-Match", "*"}, 422, "invalid", "one item"},
		"as of":        {"?as_of=noon", mixedBatch, nil, 422, "invalid", "must be a time"},
		"parameter":    {"?atomc=true", mixedBatch, nil, 422, "invalid", `did you mean "atomic"?`},
		"9 MB":         {"", `{"deletes":["` + strings.Repeat("x", 9_000_000) + `"]}`, nil, 413, "too_large", "8000000"},
		"bad picture":  {"", `{"items":[{"id":"a","image":"data:,text"}]}`, nil, 422, "invalid", "items[0].image cannot be used"},
		"not UTF-8":    {"", "{\"deletes\":[\"\xff\"]}", nil, 400, "malformed", "UTF-8"},
		"many garbage": {"", `{"items":[` + strings.Repeat(`{"a":{},"b":{},"c":{}},`, 999) + `1]}`, nil, 422, "invalid", "1000 of the changes"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			w := s.json("POST", "/v1/items:batch"+c.query, c.body, c.headers...)
			if n := w.Body.Len(); n > 200_000 {
				t.Errorf("an answer of %d bytes", n)
			}
			if text := refused(t, w, c.status, c.code); !strings.Contains(text, c.words) {
				t.Errorf("%q is not in: %.2000s", c.words, text)
			}
			s.nothing(name)
		})
	}
	s := newShop(t)
	refused(t, s.send("POST", "/v1/items:batch", "text/csv", "id\na"), 415, "media_type")
}

// A try that broke off is completed by its repetition, and nothing is done twice.
func TestIdempotentBatchAfterAFailure(t *testing.T) {
	s := newShop(t)
	body := `{"deletes":["a","b","c"],"patches":[{"id":"d","price":1}]}`
	s.writer.submit = func(n int) error {
		if n == 2 {
			return api.ErrWriterAway
		}
		return nil
	}
	w := s.json("POST", "/v1/items:batch", body, "Idempotency-Key", "k")
	if text := refused(t, w, 503, "unavailable"); !strings.Contains(text, "first 1 changes were queued") {
		t.Error(text)
	}
	for range 2 {
		w := s.json("POST", "/v1/items:batch", body, "Idempotency-Key", "k")
		a := read(t, w, 202)
		if w.Header().Get("Idempotent-Replayed") != "true" || a.Accepted != 4 || s.total() != 4 {
			t.Errorf("answer %+v, headers %v, %d jobs", a, w.Header(), s.total())
		}
	}
	refused(t, s.json("POST", "/v1/items:batch", `{"deletes":["a","b","c"]}`, "Idempotency-Key", "k"), 422, "idempotency_key_reused")
	if s.total() != 4 {
		t.Errorf("%d jobs", s.total())
	}
}

func TestBatchThatIsWaitedFor(t *testing.T) {
	s := newShop(t)
	s.fails = func(c change.Change) error {
		if c.ID == "c" {
			return queue.Failure{Stage: "fetch", Reason: "404", Permanent: true}
		}
		return nil
	}
	s.work()
	a := read(t, s.json("POST", "/v1/items:batch", `{"deletes":["a","b","c"]}`, "Prefer", "wait=30"), 200)
	if a.State != "failed" || a.Counts.Done != 2 || a.Counts.Dead != 1 {
		t.Errorf("answer %+v", a)
	}
}

func lineOf(i int) string {
	return fmt.Sprintf(`{"id":"item-%05d","title":"shoe %d","image":"https://shop.example/%d.jpg"}`+"\n", i, i, i)
}

func TestLines(t *testing.T) {
	s := newShop(t)
	var body strings.Builder
	for i := range 1200 {
		switch i {
		case 3:
			body.WriteString("{\"id\":\n")
		case 700:
			body.WriteString("\r\n")
		case 701:
			body.WriteString(`{"id":"x","image":"data:,` + strings.Repeat("y", 11<<20) + "\"}\n")
		case 702:
			body.WriteString(`{"id":"y","image":"data:image/png;base64,iVBORw0KGgo="}` + "\n")
		default:
			body.WriteString(lineOf(i))
		}
	}
	w := s.send("POST", "/v1/items:batch", "application/x-ndjson", strings.TrimSuffix(body.String(), "\n"))
	a := read(t, w, http.StatusAccepted)
	if a.Accepted != 1197 || a.Rejected != 2 || a.Problems[0].Line != 4 || a.Problems[1].Line != 702 || s.total() != 1197 || s.writer.submits.Load() != 3 {
		t.Errorf("answer %+v, %d jobs in %d steps", a, s.total(), s.writer.submits.Load())
	}
	if len(s.stored.kept) != 1 {
		t.Errorf("%d pictures", len(s.stored.kept))
	}
	for name, c := range map[string]struct {
		body, query string
		headers     []string
		status      int
		code        string
	}{
		"empty":   {"\n\n", "", nil, 400, "malformed"},
		"all bad": {"{}\n{}\n", "", nil, 200, ""},
		"atomic":  {lineOf(1), "?atomic=true", nil, 422, "invalid"},
		"key":     {lineOf(1), "", []string{"Idempotency-Key", "k"}, 422, "invalid"},
		"more":    {lineOf(1) + strings.Repeat("\n", 100_001), "", nil, 202, ""},
		"a list":  {"[" + lineOf(1) + "]", "", nil, 200, ""},
	} {
		w := s.send("POST", "/v1/items:batch"+c.query, "application/x-ndjson", c.body, c.headers...)
		if w.Code != c.status {
			t.Errorf("%s: status %d: %s", name, w.Code, w.Body)
		}
		if c.code != "" {
			refused(t, w, c.status, c.code)
		}
	}
}

// TestAsOf: the time of a feed reaches the worker with each of its items.
func TestAsOf(t *testing.T) {
	for media, body := range map[string]string{"application/x-ndjson": lineOf(1), "application/json": `{"items":[` + lineOf(1) + `]}`} {
		s := newShop(t)
		read(t, s.send("POST", "/v1/items:batch?as_of=2026-11-26T12:00:00.5Z", media, body), http.StatusAccepted)
		got := s.queued()
		if len(got) != 1 || !got[0].AsOf.Equal(time.Date(2026, 11, 26, 12, 0, 0, 5e8, time.UTC)) {
			t.Errorf("%s: %+v", media, got)
		}
	}
}

// Where no line is good, the answer still says why by line.
func TestBadLines(t *testing.T) {
	s := newShop(t)
	a := read(t, s.send("POST", "/v1/items:batch", "application/x-ndjson", "{}\n\n[1]\n", "Prefer", "wait=30"), 200)
	if a.Job != "" || a.Accepted != 0 || a.Rejected != 2 || a.Problems[1].Line != 3 || a.State != "done" {
		t.Errorf("answer %+v", a)
	}
	s.nothing("bad lines")
}

func TestLinesWhileTheQueueGoesAway(t *testing.T) {
	s := newShop(t)
	s.writer.submit = func(n int) error {
		if n == 2 {
			return api.ErrWriterAway
		}
		return nil
	}
	var body strings.Builder
	for i := range 1200 {
		body.WriteString(lineOf(i))
	}
	w := s.send("POST", "/v1/items:batch", "application/x-ndjson", body.String())
	if !strings.Contains(w.Body.String(), `"job":"p-`) {
		t.Errorf("body %s", w.Body)
	}
	if text := refused(t, w, 503, "unavailable"); !strings.Contains(text, "first 500 changes") || s.total() != 500 {
		t.Errorf("%s; %d jobs", text, s.total())
	}
}
