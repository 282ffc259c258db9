package encoder_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sightline/encoder"
	"sightline/encoder/bundle"
)

// slowly makes every load of a model take a second of the bubble's time.
func slowly(t *testing.T) (*encoder.Model, *scripted) {
	t.Helper()
	m, r := tinyModel(t, func(bundle.Graph, map[string]encoder.Tensor) ([]encoder.Tensor, error) {
		return []encoder.Tensor{zeros("embedding", 1, 2), zeros("states", 1, 5, 64)}, nil
	})
	r.load = func(ctx context.Context, _ bundle.Graph) error {
		select {
		case <-time.After(time.Second):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return m, r
}

func embedText(ctx context.Context, m *encoder.Model) error {
	_, err := m.Texts(ctx, []encoder.Query{m.Tokenize("red")})
	return err
}

func embedPicture(ctx context.Context, m *encoder.Model) error {
	_, err := m.Images(ctx, []encoder.Pixels{make(encoder.Pixels, 3*32*32)})
	return err
}

// TestLoadedOnce: all that wait for one graph share the first one's load.
func TestLoadedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, r := slowly(t)
		var wg sync.WaitGroup
		for range 9 {
			wg.Go(func() {
				if err := embedText(t.Context(), m); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if err := m.Close(); err != nil || !slices.Equal(r.loads, []bundle.Graph{"text"}) || !slices.Equal(r.ended, r.loads) {
			t.Errorf("loaded %v, closed %v (%v)", r.loads, r.ended, err)
		}
	})
}

// TestLoadsWait: loads follow one another, a graph that is there does not wait
// for them, and a caller leaves when its ctx ends.
func TestLoadsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, r := slowly(t)
		if err := embedText(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := embedPicture(t.Context(), m); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait() // until vision is loading
		if err := embedText(t.Context(), m); err != nil || time.Since(begin) != 0 {
			t.Errorf("a loaded graph took %v (%v)", time.Since(begin), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err := m.Match(ctx, m.Tokenize("red"), []encoder.States{tinyStates(0)})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Millisecond {
			t.Errorf("a caller with a millisecond waited %v (%v)", time.Since(begin), err)
		}
		if err := m.Close(); err != nil || time.Since(begin) != time.Second {
			t.Errorf("Close took %v (%v), want the second of the load under way", time.Since(begin), err)
		}
		wg.Wait()
		if !slices.Equal(r.loads, []bundle.Graph{"text", "vision"}) || len(r.ended) != 2 {
			t.Errorf("loaded %v, closed %v", r.loads, r.ended)
		}
	})
}

// TestLoadRetried: an ended ctx or a failed load is the caller's alone; the
// next one loads again.
func TestLoadRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, r := slowly(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := embedText(ctx, m); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want the deadline's", err)
		}
		full := errors.New("no memory")
		slow := r.load
		r.load = func(context.Context, bundle.Graph) error { return full }
		if err := embedText(t.Context(), m); !errors.Is(err, full) {
			t.Errorf("error %v, want the runtime's", err)
		}
		r.load = slow
		if err := embedText(t.Context(), m); err != nil || len(r.loads) != 3 {
			t.Errorf("after %d loads: %v", len(r.loads), err)
		}
	})
}
