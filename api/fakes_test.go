package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sightline/api"
	"sightline/encoder"
	"sightline/encoder/picture"
	"sightline/rerank"
	"sightline/store"
	"sightline/store/pictures"
)

// TestMain also holds what all tests were answered to the description.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) { os.Exit(max(code, reportContract(os.Stderr))) }))
}

const fingerprint = "sha256:model"

// fakeModel tokenizes by spaces (at most 30 words) and embeds everything to
// [1, 0]. The hooks replace single steps.
type fakeModel struct {
	texts  func(ctx context.Context) error
	pixels func(data []byte) error
	images func(ctx context.Context) error
	states encoder.States // of every picture
}

func (m *fakeModel) Tokenize(text string) encoder.Query {
	words := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" .,!?\t\n", r) })
	kept := min(len(words), 30)
	ids := make([]int64, kept+2)
	for i, w := range words[:kept] {
		ids[i+1] = int64(crc32.ChecksumIEEE([]byte(strings.ToLower(w))))
	}
	return encoder.Query{IDs: ids, Cut: len(words) - kept}
}

func (m *fakeModel) Texts(ctx context.Context, queries []encoder.Query) ([][]float32, error) {
	if m.texts != nil {
		if err := m.texts(ctx); err != nil {
			return nil, err
		}
	}
	return slices.Repeat([][]float32{{1, 0}}, len(queries)), ctx.Err()
}

func (m *fakeModel) Pixels(data []byte) (encoder.Pixels, error) {
	if m.pixels != nil {
		return encoder.Pixels{1}, m.pixels(data)
	}
	if _, ok := picture.Sniff(data); !ok {
		return nil, &picture.Error{Kind: picture.KindNotAPicture, Msg: "this is text, not a picture; send a JPEG, PNG or WebP picture"}
	}
	return encoder.Pixels{1}, nil
}

func (m *fakeModel) Images(ctx context.Context, batch []encoder.Pixels) ([]encoder.Features, error) {
	if m.images != nil {
		if err := m.images(ctx); err != nil {
			return nil, err
		}
	}
	return slices.Repeat([]encoder.Features{{Embedding: []float32{1, 0}, States: m.states}}, len(batch)), nil
}

// fakeIndex holds entries in cosine order, best first.
type fakeIndex struct {
	entries []store.Entry
	search  func(ctx context.Context) error
	get     func(ctx context.Context, ids []string) error
	views   map[string]int // which picture of an item is found, if not its main one
	stats   func() (store.Stats, error)
	filters bool // heeds the filter of a search
	last    atomic.Pointer[store.Query]
}

func (x *fakeIndex) Search(ctx context.Context, q store.Query) ([]store.Hit, error) {
	x.last.Store(&q)
	if x.search != nil {
		if err := x.search(ctx); err != nil {
			return nil, err
		}
	}
	var hits []store.Hit
	for i, e := range x.entries {
		if (!x.filters || e.Item.Matches(q.Filter)) && len(hits) < q.K && !slices.Contains(q.Exclude, e.Item.ID) {
			h := store.Hit{Item: e.Item, Picture: e.Picture, ITC: 0.5 - float64(i)/64}
			if h.View = x.views[e.Item.ID]; h.View > 0 {
				h.Picture = e.Views[h.View-1].Picture
			}
			hits = append(hits, h)
		}
	}
	return hits, nil
}

func (x *fakeIndex) Get(ctx context.Context, ids []string) ([]store.Entry, error) {
	if x.get != nil {
		if err := x.get(ctx, ids); err != nil {
			return nil, err
		}
	}
	var found []store.Entry
	for _, e := range x.entries {
		if slices.Contains(ids, e.Item.ID) {
			found = append(found, e)
		}
	}
	return found, nil
}

func (x *fakeIndex) Stats(context.Context) (store.Stats, error) {
	if x.stats != nil {
		return x.stats()
	}
	return store.Stats{Items: len(x.entries), Dim: 2, Fingerprint: fingerprint}, nil
}

// fakeReranker reads every candidate: the last one matches best, with
// probabilities falling by halves from 0.9.
type fakeReranker struct{ calls atomic.Int64 }

