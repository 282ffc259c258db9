package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// mostInFlight bounds the requests of an open loop that wait for answers; one
// more waits for its turn, and counts from when it was due.
const mostInFlight = 1024

// shots collects requests. It is safe for concurrent use.
type shots struct {
	mu  sync.Mutex
	all []shot
}

func (s *shots) add(x shot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, x)
}

// find returns the first one that there is so far.
func (s *shots) find(which func(shot) bool) (shot, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.all {
		if which(x) {
			return x, true
		}
	}
	return shot{}, false
}

// closedLoop has clients ask, each again when it is answered, until more is
// false. n counts from 0.
func closedLoop(ctx context.Context, clients int, more func(n int) bool, ask func(ctx context.Context, n int) shot) []shot {
	var got shots
	var next atomic.Int64
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for n := int(next.Add(1) - 1); ctx.Err() == nil && more(n); n = int(next.Add(1) - 1) {
				got.add(ask(ctx, n))
			}
		})
	}
	wg.Wait()
	return got.all
}

// shares of four clients in the requests of an open loop.
func shares() []float64 { return []float64{0.7, 0.1, 0.1, 0.1} }

// openLoop sends requests by chance (Poisson) at a rate until ctx ends, and waits
// for the answers. Each belongs to one of four clients, by chance as well.
func openLoop(ctx context.Context, rate float64, got *shots, ask func() shot) {
	rng := rand.New(rand.NewPCG(3, 4)) // #nosec G404 -- arrivals, and the same ones each time
	inFlight := make(chan struct{}, mostInFlight)
	var wg sync.WaitGroup
	defer wg.Wait()
	begin, due := time.Now(), time.Duration(0)
	for {
		due += time.Duration(rng.ExpFloat64() / rate * float64(time.Second))
		at, from := due, pick(rng.Float64())
		select {
		case <-time.After(time.Until(begin.Add(due))):
		case <-ctx.Done():
			return
		}
		select {
		case inFlight <- struct{}{}:
		case <-ctx.Done():
			return
		}
		wg.Go(func() {
			s := ask()
			s.due, s.client, s.took = at, from, time.Since(begin)-at
			<-inFlight
			got.add(s)
		})
	}
}

// pick chooses a client by its share.
func pick(at float64) int {
	for i, share := range shares() {
		if at -= share; at < 0 {
			return i
		}
	}
	return 0
}
