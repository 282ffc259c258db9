package web_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"sightline/web"
)

// fakeAPI answers as the REST API does (docs/rest.md) from a made-up catalogue,
// and lets a test take over single requests: states that a real server cannot
// be brought to at will. That the page and the real API fit is the business of
// cmd/searchd's test of the page.
type fakeAPI struct {
	*httptest.Server

	mu       sync.Mutex
	searches []asked
	instead  func(w http.ResponseWriter, r *http.Request, search *asked) bool // answers itself and says so
	retried  []string
	done     int      // of the ten changes of the job under way
	kept     []string // events that GET /v1/events has
	reports  []string // evaluations, the newest first
	lost     string   // id of an item whose picture is not there
	news     chan string
	ended    chan struct{}
	keys     bool // are asked for; set before the page is opened
	writes   bool // captions and answers; set likewise
}

// asked is what a search asked for, whatever its form.
type asked struct {
	Text     string `json:"text"`
	Negative string `json:"negative"`
	Filter   string `json:"filter"`
	Limit    int    `json:"limit"`
	Offset   int    `json:"offset"`
	GroupBy  string `json:"group_by"`
	Image    struct {
		ID     string  `json:"id"`
		Weight float64 `json:"weight"`
	} `json:"image"`
	MinMatch float64 `json:"min_match"`
	Facets   []struct {
		Field string `json:"field"`
		Limit int    `json:"limit"`
		Multi bool   `json:"multi"`
	} `json:"facets"`
	Rerank struct {
		Enabled bool `json:"enabled"`
	} `json:"rerank"`
	upload []byte
	box    string
}

const catalogueSize = 120

func newFakeAPI(t *testing.T) *fakeAPI {
	t.Helper()
	f := &fakeAPI{done: 6, news: make(chan string), ended: make(chan struct{})}
	mux := http.NewServeMux()
	mux.Handle("/", web.Handler())
	mux.HandleFunc("POST /v1/search", f.search)
	mux.HandleFunc("POST /v1/explain", f.explain)
	mux.HandleFunc("POST /v1/captions", f.captions)
	mux.HandleFunc("POST /v1/answers", f.answers)
	mux.HandleFunc("GET /v1/items/{id}", f.item)
	mux.HandleFunc("GET /v1/items/{id}/image", f.image)
	mux.HandleFunc("GET /v1/items/{id}/similar", func(w http.ResponseWriter, r *http.Request) { f.answer(w, &asked{Limit: 8}) })
	mux.HandleFunc("GET /v1/items", f.items)
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		ready := map[string]any{"status": "ready", "items": catalogueSize, "model": "f00d", "second_look": "ok", "dimensions": 256, "calibrated": true}
		if f.writes {
			ready["captioner"], ready["answerer"] = "c0de", "beef"
		}
		reply(w, 200, ready)
	})
	mux.HandleFunc("GET /v1/session", func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, map[string]any{"keys_required": f.keys}) })
	mux.HandleFunc("GET /v1/jobs", f.jobs)
	mux.HandleFunc("GET /v1/jobs/{id}", f.job)
	mux.HandleFunc("GET /v1/jobs/events", f.live)
	mux.HandleFunc("POST /v1/jobs/{id}", f.retry)
	mux.HandleFunc("GET /v1/events", f.events)
	mux.HandleFunc("GET /v1/evaluations", f.evaluations)
	mux.HandleFunc("GET /v1/evaluations/{name}", f.evaluation)
	f.Server = httptest.NewServer(mux)
	t.Cleanup(func() { close(f.ended); f.Close() })
	return f
}

// override lets a test answer itself; search is nil for other requests.
func (f *fakeAPI) override(h func(w http.ResponseWriter, r *http.Request, search *asked) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.instead = h
}

func (f *fakeAPI) overridden(w http.ResponseWriter, r *http.Request, search *asked) bool {
	f.mu.Lock()
	h := f.instead
	f.mu.Unlock()
	return h != nil && h(w, r, search)
}

