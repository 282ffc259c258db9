package api_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sightline/api"
	"sightline/encoder"
	"sightline/rerank"
	"sightline/store/features"
)

// processor is one that encodes texts and reads pairs, one thing after the other in
// the order in which they are asked for, in virtual time.
type processor struct {
	turn        chan struct{}
	front, pair time.Duration
}

func (p *processor) work(d time.Duration) {
	p.turn <- struct{}{}
	time.Sleep(d)
	<-p.turn
}

func (p *processor) Match(_ context.Context, _ encoder.Query, states []encoder.States) ([]encoder.Logits, error) {
	p.work(p.pair * time.Duration(len(states)))
	return make([]encoder.Logits, len(states)), nil
}

func (*processor) Get(context.Context, string) (features.Record, bool, error) {
	return features.Record{Tokens: 1, Width: 1, Float: []float32{1}}, true, nil
}

// busy is a server of one processor: 2 ms for the first stage, 1 ms a pair. Its
// requests have 50 candidates read, so that it can do 19 a second, or find the
// candidates of 500.
type busy struct {
	*service
	first  *api.FirstStage
	h      http.Handler
	second *rerank.Reranker
	served sync.WaitGroup
	texts  atomic.Int64 // none is asked twice: requests of one text share runs
}

const busyDepth = 50

func newBusy(t *testing.T) *busy {
	t.Helper()
	var names []string
	for i := range busyDepth {
		names = append(names, fmt.Sprintf("p%02d", i))
	}
	p := &processor{turn: make(chan struct{}, 1), front: 2 * time.Millisecond, pair: time.Millisecond}
	b := &busy{service: newService(names...), first: &api.FirstStage{CPUs: 1}}
	b.second = rerank.New(p, p, rerank.Options{Schedule: rerank.SchedulerOptions{Queue: 512, Ahead: b.first.Backlog}})
	b.engine.First, b.engine.Reranker = b.first, b.second
	b.model.texts = func(context.Context) error { p.work(p.front); return nil }
	b.h = b.handler()
	return b
}

// outcome is one request's.
type outcome struct {
	status, scored int
	stopped, retry string
	took           time.Duration
}

// ask waits for one search with a deadline of a second.
func (b *busy) ask(t *testing.T) outcome {
	t.Helper()
	begin := time.Now()
	r := httptest.NewRequest(http.MethodGet, fmt.Sprintf("/v1/search?q=red+%d&limit=1&depth=%d&deadline_ms=1000", b.texts.Add(1), busyDepth), http.NoBody)
	w := httptest.NewRecorder()
	b.h.ServeHTTP(w, r)
	o := outcome{status: w.Code, retry: w.Header().Get("Retry-After"), took: time.Since(begin)}
	if w.Code == http.StatusOK {
		res := readHits(t, w)
		o.scored, o.stopped = res.Rerank.Scored, res.Rerank.Stopped
	}
	return o
}

// open has one search come each so often, for a while.
func (b *busy) open(t *testing.T, each, lasts time.Duration) *[]outcome {
	t.Helper()
	var mu sync.Mutex
	var all []outcome
	b.served.Go(func() {
		for range lasts / each {
			b.served.Go(func() {
				o := b.ask(t)
				mu.Lock()
				defer mu.Unlock()
				all = append(all, o)
			})
			time.Sleep(each)
		}
	})
	return &all
}

func (b *busy) done(t *testing.T) {
	t.Helper()
	b.served.Wait()
	if err := b.second.Close(); err != nil {
		t.Error(err)
	}
	if left := b.first.Backlog(); left != 0 {
		t.Errorf("the first stage still holds %v", left)
	}
}

func meanDepth(all []outcome) float64 {
	sum := 0
	for _, o := range all {
		sum += o.scored
	}
	return float64(sum) / float64(max(len(all), 1))
}

// TestTwiceTheLoad: nobody is refused or late, everybody gets at least the smallest
// sub-batch, and the processor is busy to the end.
func TestTwiceTheLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBusy(t)
		const each = 26 * time.Millisecond
		all := b.open(t, each, 10*time.Second)
		b.done(t)
		short := 0
		for _, o := range *all {
			if o.status != http.StatusOK || o.scored < 4 || o.took > time.Second {
				t.Errorf("%+v", o)
			}
			if o.scored < busyDepth && o.stopped != rerank.StoppedBusy && o.stopped != rerank.StoppedDeadline {
				t.Errorf("%+v: no reason for less", o)
			}
			if o.scored < busyDepth {
				short++
			}
		}
		// 24 of 26 ms are left for pairs.
		if mean := meanDepth(*all); mean < 21 || mean > 26 || short == 0 {
			t.Errorf("%d requests are read to %.1f on average, %d of them in part; want about 24", len(*all), mean, short)
		}
	})
}

