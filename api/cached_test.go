package api_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sightline/api"
	"sightline/encoder"
	"sightline/rerank"
	"sightline/store/cache"
)

// cachedService is a service with a cache in memory. Its index counts searches.
type cachedService struct {
	*service

	searches   atomic.Int64
	generation atomic.Uint64 // 0 for unknown
}

func newCachedService(t *testing.T, ids ...string) *cachedService {
	t.Helper()
	s := &cachedService{service: newService(ids...)}
	s.generation.Store(1)
	s.index.search = func(context.Context) error {
		s.searches.Add(1)
		return nil
	}
	memory, err := cache.NewMemory(cache.MemoryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	answers := cache.NewFetcher(memory, cache.FetcherOptions{})
	t.Cleanup(func() {
		if err := errors.Join(answers.Close(), memory.Close()); err != nil {
			t.Error(err)
		}
	})
	s.engine.Cache = &api.ResultCache{Answers: answers, Generation: func(context.Context) (uint64, bool) {
		g := s.generation.Load()
		return g, g > 0
	}}
	return s
}

// wantSearch posts a body and checks whether the pipeline ran for it.
func (s *cachedService) wantSearch(t *testing.T, body string, want bool) api.SearchResponse {
	t.Helper()
	before := s.searches.Load()
	res := readHits(t, s.post(body))
	if ran := s.searches.Load() > before; ran != want || res.Cached == want {
		t.Fatalf("%s: searched %v, cached %v; want searched %v", body, ran, res.Cached, want)
	}
	return res
}

func TestRepeatedSearchIsCached(t *testing.T) {
	s := newCachedService(t, "a", "b", "c")
	first := s.wantSearch(t, `{"text":"red shoes","limit":2}`, true)
	again := s.wantSearch(t, `{"limit":2,"text":" Red  shoes!","offset":0}`, false)
	if ids(again.Hits) != ids(first.Hits) || again.Rerank != first.Rerank || again.Model != first.Model {
		t.Errorf("cached answer %+v, first %+v", again, first)
	}
	if *again.Hits[0].Item.Price != 12.5 || *again.Hits[0].ITMLogit != *first.Hits[0].ITMLogit {
		t.Errorf("cached hit %+v, first %+v", again.Hits[0], first.Hits[0])
	}
	if again.Query.Text != " Red  shoes!" || again.Query.Tokens != 4 {
		t.Errorf("the cached answer is to %+v", again.Query)
	}
	if again.Timings.Rerank != 0 || again.Timings.Total <= 0 {
		t.Errorf("timings %+v are not of the second request", again.Timings)
	}
}

// Whatever changes the answer is in the key.
func TestDifferentSearchesAreNotShared(t *testing.T) {
	picture := func(end string) string {
		return `{"image":{"base64":"` + base64.StdEncoding.EncodeToString([]byte(pngBytes+end)) + `"}}`
	}
	s := newCachedService(t, "a", "b", "c")
	s.engine.Images, s.engine.Fetcher = &eyes{fakeModel: s.model}, &web{}
	bodies := []string{
		`{"text":"red shoes"}`, `{"text":"shoes red"}`, `{"text":"red shoes","limit":2}`, `{"text":"red shoes","offset":1}`,
		`{"text":"red shoes","rerank":{"depth":2}}`, `{"text":"red shoes","rerank":{"enabled":false}}`, `{"text":"red shoes","deadline_ms":900}`,
		`{"text":"red shoes","min_match":0.1}`, `{"text":"red shoes","min_match":0}`, `{"text":"red shoes","filter":"price < 50"}`,
		`{"text":"red shoes","filter":"price < 51"}`, `{"image":{"id":"a"}}`, `{"image":{"id":"b"}}`, picture(""), picture("!"), strings.Replace(picture(""), `"}}`, `","box":[0,0,1,0.5]}}`, 1),
	}
	for _, want := range []bool{true, false} {
		for _, body := range bodies {
			s.wantSearch(t, body, want)
		}
	}
	s.wantSearch(t, `{"text":"red shoes","filter":{"price":{"lt":50}}}`, false) // the other form of one filter
	for range 2 {
		s.wantSearch(t, `{"image":{"url":"http://shop.example/1"}}`, true) // what it has may have changed
	}
}

func TestWritesMakeAnswersUnreachable(t *testing.T) {
	s := newCachedService(t, "a", "b")
	const body = `{"text":"red"}`
	s.wantSearch(t, body, true)
	s.wantSearch(t, body, false)
	s.generation.Add(1)
	s.wantSearch(t, body, true)
	s.generation.Store(0) // unknown
	s.wantSearch(t, body, true)
	s.wantSearch(t, body, true)
}

// An answer that another try may better is not kept; one that would come out
// the same again is.
func TestWhichAnswersAreKept(t *testing.T) {
	for stopped, keep := range map[string]bool{
		"": true, rerank.StoppedDisabled: true, rerank.StoppedMissing: true,
		rerank.StoppedDeadline: false, rerank.StoppedFailed: false, rerank.StoppedCancelled: false,
	} {
		t.Run("stopped "+stopped, func(t *testing.T) {
			s := newCachedService(t, "a", "b")
			var logs bytes.Buffer
			s.opts.Log = slog.New(slog.NewTextHandler(&logs, nil))
			s.engine.Reranker = rerankFunc(func(_ context.Context, _ encoder.Query, cands []rerank.Candidate) rerank.Outcome {
				out := rerank.Outcome{Of: len(cands), Stopped: stopped}
				if stopped == rerank.StoppedFailed {
					out.Err = errors.New("graph broke")
				}
				for _, c := range cands {
					out.Hits = append(out.Hits, rerank.Scored{Candidate: c, Score: c.ITC})
				}
				return out
			})
			s.wantSearch(t, `{"text":"red"}`, true)
			s.wantSearch(t, `{"text":"red"}`, !keep)
			if stopped == rerank.StoppedFailed && strings.Count(logs.String(), "graph broke") != 2 {
				t.Errorf("log: %s", logs.String())
			}
		})
	}
}

func TestFailuresAreNotCached(t *testing.T) {
	s := newCachedService(t, "a")
	works := s.index.search
	s.index.search = func(context.Context) error { return errors.New("boom") }
	if p := readProblem(t, s.post(`{"text":"red"}`)); p.Status != http.StatusInternalServerError {
		t.Errorf("problem %+v", p)
	}
	s.index.search = works
	s.wantSearch(t, `{"text":"red"}`, true)
	if p := readProblem(t, s.post(`{"text":"red","limit":0}`)); p.Status != http.StatusUnprocessableEntity {
		t.Errorf("problem %+v", p)
	}
}

// Callers of one question share one search, and one slot.
func TestSearchesUnderWayAreShared(t *testing.T) {
	s := newCachedService(t, "a", "b")
	s.opts.MaxSearches = 1
	h := s.handler()
	arrived, release := make(chan struct{}), make(chan struct{})
	s.index.search = func(context.Context) error {
		s.searches.Add(1)
		close(arrived)
		<-release
		return nil
	}
	var wg sync.WaitGroup
	status := make(chan string, 5)
	ask := func() {
		w := serve(h, http.MethodGet, "/v1/search?q=red", "", strings.NewReader(""))
		status <- fmt.Sprint(w.Code)
	}
	wg.Go(ask)
	<-arrived
	for range 4 {
		wg.Go(ask)
	}
	if w := serve(h, http.MethodGet, "/v1/search?q=blue", "", strings.NewReader("")); w.Code != http.StatusTooManyRequests {
		t.Errorf("another question while the only slot is taken: %d", w.Code)
	}
	time.Sleep(20 * time.Millisecond) // the four may wait by now; if not, they find the answer in the cache
	close(release)
	wg.Wait()
	close(status)
	for code := range status {
		if code != "200" {
			t.Errorf("status %s", code)
		}
	}
	if n := s.searches.Load(); n != 1 {
		t.Errorf("%d searches for one question", n)
	}
}

func TestEmbeddingsAreRemembered(t *testing.T) {
	s := newService("a")
	var encoded atomic.Int64
	s.model.texts = func(context.Context) error {
		encoded.Add(1)
		return nil
	}
	embeddings, err := cache.NewEmbeddings(0)
	if err != nil {
		t.Fatal(err)
	}
	s.engine.Embeddings = embeddings
	for _, text := range []string{"red", "red", "blue", "red"} {
		readHits(t, s.post(`{"text":"`+text+`"}`))
	}
	if n := encoded.Load(); n != 2 {
		t.Errorf("encoded %d times, want 2", n)
	}
	readHits(t, s.post(`{"text":"ready"}`)) // the probe's word, which must go to the encoder all the same
	s.model.texts = func(context.Context) error { return errors.New("device lost") }
	if w := s.do(http.MethodGet, "/readyz", "", ""); w.Code != http.StatusServiceUnavailable {
		t.Errorf("readyz with a broken encoder: %d", w.Code)
	}
}
