package cache_test

import (
	"fmt"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sightline/encoder/encodertest"
	"sightline/store/cache"
	"sightline/store/cache/redistest"
)

// An outage may make a Get longer by the timeout of 50 ms and this.
const slack = 10 * time.Millisecond

// traffic asks for keys and sets them, from four goroutines, and notes the
// longest Get. Beside it, it notes for how long the machine kept goroutines from
// running that only sleep, or wait 50 ms for a connection on which nothing comes:
// by that much a Get may be late without a fault of its own.
type traffic struct {
	stop    atomic.Bool
	wg      sync.WaitGroup
	longest atomic.Int64
	lag     atomic.Int64
	gets    atomic.Int64
	hits    atomic.Int64
}

func startTraffic(t *testing.T, c cache.Cache) *traffic {
	tr := &traffic{}
	for g := range 4 {
		tr.wg.Go(func() {
			for i := 0; !tr.stop.Load(); i++ {
				tr.get(t, c, fmt.Sprint("key ", (g+i)%20))
				time.Sleep(time.Millisecond)
			}
		})
	}
	tr.wg.Go(func() {
		for !tr.stop.Load() {
			start := time.Now()
			time.Sleep(time.Millisecond)
			raise(&tr.lag, time.Since(start)-time.Millisecond)
		}
	})
	silent, _ := pretend(t, "")
	for range 4 {
		tr.wg.Go(func() { tr.timeouts(t, silent) })
	}
	return tr
}

// timeouts waits in vain, as a Get does when Redis hangs.
func (tr *traffic) timeouts(t *testing.T, silent string) {
	c, err := net.Dial("tcp", silent)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	for !tr.stop.Load() {
		start := time.Now()
		if err := c.SetReadDeadline(start.Add(50 * time.Millisecond)); err != nil {
			t.Error(err)
			return
		}
		_, _ = c.Read(make([]byte, 1)) // ends with the deadline
		raise(&tr.lag, time.Since(start)-50*time.Millisecond)
	}
}

func (tr *traffic) get(t *testing.T, c cache.Cache, key string) {
	start := time.Now()
	value, ok := c.Get(t.Context(), key)
	raise(&tr.longest, time.Since(start))
	tr.gets.Add(1)
	if !ok {
		c.Set(t.Context(), key, []byte("value of "+key))
		return
	}
	tr.hits.Add(1)
	if string(value) != "value of "+key {
		t.Errorf("the value of %q is %q", key, value)
	}
}

func raise(most *atomic.Int64, d time.Duration) {
	for {
		old := most.Load()
		if int64(d) <= old || most.CompareAndSwap(old, int64(d)) {
			return
		}
	}
}

// phase returns the numbers since the last phase.
func (tr *traffic) phase() (longest, lag time.Duration, gets, hits int64) {
	return time.Duration(tr.longest.Swap(0)), time.Duration(tr.lag.Swap(0)), tr.gets.Swap(0), tr.hits.Swap(0)
}

func (tr *traffic) end() {
	tr.stop.Store(true)
	tr.wg.Wait()
}

// states collects what the breaker changes to.
type states struct {
	mu   sync.Mutex
	seen []string
}

func (s *states) add(state string, cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, state)
	if state == "open" && cause == nil {
		s.seen = append(s.seen, "without a cause")
	}
}

func (s *states) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprint(s.seen)
}

func TestRedisKilled(t *testing.T) {
	checkOutage(t, (*redistest.Server).Kill, (*redistest.Server).Restart)
}

func TestRedisHung(t *testing.T) { checkOutage(t, (*redistest.Server).Hang, (*redistest.Server).Wake) }

func TestRedisHungThenKilled(t *testing.T) {
	checkOutage(t, (*redistest.Server).Hang, func(s *redistest.Server) { s.Kill(); s.Restart() })
}