// TestBeyondTheFirstStage: what cannot be answered is refused at once, and the
// others are all answered in time; that is as many as the first stage can do, for
// which depth has given way.
func TestBeyondTheFirstStage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBusy(t)
		const seconds = 3
		all := b.open(t, time.Millisecond, seconds*time.Second)
		b.done(t)
		answered := 0
		for _, o := range *all {
			switch o.status {
			case http.StatusOK:
				if answered++; o.took > time.Second {
					t.Errorf("late: %+v", o)
				}
			case http.StatusTooManyRequests:
				if o.took != 0 || o.retry == "" {
					t.Errorf("not at once, or without Retry-After: %+v", o)
				}
			default:
				t.Errorf("%+v", o)
			}
		}
		if refused := len(*all) - answered; answered < 450*seconds || refused < 400*seconds {
			t.Errorf("of %d requests %d were answered; the first stage can do %d", len(*all), answered, 500*seconds)
		}
	})
}

// TestLoadThatTheFirstStageBears: ten times what can be read whole and four fifths
// of what the first stage can do.
func TestLoadThatTheFirstStageBears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBusy(t)
		all := b.open(t, 2500*time.Microsecond, 2*time.Second)
		b.done(t)
		for _, o := range *all {
			if o.status != http.StatusOK || o.took > time.Second {
				t.Errorf("%+v", o)
			}
		}
		if mean := meanDepth(*all); mean == 0 {
			t.Error("nothing is read, though a fifth of the time is left for it")
		}
	})
}

// TestLightBesideHeavy: who asks now and then is answered beside one who asks for
// twice of what can be done, and is read as deeply.
func TestLightBesideHeavy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBusy(t)
		heavy := b.open(t, 26*time.Millisecond, 10*time.Second)
		light := b.open(t, 700*time.Millisecond, 10*time.Second)
		b.done(t)
		for _, o := range *light {
			if o.status != http.StatusOK || o.scored < 4 || o.took > time.Second {
				t.Errorf("%+v", o)
			}
		}
		if l, h := meanDepth(*light), meanDepth(*heavy); l < 0.8*h {
			t.Errorf("light is read to %.1f, heavy to %.1f", l, h)
		}
	})
}

// TestFirstStageRecovers: a store that was slow for a while makes searches be
// refused; those that are let in all the same put the measure right.
func TestFirstStageRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBusy(t)
		slow := time.Now().Add(3 * time.Second)
		b.index.search = func(ctx context.Context) error {
			if time.Now().Before(slow) {
				select {
				case <-time.After(900 * time.Millisecond):
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		}
		during := b.open(t, 50*time.Millisecond, 3*time.Second)
		b.served.Wait()
		refused := func(all []outcome) bool {
			return slices.ContainsFunc(all, func(o outcome) bool { return o.status == http.StatusTooManyRequests })
		}
		if !refused(*during) {
			t.Error("nobody was refused by a first stage that takes 0.9 s")
		}
		b.open(t, 50*time.Millisecond, 3*time.Second)
		b.served.Wait()
		after := b.open(t, 50*time.Millisecond, 3*time.Second)
		b.done(t)
		if refused(*after) {
			t.Error("searches are still refused three seconds after the store has recovered")
		}
	})
}

// TestFirstStageAfterAStall: a machine that stands still for a moment refuses nobody
// at half of what it can do.
func TestFirstStageAfterAStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBusy(t)
		begin := b.open(t, 100*time.Millisecond, 3*time.Second)
		b.served.Wait()
		stall := time.Now().Add(600 * time.Millisecond)
		b.index.search = func(context.Context) error {
			time.Sleep(time.Until(stall))
			return nil
		}
		after := b.open(t, 100*time.Millisecond, 3*time.Second)
		b.done(t)
		for _, o := range append(*begin, *after...) {
			if o.status != http.StatusOK || o.scored < 4 {
				t.Errorf("%+v", o)
			}
		}
	})
}

// TestFirstStageAfterPanics: a search that breaks down leaves the stage.
func TestFirstStageAfterPanics(t *testing.T) {
	s := newService("a")
	s.engine.First = &api.FirstStage{CPUs: 1}
	s.model.texts = func(context.Context) error { panic("broken") }
	for range 10 {
		if w := s.do(http.MethodGet, "/v1/search?q=red", "", ""); w.Code != http.StatusInternalServerError {
			t.Fatalf("status %d", w.Code)
		}
	}
	if left := s.engine.First.Backlog(); left != 0 {
		t.Errorf("%v are left in the stage", left)
	}
}
