package rerank_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sightline/encoder"
	"sightline/rerank"
)

// lens is a TextMatcher for many requests at once. The logit of a pair depends
// on picture and title.
type lens struct {
	*device

	hang atomic.Bool
	free chan struct{}
}

func titleLogit(picture float32, text encoder.Query) float32 {
	return float32(int64(picture)*13+text.IDs[1]*7)/100 - 9
}

func (l *lens) Project(ctx context.Context, image encoder.States) (encoder.Projected, error) {
	return encoder.Projected{Keys: encoder.Tensor{Data: image.Float}}, l.take(ctx, int64(-image.Float[0]), 1)
}

func (l *lens) MatchProjected(ctx context.Context, image encoder.Projected, texts []encoder.Query) ([]encoder.Logits, error) {
	picture := image.Keys.Data.([]float32)[0]
	if err := l.take(ctx, int64(-picture), len(texts)); err != nil {
		return nil, err
	}
	out := make([]encoder.Logits, len(texts))
	for i, t := range texts {
		out[i] = encoder.Logits{0, titleLogit(picture, t)}
	}
	return out, nil
}

func (l *lens) take(ctx context.Context, name int64, n int) error {
	if l.hang.Load() {
		<-l.free
		return errors.New("let go")
	}
	_, err := l.Match(ctx, encoder.Query{IDs: []int64{name}}, slices.Repeat([]encoder.States{{Float: []float32{0}}}, n))
	return err
}

// views are a Reranker and a TextReranker of one device.
func views(d *device, o rerank.SchedulerOptions) (*rerank.Reranker, *rerank.TextReranker, *lens) {
	l := &lens{device: d, free: make(chan struct{})}
	r := rerank.New(d, d, rerank.Options{Batch: 5, Schedule: o})
	return r, rerank.NewTexts(l, rerank.Options{Batch: 5, Scheduler: r.Scheduler()}), l
}

func picture(n int64) encoder.States {
	return encoder.States{Tokens: 1, Width: 1, Float: []float32{float32(n)}}
}

// named are n candidates with titles of 3 to 9 tokens.
func named(n int) []rerank.TextCandidate {
	out := make([]rerank.TextCandidate, n)
	for i, c := range candidates(n) {
		out[i] = rerank.TextCandidate{Candidate: c, Text: encoder.Query{IDs: make([]int64, 3+i*5%7)}}
		out[i].Text.IDs[1] = int64(i)
	}
	return out
}

// TestTitlesExactWhateverTheMix: searches by text and by picture share the
// device, and every pair has the logit that it has alone.
func TestTitlesExactWhateverTheMix(t *testing.T) {
	for _, workers := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d workers", workers), func(t *testing.T) {
			r, texts, _ := views(&device{most: int64(workers)}, rerank.SchedulerOptions{Workers: workers})
			var wg sync.WaitGroup
			for i := range 24 {
				wg.Go(func() { wantAll(t, r.Rerank(t.Context(), text(int64(i%6)), candidates(3+i))) })
				wg.Go(func() {
					cands := named(3 + i)
					out := texts.RerankTexts(t.Context(), picture(int64(1+i)), cands)
					wantAll(t, out)
					for _, h := range out.Hits {
						if want := titleLogit(float32(1+i), cands[h.ITCRank-1].Text); h.Logit == nil || *h.Logit != want {
							t.Errorf("picture %d: hit %+v, want logit %v", 1+i, h, want)
						}
					}
				})
			}
			wg.Wait()
			closed(t, r)
			if s := r.Stats(); s.Inside != 0 || s.Waiting != 0 || s.Running != 0 || s.Stopped[""] != 48 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

func wantAll(t *testing.T, out rerank.Outcome) {
	t.Helper()
	if out.Scored != len(out.Hits) || out.Stopped != "" || out.Err != nil {
		t.Errorf("%d of %d, %q, %v", out.Scored, out.Of, out.Stopped, out.Err)
	}
}

// TestTitlesTakeTurns: what is urgent goes first, whichever kind it is.
func TestTitlesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &device{pair: time.Millisecond} // else a run would end before the next is queued
		release := hold(d)
		r, texts, _ := views(d, rerank.SchedulerOptions{})
		var wg sync.WaitGroup
		within := func(limit time.Duration, do func(context.Context)) {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				do(ctx)
			})
			synctest.Wait()
		}
		within(time.Second, func(ctx context.Context) { r.Rerank(ctx, text(1), candidates(2)) })
		within(time.Second, func(ctx context.Context) { texts.RerankTexts(ctx, picture(2), named(1)) })
		within(100*time.Millisecond, func(ctx context.Context) { r.Rerank(ctx, text(3), candidates(2)) })
		within(50*time.Millisecond, func(ctx context.Context) { texts.RerankTexts(ctx, picture(4), named(1)) })
		release()
		wg.Wait()
		// The projection and the titles of a picture are runs of their own.
		if want := []int64{1, -4, -4, 3, -2, -2}; !slices.Equal(d.order, want) {
			t.Errorf("runs %v, want %v", d.order, want)
		}
	})
}

