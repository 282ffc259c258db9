package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/clitest"
	"sightline/store/cache/redistest"
)

// metric reads one number of /metrics.
func (s *server) metric(t *testing.T, name string) float64 {
	t.Helper()
	res, err := s.client.Do(s.request(t, http.MethodGet, "/metrics", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			var v float64
			if _, err := fmt.Sscan(rest, &v); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			return v
		}
	}
	t.Fatalf("/metrics has no %s:\n%s", name, text)
	return 0
}

func TestAnswersAreCached(t *testing.T) {
	environ := clitest.Environ(t)
	args := []string{"--data", data(t, environ, "auto"), "--model", model(t)}
	question := map[string]any{"text": "a red mug", "limit": 5}
	s := serve(t, environ, args...)
	first, again := s.search(t, question), s.search(t, question)
	if first.Cached || !again.Cached {
		t.Errorf("cached: %v, then %v", first.Cached, again.Cached)
	}
	if !slices.EqualFunc(first.Hits, again.Hits, func(a, b hit) bool { return a.ID == b.ID && a.Score == b.Score && *a.Logit == *b.Logit }) {
		t.Errorf("cached hits %+v, first %+v", again.Hits, first.Hits)
	}
	for name, want := range map[string]float64{
		`sightline_cache_hits_total{cache="memory"}`: 1, `sightline_cache_misses_total{cache="memory"}`: 1,
		`sightline_cache_misses_total{cache="embeddings"}`: 1, `sightline_result_cache_events_total{event="run"}`: 1, "sightline_index_items": 240,
	} {
		if got := s.metric(t, name); got != want {
			t.Errorf("%s is %g, want %g", name, got, want)
		}
	}
}

func TestCacheNone(t *testing.T) {
	environ := clitest.Environ(t)
	s := serve(t, environ, "--data", data(t, environ, "auto"), "--model", model(t), "--cache", "none")
	for range 2 {
		if s.search(t, map[string]any{"text": "a red mug"}).Cached {
			t.Error("cached, with --cache none")
		}
	}
	if got := s.metric(t, "sightline_index_items"); got != 240 {
		t.Errorf("%g items", got)
	}
}

func TestCacheSettingsRefused(t *testing.T) {
	for want, args := range map[string][]string{
		"use memory, redis or none":     {"--cache", "memcached"},
		"must be below --cache-ttl":     {"--cache-fresh", "10m"},
		"--cache-mb -1":                 {"--cache-mb", "-1"},
		"SIGHTLINE_REDIS_PASSWORD_FILE": {"--cache", "redis", "--redis-url", "redis://:secret@127.0.0.1:1/0"},
	} {
		environ := clitest.Environ(t)
		args = append(args, "--data", data(t, environ, "auto"), "--model", model(t), "--listen", "127.0.0.1:0")
		_, errs, code := searchd(t, environ, args...)
		if code != cli.ExitUsage || !strings.Contains(errs, want) || strings.Contains(errs, "secret@") {
			t.Errorf("%v: code %d, %s", args, code, errs)
		}
	}
}

// load searches from four clients until it is stopped. Half of the questions
// repeat within a phase, so that there is something to find in Redis.
type load struct {
	s      *server
	t      *testing.T
	stop   atomic.Bool
	wg     sync.WaitGroup
	asked  atomic.Int64
	mu     sync.Mutex // guards what follows
	took   []time.Duration
	cached int
	lag    time.Duration // longest that the machine kept a sleeping goroutine from running
}

func startLoad(t *testing.T, s *server) *load {
	l := &load{t: t, s: s}
	for range 4 {
		l.wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for !l.stop.Load() {
				l.ask(client)
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	l.wg.Go(func() {
		for !l.stop.Load() {
			start := time.Now()
			time.Sleep(time.Millisecond)
			late := time.Since(start) - time.Millisecond
			l.mu.Lock()
			l.lag = max(l.lag, late)
			l.mu.Unlock()
		}
	})
	return l
}

func (l *load) ask(client *http.Client) {
	n := l.asked.Add(1)
	if n%2 == 0 {
		n %= 10
	}
	q := url.Values{"q": {"a red mug"}, "depth": {"2"}, "limit": {"3"}, "deadline_ms": {fmt.Sprint(10_000 + n)}} // the model may not tell numbers apart
	start := time.Now()
	res, err := client.Get(l.s.url + "/v1/search?" + q.Encode())
	if err != nil {
		l.t.Errorf("search: %v", err)
		return
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	took := time.Since(start)
	if err != nil || res.StatusCode != http.StatusOK {
		l.t.Errorf("search: %d %v %s", res.StatusCode, err, body)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.took = append(l.took, took)
	if strings.Contains(string(body), `"cached":true`) {
		l.cached++
	}
}

// phase is what a load was answered for a while.
type phase struct {
	p99    time.Duration
	cached int           // answers from a cache
	lag    time.Duration // see load
}

// phases lets loads run for a while, all at the same time.
func phases(t *testing.T, d time.Duration, loads ...*load) []phase {
	t.Helper()
	for _, l := range loads {
		l.mu.Lock()
		l.took, l.cached, l.lag = nil, 0, 0
		l.mu.Unlock()
	}
	time.Sleep(d)
	var all []phase
	for _, l := range loads {
		clitest.Eventually(t, "enough searches for a percentile", func() bool {
			l.mu.Lock()
			defer l.mu.Unlock()
			return len(l.took) >= 60
		})
	}
	for _, l := range loads {
		l.mu.Lock()
		slices.Sort(l.took)
		all = append(all, phase{l.took[len(l.took)*99/100], l.cached, l.lag})
		l.mu.Unlock()
	}
	return all
}

// No search fails, and none waits longer than the timeout, whatever Redis does.
// Beside it another searchd, which has no cache, is asked the same: by what the
// machine keeps that one waiting, the first may wait without a fault of its own.
func TestRedisOutage(t *testing.T) {
	redis := redistest.Start(t)
	environ := clitest.Environ(t)
	s := serve(t, environ, "--data", data(t, environ, "auto"), "--model", model(t), "--cache", "redis", "--redis-url", redis.URL())
	l, control := startLoad(t, s), startLoad(t, serve(t, environ, "--data", ownData(t, environ), "--model", model(t), "--cache", "none"))
	defer func() {
		for _, l := range []*load{l, control} {
			l.stop.Store(true)
			l.wg.Wait()
		}
	}()
	before := phases(t, 2*time.Second, l, control)[0]
	if before.cached == 0 {
		t.Error("nothing was cached")
	}
	t.Logf("before: %+v", before)
	check := func(name string) {
		t.Helper()
		all := phases(t, 1500*time.Millisecond, l, control)
		bound := max(before.p99, all[1].p99) + 60*time.Millisecond + all[0].lag
		t.Logf("%s: %+v, without Redis %+v", name, all[0], all[1])
		if all[0].p99 > bound {
			t.Errorf("%s: p99 %s, want %s at most", name, all[0].p99, bound)
		}
	}
	for _, c := range []struct {
		name       string
		fail, mend func()
	}{
		{"killed", redis.Kill, redis.Restart},
		{"hung", redis.Hang, redis.Wake},
		{"hung, then killed", redis.Hang, func() { redis.Kill(); redis.Restart() }},
	} {
		failures := s.metric(t, `sightline_cache_errors_total{cache="redis"}`)
		c.fail()
		check(c.name)
		c.mend()
		check(c.name + ", mended")
		if s.metric(t, `sightline_cache_errors_total{cache="redis"}`) <= failures {
			t.Errorf("%s: Redis was never asked", c.name)
		}
		clitest.Eventually(t, "Redis to be in use again", func() bool { return s.metric(t, `sightline_cache_breaker_open{cache="redis"}`) == 0 })
	}
}

// What one searchd worked out, the next finds in Redis. That is asked for several
// answers, since Redis has 50 ms for each, and a busy machine may take longer.
func TestRedisOutlivesTheProgram(t *testing.T) {
	redis := redistest.Start(t)
	environ := clitest.Environ(t)
	args := []string{"--data", data(t, environ, "auto"), "--model", model(t), "--cache", "redis", "--redis-url", redis.URL()}
	ask := func(s *server) (cached int) {
		for i := range 20 {
			if s.search(t, map[string]any{"text": "a blue lamp", "limit": 1 + i}).Cached {
				cached++
			}
		}
		return cached
	}
	first := start(t, environ, args...)
	first.waitReady(t)
	if n := ask(first); n > 0 {
		t.Errorf("%d first answers are cached", n)
	}
	first.end(t, cli.ExitOK)
	second := serve(t, environ, args...)
	n := ask(second)
	t.Logf("%d of 20 were found", n)
	if n == 0 {
		t.Errorf("not found in Redis\n%s", second.log)
	}
}

// The second look shows in the metrics.
func TestRerankMetrics(t *testing.T) {
	environ := clitest.Environ(t)
	s := serve(t, environ, "--data", data(t, environ, "auto"), "--model", model(t), "--cache", "none")
	if a := s.search(t, map[string]any{"text": "a red mug", "deadline_ms": 20_000}); a.Rerank.Scored == 0 {
		t.Fatalf("%+v", a.Rerank)
	}
	for name, want := range map[string]float64{
		`sightline_rerank_requests_total{stopped="none"}`: 1, "sightline_rerank_depth_count": 1, "sightline_rerank_down": 0, "sightline_rerank_requests": 0,
	} {
		if got := s.metric(t, name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}