func (r *fakeReranker) Rerank(_ context.Context, _ encoder.Query, cands []rerank.Candidate) rerank.Outcome {
	r.calls.Add(1)
	out := rerank.Outcome{Scored: len(cands), Of: len(cands)}
	probability := 0.9
	for i, c := range slices.Backward(cands) {
		logit, p := float32(i), probability
		out.Hits = append(out.Hits, rerank.Scored{Candidate: c, Score: float64(logit) + c.ITC, Logit: &logit, Probability: &p, Rank: len(out.Hits) + 1, ITCRank: i + 1})
		probability /= 2
	}
	return out
}

type rerankFunc func(ctx context.Context, q encoder.Query, cands []rerank.Candidate) rerank.Outcome

func (f rerankFunc) Rerank(ctx context.Context, q encoder.Query, cands []rerank.Candidate) rerank.Outcome {
	return f(ctx, q, cands)
}

type fakePictures map[string][]byte

func (p fakePictures) Get(_ context.Context, key string) ([]byte, error) {
	if data, ok := p[key]; ok {
		return data, nil
	}
	return nil, fmt.Errorf("read %s: %w", key, pictures.ErrNotFound)
}

const pngBytes = "\x89PNG\r\n\x1a\n and so on"

// service is the whole HTTP interface on fakes.
type service struct {
	model  *fakeModel
	index  *fakeIndex
	engine *api.Engine
	life   *api.Readiness
	opts   api.Options
	logs   *strings.Builder // read it after the request has ended
}

func newService(ids ...string) *service {
	s := &service{model: &fakeModel{}, index: &fakeIndex{}, life: &api.Readiness{}, logs: &strings.Builder{}}
	for _, id := range ids {
		price := 12.5
		s.index.entries = append(s.index.entries, store.Entry{
			Item:    store.Item{ID: id, Title: "title of " + id, URL: "https://shop.example/?a=1&b=2", Price: &price, Currency: "EUR"},
			Picture: "hash-" + id, Embedding: []float32{0, 1},
		})
	}
	s.engine = &api.Engine{Texts: s.model, Images: s.model, Index: s.index, Reranker: &fakeReranker{}, Fingerprint: fingerprint}
	s.life.Set("")
	s.opts = api.Options{Engine: s.engine, Pictures: fakePictures{}, Readiness: s.life}
	return s
}

func (s *service) handler() http.Handler { return api.NewRouter(s.opts) }

func (s *service) do(method, target, contentType, body string) *httptest.ResponseRecorder {
	return serve(s.handler(), method, target, contentType, strings.NewReader(body))
}

func serve(h http.Handler, method, target, contentType string, body io.Reader) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, body)
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	r.Header.Set("X-Request-Id", "test-1")
	return observed(h, r)
}

func (s *service) post(body string) *httptest.ResponseRecorder {
	return s.do(http.MethodPost, "/v1/search", "application/json", body)
}

// problem is the error answer as a client sees it.
type problem struct {
	Type, Title, Detail, Code string
	Status                    int
	Errors                    []api.FieldProblem
	RequestID                 string `json:"request_id"`
}

func readProblem(t *testing.T, w *httptest.ResponseRecorder) problem {
	t.Helper()
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Fatalf("status %d, content type %q, body %s", w.Code, got, w.Body)
	}
	var p problem
	dec := json.NewDecoder(w.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		t.Fatal(err)
	}
	if p.Status != w.Code || p.Title == "" || p.Detail == "" || p.Type != "about:blank" || p.RequestID == "" {
		t.Errorf("incomplete problem %+v for status %d", p, w.Code)
	}
	return p
}

func readHits(t *testing.T, w *httptest.ResponseRecorder) api.SearchResponse {
	t.Helper()
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	var res api.SearchResponse
	if err := json.Unmarshal(w.Body.Bytes(), &res); err != nil {
		t.Fatal(err)
	}
	return res
}

func ids(hits []api.Hit) string {
	var all []string
	for _, h := range hits {
		all = append(all, h.ID)
	}
	return strings.Join(all, " ")
}

func ask(text string, change ...func(*api.SearchRequest)) api.SearchRequest {
	req := api.NewSearchRequest(text)
	for _, c := range change {
		c(&req)
	}
	return req
}

func within(t *testing.T, limit time.Duration, what string, f func()) {
	t.Helper()
	start := time.Now()
	f()
	if took := time.Since(start); took > limit {
		t.Errorf("%s took %s, limit %s", what, took, limit)
	}
}