// TestTitlesGiveWay: behind a busy device a search by picture is read less
// deeply, and in time; with the house full, not at all and at once.
func TestTitlesGiveWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &device{pair: time.Millisecond}
		r, texts, _ := views(d, rerank.SchedulerOptions{Queue: 2})
		ask := func(limit time.Duration) (rerank.Outcome, time.Duration) {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			start := time.Now()
			return texts.RerankTexts(ctx, picture(1), named(100)), time.Since(start)
		}
		r.Rerank(t.Context(), text(9), candidates(10)) // the pace of pictures
		if out, _ := ask(time.Second); out.Scored != 100 {
			t.Fatalf("alone: %d of %d, %q", out.Scored, out.Of, out.Stopped)
		}
		var wg sync.WaitGroup
		other := func() {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 190*time.Millisecond)
				defer cancel()
				r.Rerank(ctx, text(2), candidates(100))
			})
			synctest.Wait()
		}
		other()
		out, took := ask(200 * time.Millisecond)
		if took > 200*time.Millisecond || out.Scored == 0 || out.Scored == 100 || out.Err != nil {
			t.Errorf("behind another: %d of %d, %q, %v after %v", out.Scored, out.Of, out.Stopped, out.Err, took)
		}
		wg.Wait()
		other()
		other()
		if out, took := ask(time.Second); took != 0 || out.Stopped != rerank.StoppedBusy || out.Scored != 0 || len(out.Hits) != 100 {
			t.Errorf("with the house full: %d, %q after %v", out.Scored, out.Stopped, took)
		}
		wg.Wait()
		closed(t, r)
	})
}

// TestTitlesHang: a run of titles that does not come back takes the device out
// of service for everybody, and its return is for everybody.
func TestTitlesHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, texts, l := views(&device{most: 2}, rerank.SchedulerOptions{Grace: time.Second})
		ask := func(limit time.Duration) (rerank.Outcome, time.Duration) {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			start := time.Now()
			return texts.RerankTexts(ctx, picture(1), named(4)), time.Since(start)
		}
		out, _ := ask(time.Second)
		wantAll(t, out)
		l.hang.Store(true)
		if out, took := ask(300 * time.Millisecond); took != 300*time.Millisecond || out.Stopped != rerank.StoppedDeadline || ids(out.Hits) != "0 1 2 3" {
			t.Errorf("while hanging: %+v after %v", out, took)
		}
		time.Sleep(time.Second)
		if out, took := ask(300 * time.Millisecond); took != 0 || !errors.Is(out.Err, rerank.ErrDown) || ids(out.Hits) != "0 1 2 3" {
			t.Errorf("when known to hang: %+v after %v", out, took)
		}
		if out, _ := search(t, r, time.Second); !errors.Is(out.Err, rerank.ErrDown) {
			t.Errorf("pictures, when titles are known to hang: %+v", out)
		}
		l.hang.Store(false)
		close(l.free)
		time.Sleep(31 * time.Second)
		out, _ = ask(time.Second)
		wantAll(t, out)
		if s := r.Stats(); s.Down || s.Stuck != 0 || s.Trips != 1 {
			t.Errorf("stats %+v", s)
		}
		closed(t, r)
	})
}

// TestLostDevice: what the device says of itself counts more than how often a
// run failed.
func TestLostDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lost := errors.New("fell off the bus")
		var broken atomic.Bool
		m := &model{logits: rising(4)}
		m.onMatch = func(context.Context, int) ([]encoder.Logits, error) {
			if broken.Load() {
				return nil, errors.New("no such handle")
			}
			return nil, nil
		}
		asked := 0
		r := rerank.New(m, m, rerank.Options{Health: func(context.Context) error {
			if asked++; broken.Load() {
				return lost
			}
			return nil
		}})
		if out, _ := search(t, r, time.Second); out.Scored != 4 || asked != 0 {
			t.Fatalf("%+v, the device was asked %d times", out, asked)
		}
		broken.Store(true)
		for i := range 2 {
			out, _ := search(t, r, time.Second)
			if out.Stopped != rerank.StoppedFailed || !errors.Is(out.Err, lost) || errors.Is(out.Err, rerank.ErrDown) != (i == 1) {
				t.Errorf("search %d: %+v", i, out)
			}
		}
		runs := len(m.batches)
		time.Sleep(time.Hour)
		if len(m.batches) != runs {
			t.Errorf("a lost device was given %d runs", len(m.batches)-runs)
		}
		broken.Store(false)
		time.Sleep(31 * time.Second)
		if out, _ := search(t, r, time.Second); out.Scored != 4 {
			t.Errorf("afterwards: %+v", out)
		}
		closed(t, r)
	})
}
