package access

import (
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limits of a Limiter.
type Limits struct {
	PerSecond float64 // must be above 0
	Burst     int     // what a caller who was quiet may spend at once; at least 1
	Callers   int     // most callers remembered of late; 0: 10,000
}

// Limiter gives each caller a bucket of tokens that fills again. Its memory is
// bounded: of the callers seen, up to twice Limits.Callers are remembered. One
// that is forgotten has a full bucket again, so a flood of callers costs nobody
// else anything. It is safe for concurrent use.
type Limiter[K comparable] struct {
	limits Limits

	mu       sync.Mutex
	now, old map[K]*rate.Limiter // old is dropped when now is full
}

// NewLimiter returns a Limiter.
func NewLimiter[K comparable](l Limits) *Limiter[K] {
	if l.Callers <= 0 {
		l.Callers = 10_000
	}
	return &Limiter[K]{limits: l, now: map[K]*rate.Limiter{}}
}

// Verdict on one request.
type Verdict struct {
	OK   bool
	Left int           // whole tokens in the bucket now
	Wait time.Duration // until as many as were asked for are there; 0 when OK
	Full time.Duration // until the bucket is full
}

// Take takes tokens from a caller's bucket, or none where it has not so many. No
// more than Burst may be asked for.
func (l *Limiter[K]) Take(caller K, tokens int) Verdict {
	now := time.Now()
	b := l.bucket(caller)
	ok := b.AllowN(now, tokens)
	there := b.TokensAt(now)
	v := Verdict{OK: ok, Left: max(0, int(there)), Full: l.time(float64(l.limits.Burst) - there)}
	if !ok {
		v.Wait = l.time(float64(tokens) - there)
	}
	return v
}

func (l *Limiter[K]) time(tokens float64) time.Duration {
	return time.Duration(max(0, tokens) / l.limits.PerSecond * float64(time.Second))
}

func (l *Limiter[K]) bucket(caller K) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b, ok := l.now[caller]; ok {
		return b
	}
	b, ok := l.old[caller]
	if !ok {
		b = rate.NewLimiter(rate.Limit(l.limits.PerSecond), l.limits.Burst)
	}
	if len(l.now) >= l.limits.Callers {
		l.old, l.now = l.now, map[K]*rate.Limiter{}
	}
	l.now[caller] = b
	return b
}

// Seconds rounds a time up to whole seconds, as Retry-After wants.
func Seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }
