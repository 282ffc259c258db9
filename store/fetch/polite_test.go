package fetch_test

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sightline/store/fetch"
)

// flapping answers with a status for the first requests, then with a picture.
func flapping(t *testing.T, failures int64, fail func(http.ResponseWriter)) (*httptest.Server, *atomic.Int64) {
	var n atomic.Int64
	return handle(t, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) <= failures {
			fail(w)
			return
		}
		fmt.Fprint(w, jpeg)
	}), &n
}

func TestRetryAfter(t *testing.T) {
	for name, tc := range map[string]struct {
		header   func() string
		min, max time.Duration
	}{
		"seconds": {func() string { return "1" }, time.Second, 1500 * time.Millisecond},
		"date":    {func() string { return time.Now().Add(2 * time.Second).UTC().Format(http.TimeFormat) }, 900 * time.Millisecond, 2500 * time.Millisecond},
		"past":    {func() string { return "Wed, 25 Nov 2020 10:00:00 GMT" }, 0, 500 * time.Millisecond},
		"noise":   {func() string { return "soon" }, 0, 500 * time.Millisecond},
		"none":    {func() string { return "" }, 0, 500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, n := flapping(t, 1, func(w http.ResponseWriter) {
				w.Header().Set("Retry-After", tc.header())
				w.WriteHeader(http.StatusTooManyRequests)
			})
			c := open(t, fetch.Options{}, s)
			began := time.Now()
			r, err := get(t, c, s.URL)
			if took := time.Since(began); err != nil || string(r.Data) != jpeg || n.Load() != 2 || took < tc.min || took > tc.max+2*time.Second {
				t.Errorf("%q, %v after %v and %d requests", r.Data, err, took, n.Load())
			}
			if c.Stats().Retries != 1 {
				t.Errorf("%+v", c.Stats())
			}
		})
	}
}

// TestRetryAfterTooLong: nobody waits for an hour, and nobody asks again.
func TestRetryAfterTooLong(t *testing.T) {
	s, n := flapping(t, 1000, func(w http.ResponseWriter) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	c := open(t, fetch.Options{}, s)
	_, err := get(t, c, s.URL)
	if e := wantKind(t, err, fetch.KindServer); e.RetryAfter != time.Hour || e.Attempts != 1 {
		t.Errorf("%+v", e)
	}
	_, err = get(t, c, s.URL+"/other")
	if e := wantKind(t, err, fetch.KindThrottled); e.RetryAfter < 59*time.Minute || e.RetryAfter > time.Hour || n.Load() != 1 {
		t.Errorf("%+v after %d requests", e, n.Load())
	}
}

func TestFlappingServer(t *testing.T) {
	for name, fail := range map[string]func(http.ResponseWriter){
		"500":   func(w http.ResponseWriter) { w.WriteHeader(500) },
		"503":   func(w http.ResponseWriter) { w.WriteHeader(503) },
		"reset": func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
	} {
		s, n := flapping(t, 2, fail)
		c := open(t, fetch.Options{}, s)
		if r, err := get(t, c, s.URL); err != nil || string(r.Data) != jpeg || n.Load() < 3 {
			t.Errorf("%s: %q, %v after %d requests", name, r.Data, err, n.Load())
		}
	}
	s, n := flapping(t, 2, func(w http.ResponseWriter) { w.WriteHeader(500) })
	c := open(t, fetch.Options{Attempts: 2}, s)
	_, err := get(t, c, s.URL)
	if e := wantKind(t, err, fetch.KindServer); e.Attempts != 2 || n.Load() != 2 || !strings.Contains(e.Error(), "tried 2 times") {
		t.Errorf("%v after %d requests", e, n.Load())
	}
}

func TestBreaker(t *testing.T) {
	t.Parallel() // it waits for the pause, which is long so that no busy machine sees it end before
	const pause = 3 * time.Second
	var up atomic.Bool
	var n atomic.Int64
	s := handle(t, func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		if !up.Load() && r.URL.Path != "/404" {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	other := handle(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, jpeg) })
	names := resolver(map[string][]string{"down.example": {"127.0.0.1"}, "up.example": {"127.0.0.1"}})
	c := open(t, fetch.Options{Attempts: 1, BreakerFailures: 4, BreakerPause: pause, Resolver: names}, s, other)
	down := fmt.Sprintf("http://down.example:%d/", portOf(t, s.URL))
	for range 4 {
		_, err := get(t, c, down)
		wantKind(t, err, fetch.KindServer)
	}
	for range 10 {
		_, err := get(t, c, down)
		if e := wantKind(t, err, fetch.KindHostDown); !e.Temporary() || e.Attempts != 0 || e.RetryAfter == 0 {
			t.Errorf("%+v", e)
		}
	}
	if n.Load() != 4 || c.Stats().HostsDown != 1 {
		t.Errorf("%d requests, %+v", n.Load(), c.Stats())
	}
	if _, err := get(t, c, fmt.Sprintf("http://up.example:%d/", portOf(t, other.URL))); err != nil {
		t.Errorf("another host suffers: %v", err)
	}
	up.Store(true)
	time.Sleep(pause + pause/10)
	for range 3 {
		if _, err := get(t, c, down); err != nil {
			t.Errorf("still down: %v", err)
		}
	}
	if st := c.Stats(); st.HostsDown != 0 || st.Hosts != 0 {
		t.Errorf("%+v", st)
	}
}

// TestBreakerIgnoresAnswers: what an address is answered says nothing about
// its host.
func TestBreakerIgnoresAnswers(t *testing.T) {
	s := handle(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/404":
			http.NotFound(w, r)
		case "/500":
			w.WriteHeader(500)
		default:
			http.Redirect(w, r, "http://10.0.0.1/", http.StatusFound)
		}
	})
	c := open(t, fetch.Options{Attempts: 1, BreakerFailures: 2}, s)
	for path, want := range map[string]fetch.Kind{"/404": fetch.KindNotFound, "/500": fetch.KindServer, "/private": fetch.KindRefused} {
		for range 5 {
			_, err := get(t, c, s.URL+path)
			wantKind(t, err, want)
		}
	}
}