// seen returns the searches so far.
func (f *fakeAPI) seen() []asked {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.searches)
}

func (f *fakeAPI) last(t *testing.T) asked {
	t.Helper()
	all := f.seen()
	if len(all) == 0 {
		t.Fatal("no search has come")
	}
	return all[len(all)-1]
}

func (f *fakeAPI) search(w http.ResponseWriter, r *http.Request) {
	a, err := readSearch(r)
	if err != nil {
		reply(w, 422, map[string]any{"detail": err.Error()})
		return
	}
	f.mu.Lock()
	f.searches = append(f.searches, *a)
	f.mu.Unlock()
	if !f.overridden(w, r, a) {
		f.answer(w, a)
	}
}

// readSearch refuses, as the API does, what it does not know.
func readSearch(r *http.Request) (*asked, error) {
	a := &asked{}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		d := json.NewDecoder(r.Body)
		d.DisallowUnknownFields()
		return a, d.Decode(a)
	}
	form, err := r.MultipartReader()
	if err != nil {
		return a, err
	}
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return a, nil
		}
		if err != nil {
			return a, err
		}
		value, err := io.ReadAll(part)
		if err != nil {
			return a, err
		}
		if err := a.set(part.FormName(), value); err != nil {
			return a, err
		}
	}
}

func (a *asked) set(name string, value []byte) (err error) {
	text := string(value)
	switch name {
	case "image":
		a.upload = value
	case "text":
		a.Text = text
	case "negative":
		a.Negative = text
	case "group_by":
		a.GroupBy = text
	case "filter":
		a.Filter = text
	case "facets":
		err = json.Unmarshal(value, &a.Facets)
	case "limit":
		a.Limit, err = strconv.Atoi(text)
	case "offset":
		a.Offset, err = strconv.Atoi(text)
	case "rerank":
		a.Rerank.Enabled, err = strconv.ParseBool(text)
	case "image_box":
		a.box = text
	case "image_weight":
		a.Image.Weight, err = strconv.ParseFloat(text, 64)
	case "min_match":
		a.MinMatch, err = strconv.ParseFloat(text, 64)
	default:
		err = fmt.Errorf("unknown field %q", name)
	}
	return err
}

var brands = []string{"Acme", "Bolt", "Corvo"}

func id(i int) string { return fmt.Sprintf("p%03d", i) }

func number(id string) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(id, "p"))
	return n
}

// item has a caption where its number ends in 4.
func item(i int) map[string]any {
	attributes := map[string]any{}
	if i%10 == 4 {
		attributes["caption"] = fmt.Sprintf("a shelf with %d things", i)
	}
	return map[string]any{
		"attributes": attributes,
		"id":         id(i), "title": fmt.Sprintf("Thing %d with <b>a lid</b>", i), "price": 10 + i, "currency": "EUR", "brand": brands[i%3],
		"category": "Home > Things", "color": []string{"red", "blue"}[i%2], "description": "A thing.", "group_id": fmt.Sprintf("g%d", i/2), "url": "javascript:alert(1)",
	}
}

