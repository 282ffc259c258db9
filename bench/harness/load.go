package harness

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Load is a steady load of searches that come by chance (Poisson), whether the
// ones before were answered or not. What is asked for falls under the phase in
// which it was due, and what failed under the one in which it failed.
type Load struct {
	Client *Client
	Book   *Book
	Rate   float64 // searches a second
	Query  func(n int, rng *rand.Rand) Query

	mu     sync.Mutex
	phase  string
	phases []*Phase
}

// Phase is a part of the load.
type Phase struct {
	Name     string         `json:"name"`
	Searches int            `json:"searches"`
	Failed   int            `json:"failed"` // answered by anything but 200
	Failures map[string]int `json:"failures,omitempty"`
	Unread   int            `json:"second_look_cut"` // answered in part or whole in the order of the first look
	Cached   int            `json:"cached"`
	P50      float64        `json:"p50_ms"`
	P99      float64        `json:"p99_ms"`
	Max      float64        `json:"max_ms"`

	took []float64
}

// mostInFlight bounds the searches that wait for answers.
const mostInFlight = 512

// mostFailures bounds the kinds of failures that are kept.
const mostFailures = 20

// Enter begins a phase.
func (l *Load) Enter(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.phase = name
}

// Run asks until ctx ends, and waits for the answers.
func (l *Load) Run(ctx, asking context.Context) {
	rng := rand.New(rand.NewPCG(5, 6)) // #nosec G404 -- arrivals
	inFlight := make(chan struct{}, mostInFlight)
	var wg sync.WaitGroup
	defer wg.Wait()
	due := time.Now()
	for n := 0; ; n++ {
		due = due.Add(time.Duration(rng.ExpFloat64() / l.Rate * float64(time.Second)))
		q := l.Query(n, rng)
		select {
		case <-time.After(time.Until(due)):
		case <-ctx.Done():
			return
		}
		select {
		case inFlight <- struct{}{}:
		case <-ctx.Done():
			return
		}
		l.mu.Lock()
		phase := l.phase
		l.mu.Unlock()
		at := due
		wg.Go(func() {
			defer func() { <-inFlight }()
			l.ask(asking, q, phase, at)
		})
	}
}

func (l *Load) ask(ctx context.Context, q Query, phase string, due time.Time) {
	asked := time.Now()
	status, a, err := l.Client.Search(ctx, q)
	if ctx.Err() != nil {
		return // the rehearsal itself was ended
	}
	l.mu.Lock()
	if err != nil {
		phase = l.phase // what broke it
	}
	p := l.of(phase)
	p.Searches++
	p.took = append(p.took, float64(time.Since(due))/float64(time.Millisecond))
	if err != nil {
		p.fail(status, err)
	} else {
		if a.Rerank.Stopped != "" && a.Rerank.Stopped != "disabled" {
			p.Unread++
		}
		if a.Cached {
			p.Cached++
		}
	}
	l.mu.Unlock()
	if err == nil {
		l.Book.Check(a, asked)
	}
}

func (p *Phase) fail(status int, err error) {
	p.Failed++
	why := fmt.Sprintf("%d", status)
	if status == 0 {
		why = "no answer"
	}
	if len(p.Failures) < mostFailures {
		why = fmt.Sprintf("%s: %.160s", why, err.Error())
	}
	p.Failures[why]++
}

// of is a phase's record; l.mu is held.
func (l *Load) of(name string) *Phase {
	for _, p := range l.phases {
		if p.Name == name {
			return p
		}
	}
	p := &Phase{Name: name, Failures: map[string]int{}}
	l.phases = append(l.phases, p)
	return p
}

// Phases are the results so far.
func (l *Load) Phases() []Phase {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []Phase
	for _, p := range l.phases {
		c := *p
		c.Failures = map[string]int{}
		maps.Copy(c.Failures, p.Failures)
		slices.Sort(c.took)
		if n := len(c.took); n > 0 {
			c.P50, c.P99, c.Max = c.took[n/2], c.took[int(0.99*float64(n-1)+0.5)], c.took[n-1]
		}
		all = append(all, c)
	}
	return all
}
