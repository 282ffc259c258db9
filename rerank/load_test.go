package rerank_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sightline/encoder"
	"sightline/rerank"
	"sightline/store/features"
)

// farSource takes a while for each Get, as a bucket does, and counts how many
// go on at once.
type farSource struct {
	model
	now, most atomic.Int64
}

func (f *farSource) Get(ctx context.Context, key string) (features.Record, bool, error) {
	n := f.now.Add(1)
	defer f.now.Add(-1)
	for {
		most := f.most.Load()
		if n <= most || f.most.CompareAndSwap(most, n) {
			break
		}
	}
	return f.model.Get(ctx, key)
}

// TestFetch: a source that takes its time is read by several at once, a quick
// one by one; order and gaps stay.
func TestFetch(t *testing.T) {
	const ms = time.Millisecond
	for _, tt := range []struct {
		name  string
		get   time.Duration
		fetch int
		most  int64
		took  time.Duration
	}{
		{"quick", 0, 0, 1, 0},
		{"below the mark", 900 * time.Microsecond, 0, 1, 40 * 900 * time.Microsecond},
		{"far", 20 * ms, 0, 8, (1 + 2 + 2 + 2) * 20 * ms}, // one, then 15, 16 and 8 in eights; missing ones are made up for
		{"far, four at once", 20 * ms, 4, 4, (1 + 4 + 4 + 3) * 20 * ms},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &farSource{}
				f.logits, f.get = rising(40), tt.get
				f.missing = map[string]bool{"p1": true, "p30": true}
				start := time.Now()
				out := rerank.New(f, f, rerank.Options{Fetch: tt.fetch}).Rerank(t.Context(), text(1), candidates(40))
				if out.Scored != 38 || out.Missing != 2 || f.most.Load() != tt.most || f.gets.Load() != 40 {
					t.Errorf("%d read, %d missing, %d gets, %d at once; want 38, 2, 40, %d", out.Scored, out.Missing, f.gets.Load(), f.most.Load(), tt.most)
				}
				if took := time.Since(start); took > tt.took+20*ms {
					t.Errorf("took %v, want about %v", took, tt.took)
				}
				checkHits(t, out)
				for _, h := range out.Hits {
					if h.Logit != nil && *h.Logit != float32(h.ITCRank-1)-5 {
						t.Errorf("hit %+v has another picture's logit", h)
					}
				}
			})
		})
	}
}

// local gives a record of BLIP-base's size from memory, with a copy as the
// store makes one.
type local struct{ states features.Record }

func (l local) Get(context.Context, string) (features.Record, bool, error) {
	r := l.states
	r.Int8 = append([]int8(nil), r.Int8...)
	return r, true, nil
}

// far is local, some milliseconds away.
type far struct {
	local
	away time.Duration
}

func (f far) Get(ctx context.Context, key string) (features.Record, bool, error) {
	time.Sleep(f.away)
	return f.local.Get(ctx, key)
}

// nothing is a matcher that takes no time.
type nothing struct{}

func (nothing) Match(_ context.Context, _ encoder.Query, states []encoder.States) ([]encoder.Logits, error) {
	return make([]encoder.Logits, len(states)), nil
}

// BenchmarkLoad reads 128 records of 0.45 MB for one request whose matcher
// takes no time.
func BenchmarkLoad(b *testing.B) {
	const tokens, width = 577, 768
	states := features.Record{Tokens: tokens, Width: width, Int8: make([]int8, tokens*width), Scale: make([]float32, tokens), Mean: make([]float32, width)}
	for _, source := range []rerank.FeatureSource{local{states}, far{local{states}, 5 * time.Millisecond}} {
		for _, fetch := range []int{1, 8} {
			b.Run(fmt.Sprintf("%T/fetch=%d", source, fetch), func(b *testing.B) {
				r := rerank.New(nothing{}, source, rerank.Options{Fetch: fetch})
				for b.Loop() {
					if out := r.Rerank(b.Context(), text(1), candidates(128)); out.Scored != 128 {
						b.Fatalf("outcome %+v", out)
					}
				}
			})
		}
	}
}