// answer ranks by number. The second look reads the first 50: it puts the
// third first and gives it a good match.
func (f *fakeAPI) answer(w http.ResponseWriter, a *asked) {
	var order []int
	for i := range catalogueSize {
		if !strings.Contains(a.Filter, "brand") || strings.Contains(a.Filter, brands[i%3]) {
			order = append(order, i)
		}
	}
	hits := make([]map[string]any, len(order))
	for at, i := range order {
		hits[at] = map[string]any{"id": id(i), "itc": 0.9 - float64(at)/200, "score": 0.9 - float64(at)/200, "itm_logit": nil, "match_probability": nil, "itc_rank": at + 1, "item": item(i)}
	}
	scored := 0
	if a.Rerank.Enabled {
		scored = min(50, len(hits))
		for at, h := range hits[:scored] {
			h["itm_logit"], h["match_probability"] = -float64(at), 0.02
		}
		hits[2]["itm_logit"], hits[2]["match_probability"] = 6.5, 0.97
		best := hits[2]
		hits = slices.Insert(slices.Delete(hits, 2, 3), 0, best)
	}
	for at, h := range hits {
		h["rank"] = at + 1
	}
	from := min(a.Offset, len(hits))
	facets := map[string]any{}
	for _, asked := range a.Facets {
		facets[asked.Field] = counted(asked.Field)
	}
	reply(w, 200, map[string]any{
		"facets": facets, "hits": hits[from:min(from+a.Limit, len(hits))], "no_good_match": false, "rerank": map[string]any{"scored": scored, "of": scored, "stopped": "", "read": "pictures"},
		"query": map[string]any{"text": a.Text, "tokens": 4, "cut": 0}, "timings_ms": map[string]any{"tokenize": 0.1, "encode": 2, "search": 0.5, "rerank": 20, "total": 23}, "cached": false, "model": "f00d",
	})
}

// counted are the facets of the whole catalogue.
func counted(field string) map[string]any {
	if field == "price" {
		return map[string]any{"values": []any{}, "numbers": map[string]any{"count": catalogueSize, "min": 10, "max": 9 + catalogueSize}, "missing": 0, "exact": true}
	}
	counts := map[string]int{}
	for i := range catalogueSize {
		counts[fmt.Sprint(item(i)[field])]++
	}
	values := []map[string]any{}
	for _, value := range slices.Sorted(maps.Keys(counts)) {
		values = append(values, map[string]any{"value": value, "count": counts[value]})
	}
	return map[string]any{"values": values, "missing": 0, "exact": true}
}

func (f *fakeAPI) explain(w http.ResponseWriter, r *http.Request) {
	var req struct {
		Text string `json:"text"`
		ID   string `json:"id"`
		View int    `json:"view"`
	}
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		reply(w, 400, map[string]any{"detail": err.Error()})
		return
	}
	if f.overridden(w, r, nil) {
		return
	}
	var words []map[string]any
	for i, word := range strings.Fields(req.Text) {
		words = append(words, map[string]any{"word": word, "index": i, "tokens": []string{word}, "share": 0.9, "grid": [][]float64{{0.1, 0.2}, {0.3, 0.4}}})
	}
	reply(w, 200, map[string]any{"id": req.ID, "words": words, "rows": 2, "cols": 2})
}

func (f *fakeAPI) item(w http.ResponseWriter, r *http.Request) {
	reply(w, 200, item(number(r.PathValue("id"))))
}

func (f *fakeAPI) items(w http.ResponseWriter, r *http.Request) {
	if f.overridden(w, r, nil) {
		return
	}
	if r.FormValue("state") == "failed" {
		reply(w, 200, map[string]any{"items": f.failed()})
		return
	}
	reply(w, 200, map[string]any{"items": []any{item(1), item(2), item(3)}})
}

func reply(w http.ResponseWriter, status int, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		status, data = 500, nil
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(data)
}

// dot is a small picture as a PNG; its colour depends on n.
func dot(n int) []byte {
	img := image.NewRGBA(image.Rect(0, 0, 16, 16))
	for i := range 256 {
		img.Set(i%16, i/16, color.RGBA{R: uint8(n * 37), G: uint8(n * 91), B: 128, A: 255})
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return nil
	}
	return b.Bytes()
}

func (f *fakeAPI) image(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("id") == f.lost {
		reply(w, 404, map[string]any{"detail": "There is no picture."})
		return
	}
	serveDot(w, number(r.PathValue("id")))
}

func serveDot(w http.ResponseWriter, n int) {
	w.Header().Set("Content-Type", "image/png")
	w.Write(dot(n))
}
