package access_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"sightline/api/access"
)

func TestLimiter(t *testing.T) {
	l := access.NewLimiter[string](access.Limits{PerSecond: 0.001, Burst: 3})
	for left := 2; left >= 0; left-- {
		if v := l.Take("a", 1); !v.OK || v.Left != left || v.Wait != 0 || v.Full <= 0 {
			t.Fatalf("%+v, want %d left", v, left)
		}
	}
	v := l.Take("a", 1)
	if v.OK || v.Left != 0 || v.Wait <= 900*time.Second || v.Wait > 1000*time.Second {
		t.Errorf("beyond the burst: %+v", v)
	}
	if v := l.Take("b", 3); !v.OK || v.Left != 0 {
		t.Errorf("another caller: %+v", v)
	}
	fast := access.NewLimiter[string](access.Limits{PerSecond: 1e6, Burst: 1})
	for range 100 {
		for !fast.Take("a", 1).OK { // fills again
		}
	}
}

// TestLimiterIsBounded: a flood of callers costs bounded memory, and one of late
// is still remembered.
func TestLimiterIsBounded(t *testing.T) {
	l := access.NewLimiter[int](access.Limits{PerSecond: 0.001, Burst: 1, Callers: 100})
	for i := range 10_000 {
		if !l.Take(i, 1).OK {
			t.Fatalf("caller %d", i)
		}
		if l.Take(max(0, i-50), 1).OK {
			t.Fatalf("caller %d was forgotten 50 callers later", i-50)
		}
		if n := access.Remembered(l); n > 200 {
			t.Fatalf("%d callers in memory", n)
		}
	}
	if !l.Take(0, 1).OK {
		t.Error("caller 0 was never forgotten")
	}
}

func TestLimiterByMany(t *testing.T) {
	l := access.NewLimiter[string](access.Limits{PerSecond: 1e-9, Burst: 50, Callers: 10})
	var all sync.WaitGroup
	passed := make(chan bool, 100)
	for range 4 {
		all.Go(func() {
			for i := range 25 {
				if l.Take("a", 1).OK {
					passed <- true
				}
				l.Take(fmt.Sprint(i%8), 1)
			}
		})
	}
	all.Wait()
	if n := len(passed); n != 50 {
		t.Errorf("%d of 100 passed, want 50", n)
	}
}

func TestSeconds(t *testing.T) {
	for d, want := range map[time.Duration]int{0: 0, time.Millisecond: 1, time.Second: 1, 1001 * time.Millisecond: 2} {
		if got := access.Seconds(d); got != want {
			t.Errorf("%s: %d", d, got)
		}
	}
}

func BenchmarkTake(b *testing.B) {
	l := access.NewLimiter[string](access.Limits{PerSecond: 1e9, Burst: 1000})
	b.ReportAllocs()
	for b.Loop() {
		l.Take("0123456789ab", 1)
	}
}
