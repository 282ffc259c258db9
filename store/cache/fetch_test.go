package cache_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sightline/store/cache"
)

func newFetcher(t *testing.T, o cache.FetcherOptions) (*cache.Fetcher, *cache.Memory) {
	t.Helper()
	m := newMemory(t, cache.MemoryOptions{})
	f := cache.NewFetcher(m, o)
	t.Cleanup(func() { f.Close(); m.Close() })
	return f, m
}

// found is a load that finds value and counts its calls.
func found(calls *atomic.Int32, value string) cache.Load {
	return func(context.Context) (cache.Loaded, error) {
		calls.Add(1)
		return cache.Loaded{Value: []byte(value), Keep: true}, nil
	}
}

func wantFetch(t *testing.T, f *cache.Fetcher, load cache.Load, want string, wantCached bool) {
	t.Helper()
	value, cached, err := f.Fetch(t.Context(), "key", load)
	if err != nil || string(value) != want || cached != wantCached {
		t.Errorf("got %q, cached %v, %v; want %q, cached %v", value, cached, err, want, wantCached)
	}
}

func TestFetchKeeps(t *testing.T) {
	f, _ := newFetcher(t, cache.FetcherOptions{})
	var calls atomic.Int32
	wantFetch(t, f, found(&calls, "value"), "value", false)
	value, _, _ := f.Fetch(t.Context(), "key", found(&calls, "another"))
	copy(value, "VALUE") // the caller's own
	wantFetch(t, f, found(&calls, "another"), "value", true)
	if calls.Load() != 1 {
		t.Errorf("%d loads, want 1", calls.Load())
	}
}

func TestFetchDoesNotKeep(t *testing.T) {
	f, _ := newFetcher(t, cache.FetcherOptions{})
	broken := errors.New("the index is broken")
	_, _, err := f.Fetch(t.Context(), "key", func(context.Context) (cache.Loaded, error) {
		return cache.Loaded{Value: []byte("half"), Keep: true}, broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("got error %v, want %v", err, broken)
	}
	lesser := func(context.Context) (cache.Loaded, error) { return cache.Loaded{Value: []byte("lesser")}, nil }
	wantFetch(t, f, lesser, "lesser", false)
	wantFetch(t, f, lesser, "lesser", false)
	var calls atomic.Int32
	wantFetch(t, f, found(&calls, "value"), "value", false)
	if s := f.Stats(); s.Loads != 4 || s.Failed != 1 || s.NotKept != 2 {
		t.Errorf("counted %+v, want 4 loads, 1 failed, 2 not kept", s)
	}
}

// A hundred callers at once make one load.
func TestFetchJoins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, m := newFetcher(t, cache.FetcherOptions{})
		defer m.Close() // stops its clock before the bubble ends
		var calls atomic.Int32
		slow := func(ctx context.Context) (cache.Loaded, error) {
			time.Sleep(time.Second)
			return found(&calls, "value")(ctx)
		}
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				value, _, err := f.Fetch(t.Context(), "key", slow)
				if err != nil || string(value) != "value" {
					t.Errorf("got %q, %v", value, err)
				}
				value[0] = 'X' // each has its own
			})
		}
		wg.Wait()
		if s := f.Stats(); calls.Load() != 1 || s.Joined != 99 {
			t.Errorf("%d loads and %d who joined, want 1 and 99", calls.Load(), s.Joined)
		}
	})
}

// The first caller leaves at once; the load goes on for the second.
func TestFetchLeaverHurtsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, m := newFetcher(t, cache.FetcherOptions{})
		defer m.Close()
		slow := func(ctx context.Context) (cache.Loaded, error) {
			select {
			case <-time.After(10 * time.Second):
				return cache.Loaded{Value: []byte("value"), Keep: true}, nil
			case <-ctx.Done():
				return cache.Loaded{}, ctx.Err()
			}
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			start := time.Now()
			_, _, err := f.Fetch(ctx, "key", slow)
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
				t.Errorf("the first caller left after %v with %v", time.Since(start), err)
			}
		})
		synctest.Wait() // the first has begun the load
		wantFetch(t, f, slow, "value", false)
		wg.Wait()
		wantFetch(t, f, slow, "value", true)
		if s := f.Stats(); s.Loads != 1 || s.Abandoned != 1 {
			t.Errorf("counted %+v, want 1 load, 1 abandoned", s)
		}
	})
}

// When all have left, the load is cancelled, and the next caller begins anew.
func TestFetchCancelsWhatNobodyWaitsFor(t *testing.T) {
	f, _ := newFetcher(t, cache.FetcherOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	begun, ended, hold := make(chan struct{}), make(chan error, 1), make(chan struct{})
	go func() {
		<-begun
		cancel()
	}()
	_, _, err := f.Fetch(ctx, "key", func(ctx context.Context) (cache.Loaded, error) {
		close(begun)
		<-ctx.Done()
		<-hold // the cancelled load is still under way when the next one comes
		ended <- ctx.Err()
		return cache.Loaded{}, ctx.Err()
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the caller left with %v", err)
	}
	var calls atomic.Int32
	wantFetch(t, f, found(&calls, "value"), "value", false)
	close(hold)
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the load ended with %v", err)
	}
	if _, _, err := f.Fetch(ctx, "key", found(&calls, "value")); !errors.Is(err, context.Canceled) || calls.Load() != 1 {
		t.Errorf("a caller whose ctx has ended got %v, %d loads", err, calls.Load())
	}
}

// A panic reaches the caller, in whose goroutine a server can catch it.
func TestFetchPanics(t *testing.T) {
	f, _ := newFetcher(t, cache.FetcherOptions{})
	caught := func() (r any) {
		defer func() { r = recover() }()
		_, _, _ = f.Fetch(t.Context(), "key", func(context.Context) (cache.Loaded, error) { panic("index out of range") })
		return nil
	}()
	if s, ok := caught.(string); !ok || !strings.Contains(s, "index out of range") || !strings.Contains(s, "fetch_test.go") {
		t.Errorf("the caller's panic names neither cause nor place: %v", caught)
	}
	var calls atomic.Int32
	wantFetch(t, f, found(&calls, "value"), "value", false)
	if s := f.Stats(); s.Failed != 1 {
		t.Errorf("%d failures counted, want 1", s.Failed)
	}
}

func TestFetchRefreshesStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, m := newFetcher(t, cache.FetcherOptions{FreshFor: time.Minute})
		defer m.Close()
		var calls atomic.Int32
		wantFetch(t, f, found(&calls, "old"), "old", false)
		time.Sleep(59 * time.Second)
		wantFetch(t, f, found(&calls, "new"), "old", true)
		time.Sleep(2 * time.Second)
		slow := func(ctx context.Context) (cache.Loaded, error) {
			time.Sleep(10 * time.Second)
			return found(&calls, "new")(ctx)
		}
		wantFetch(t, f, slow, "old", true) // and does not wait
		wantFetch(t, f, slow, "old", true)
		time.Sleep(11 * time.Second)
		wantFetch(t, f, slow, "new", true)
		if s := f.Stats(); s.Loads != 2 || s.Stale != 2 {
			t.Errorf("counted %+v, want 2 loads, 2 stale", s)
		}
	})
}

// What goes wrong in the background leaves the old value in place.
func TestFetchRefreshFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, m := newFetcher(t, cache.FetcherOptions{FreshFor: time.Second})
		defer m.Close()
		var calls atomic.Int32
		wantFetch(t, f, found(&calls, "old"), "old", false)
		time.Sleep(2 * time.Second)
		wantFetch(t, f, func(context.Context) (cache.Loaded, error) { panic("in the background") }, "old", true)
		synctest.Wait()
		wantFetch(t, f, func(context.Context) (cache.Loaded, error) { return cache.Loaded{}, errors.New("broken") }, "old", true)
		synctest.Wait()
		wantFetch(t, f, found(&calls, "new"), "old", true)
		synctest.Wait()
		wantFetch(t, f, found(&calls, "newer"), "new", true)
		if s := f.Stats(); s.Failed != 2 {
			t.Errorf("%d failures counted, want 2", s.Failed)
		}
	})
}

// Background loads are few, however many keys are stale.
func TestFetchBoundsRefreshes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, m := newFetcher(t, cache.FetcherOptions{FreshFor: time.Second, Refreshes: 2})
		defer m.Close()
		var calls, running, most atomic.Int32
		for i := range 10 {
			if _, _, err := f.Fetch(t.Context(), fmt.Sprint(i), found(&calls, "old")); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Second)
		for i := range 10 {
			_, _, _ = f.Fetch(t.Context(), fmt.Sprint(i), func(context.Context) (cache.Loaded, error) {
				most.Store(max(most.Load(), running.Add(1)))
				defer running.Add(-1)
				time.Sleep(time.Minute)
				return cache.Loaded{}, nil
			})
		}
		synctest.Wait()
		if most.Load() != 2 {
			t.Errorf("%d refreshes at a time, want 2", most.Load())
		}
	})
}

// Close cancels loads in the foreground and in the background, and waits.
func TestFetcherClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, m := newFetcher(t, cache.FetcherOptions{FreshFor: time.Second})
		defer m.Close()
		var calls, cancelled atomic.Int32
		hang := func(ctx context.Context) (cache.Loaded, error) {
			<-ctx.Done()
			cancelled.Add(1)
			return cache.Loaded{}, ctx.Err()
		}
		wantFetch(t, f, found(&calls, "old"), "old", false)
		time.Sleep(2 * time.Second)
		wantFetch(t, f, hang, "old", true)
		left := make(chan error, 1)
		go func() {
			_, _, err := f.Fetch(t.Context(), "another", hang)
			left <- err
		}()
		synctest.Wait()
		f.Close()
		if err := <-left; !errors.Is(err, context.Canceled) || cancelled.Load() != 2 {
			t.Errorf("%d loads cancelled, want 2; the caller got %v", cancelled.Load(), err)
		}
		wantFetch(t, f, hang, "old", true) // stale, but nothing is begun any more
		value, _, err := f.Fetch(t.Context(), "a third", found(&calls, "by itself"))
		if err != nil || string(value) != "by itself" {
			t.Errorf("after Close: got %q, %v", value, err)
		}
	})
}

// Many callers, few keys, and every way to leave.
func TestFetchUnderLoad(t *testing.T) {
	f, _ := newFetcher(t, cache.FetcherOptions{FreshFor: time.Millisecond, Refreshes: 3})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 200 {
				key := fmt.Sprint((g * i) % 7)
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%5)*time.Millisecond)
				value, _, err := f.Fetch(ctx, key, func(context.Context) (cache.Loaded, error) {
					time.Sleep(time.Millisecond)
					return cache.Loaded{Value: []byte(key), Keep: i%3 > 0}, nil
				})
				if ctx.Err() == nil && (err != nil || string(value) != key) {
					t.Errorf("key %s: got %q, %v", key, value, err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
}