// TestPlaces: a slow host holds its own places only, and no host gets more
// than its share.
func TestPlaces(t *testing.T) {
	var slow, mostSlow, all, mostAll atomic.Int64
	enter := func(n, most *atomic.Int64) {
		now := n.Add(1)
		for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
		}
	}
	release := make(chan struct{})
	s := handle(t, func(w http.ResponseWriter, r *http.Request) {
		enter(&all, &mostAll)
		defer all.Add(-1)
		if strings.HasPrefix(r.Host, "slow.") {
			enter(&slow, &mostSlow)
			defer slow.Add(-1)
			<-release
		}
		fmt.Fprint(w, jpeg)
	})
	names := resolver(map[string][]string{"slow.example": {"127.0.0.1"}, "fast.example": {"127.0.0.1"}})
	c := open(t, fetch.Options{PerHost: 3, Concurrency: 5, Resolver: names}, s)
	at := func(host string) string { return fmt.Sprintf("http://%s.example:%d/", host, portOf(t, s.URL)) }
	var waiting sync.WaitGroup
	for range 50 {
		waiting.Go(func() {
			if _, err := get(t, c, at("slow")); err != nil {
				t.Error(err)
			}
		})
	}
	for c.Stats().Waiting < 47 || slow.Load() < 3 {
		time.Sleep(time.Millisecond)
	}
	for range 20 { // 47 callers stand before them in the order of coming
		if _, err := get(t, c, at("fast")); err != nil {
			t.Error(err)
		}
	}
	if n := slow.Load(); n != 3 {
		t.Errorf("%d slow requests under way", n)
	}
	for range 50 {
		waiting.Go(func() {
			if _, err := get(t, c, at("fast")); err != nil {
				t.Error(err)
			}
		})
	}
	close(release)
	waiting.Wait()
	if mostSlow.Load() != 3 || mostAll.Load() > 5 {
		t.Errorf("at most %d for a host and %d in all, want 3 and 5", mostSlow.Load(), mostAll.Load())
	}
	if st := c.Stats(); st.Active != 0 || st.Waiting != 0 || st.Hosts != 0 || st.Fetched != 120 {
		t.Errorf("%+v", st)
	}
}

// TestClose: whoever waits is sent away, and a request under way is answered.
func TestClose(t *testing.T) {
	release := make(chan struct{})
	s := handle(t, func(w http.ResponseWriter, _ *http.Request) {
		<-release
		fmt.Fprint(w, jpeg)
	})
	c := open(t, fetch.Options{PerHost: 1, Attempts: 1}, s)
	ended := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := get(t, c, s.URL)
			ended <- err
		}()
	}
	for c.Stats().Waiting < 1 {
		time.Sleep(time.Millisecond)
	}
	c.Close()
	if err := <-ended; !errors.Is(err, fetch.ErrClosed) {
		t.Errorf("the waiting one got %v", err)
	}
	close(release)
	if err := <-ended; err != nil {
		t.Errorf("the one under way got %v", err)
	}
	if _, err := get(t, c, s.URL); !errors.Is(err, fetch.ErrClosed) {
		t.Errorf("a later one got %v", err)
	}
}

func TestOptions(t *testing.T) {
	for name, o := range map[string]fetch.Options{
		"negative":      {MaxBytes: -1},
		"negative time": {Timeout: -1},
		"rate":          {Rate: -1},
		"no rate":       {Rate: math.NaN()},
		"contact":       {Contact: "a\r\nX: y"},
		"allow block":   {Allow: []string{"10.1.2.3/8"}},
		"allow noise":   {Allow: []string{"http://a"}},
		"allow number":  {Allow: []string{"0x7f000001"}},
		"deny name":     {Deny: []string{"shop.example"}},
	} {
		if _, err := fetch.New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