// checkOutage breaks Redis under a small load and mends it 2.5 s later. No Get
// takes longer than a timeout more than before, the breaker opens and hardly
// anything is tried, and afterwards everything is as before.
func checkOutage(t *testing.T, fail, mend func(*redistest.Server)) {
	s := redistest.Start(t)
	var seen states
	r := newRedis(t, cache.RedisOptions{URL: s.URL(), Changed: seen.add})
	tr := startTraffic(t, r)
	defer tr.end()
	eventually(t, "hits", func() bool { return tr.hits.Load() > 100 })
	time.Sleep(300 * time.Millisecond)
	normal, lag, _, _ := tr.phase()
	t.Logf("before: longest Get %v, machine late by %v", normal, lag)
	before := r.Stats()

	broken := time.Now()
	fail(s)
	eventually(t, "the breaker to open", func() bool { return r.Stats().Breaker == "open" })
	time.Sleep(2500 * time.Millisecond)
	during, lasted := r.Stats(), time.Since(broken)
	longest, lag, gets, _ := tr.phase()
	failed := during.Errors - before.Errors
	t.Logf("outage: longest Get %v of %d, machine late by %v, %d operations failed, breaker %v", longest, gets, lag, failed, &seen)
	if bound := normal + 50*time.Millisecond + slack + 2*lag; longest > bound {
		t.Errorf("a Get took %v in the outage, allowed are %v", longest, bound)
	}
	// Five goroutines may be waiting when Redis fails; later one operation a
	// second is tried.
	if most := 9 + uint64(math.Ceil(lasted.Seconds())); failed < 1 || failed > most {
		t.Errorf("%d operations failed in %v, want a few, %d at most", failed, lasted, most)
	}

	mend(s)
	start := time.Now()
	eventually(t, "the breaker to close", func() bool { return r.Stats().Breaker == "closed" })
	tr.phase()
	eventually(t, "hits", func() bool { return tr.hits.Load() > 100 })
	longest, lag, _, _ = tr.phase()
	t.Logf("mended: hits again after %v, longest Get %v, machine late by %v, breaker %v", time.Since(start), longest, lag, &seen)
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("hits came %v after Redis was back", took)
	}
}

// Close does not wait for a Redis that hangs.
func TestRedisCloseWhileHung(t *testing.T) {
	s := redistest.Start(t)
	r := newRedis(t, cache.RedisOptions{URL: s.URL(), Queue: 200})
	put(t, r, "key", "value")
	s.Hang()
	for range 200 {
		r.Set(t.Context(), "key", []byte("value"))
	}
	start := time.Now()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 5*time.Second { // three timeouts, on a machine that may be busy
		t.Errorf("Close took %v with 200 values to write to a Redis that hangs", took)
	}
}

// A Redis that nobody started, one that takes connections and is silent, and
// one that is no Redis: a few slow misses, then quick ones.
func TestRedisNotThere(t *testing.T) {
	for name, answer := range map[string]string{
		"silent": "", "not a Redis": "HTTP/1.1 400 Bad Request\r\n\r\n", "half a reply": "$100\r\nabc", "hanging up": "hang up", "refusing": "refuse",
	} {
		t.Run(name, func(t *testing.T) {
			address, connections := pretend(t, answer)
			o := cache.RedisOptions{URL: "redis://" + address}
			if answer == "hang up" {
				o.Timeout = patient // there would be time for retries
			}
			r := newRedis(t, o)
			shortest := time.Hour // of three, since the machine may be busy
			for range 3 {
				start := time.Now()
				wantMiss(t, r, "key")
				shortest = min(shortest, time.Since(start))
			}
			if shortest > time.Second {
				t.Errorf("three Gets took %v and more", shortest)
			}
			if got := connections.Load(); got > 3 {
				t.Errorf("three Gets tried %d connections", got)
			}
			start := time.Now()
			for range 100 {
				wantMiss(t, r, "key")
				r.Set(t.Context(), "key", []byte("value"))
			}
			if took := time.Since(start); took > 4*time.Second {
				t.Errorf("100 Gets and Sets took %v with an open breaker", took)
			}
			if s := r.Stats(); s.Hits != 0 || s.Errors < 3 || s.Dropped == 0 {
				t.Errorf("counted %+v", s)
			}
		})
	}
}

// pretend listens and gives every connection the same answer to its first
// bytes, and then silence; "hang up" ends it instead. It returns the address and
// how many came; for "refuse" an address where nobody listens.
func pretend(t *testing.T, answer string) (address string, connections *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	t.Cleanup(func() { l.Close(); open.Wait() })
	connections = new(atomic.Int32)
	if answer == "refuse" {
		l.Close()
		port, release, err := encodertest.FreePort(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(release)
		return net.JoinHostPort("127.0.0.1", port), connections
	}
	open.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // the test is over
			}
			connections.Add(1)
			open.Go(func() { talk(c, answer) })
		}
	})
	return l.Addr().String(), connections
}

// talk answers once and listens until the cache hangs up.
func talk(c net.Conn, answer string) {
	defer c.Close()
	b := make([]byte, 4096)
	_, err := c.Read(b)
	if err != nil || answer == "hang up" {
		return
	}
	_, err = c.Write([]byte(answer))
	for err == nil {
		_, err = c.Read(b)
	}
}
