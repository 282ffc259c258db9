package writer

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"sightline/encoder"
)

// Patience of a Gate. A run that has waited for gapsFor times what its like took
// before goes on although there was no gap: under searches without an end, writing
// has at most a fifth of the device, and never nothing.
const (
	gapsFor       = 4
	leastPatience = 20 * time.Millisecond
	mostPatience  = 2 * time.Second
)

// Gate lets one kind of work on a device, such as searches, go before another, such
// as captions: runs behind it wait for a gap, and one that is under way when
// somebody goes ahead is broken off and done again. Its zero value is ready to use;
// it is safe for concurrent use.
type Gate struct {
	mu     sync.Mutex
	ahead  int
	free   chan struct{} // closed when ahead is 0 again; nil while it is
	behind map[*context.CancelCauseFunc]struct{}
	pace   map[string]time.Duration // of the latest run of each graph
	runs   map[string]uint64
	broken uint64
	waited time.Duration
}

// errGaveWay ends a run that somebody went ahead of.
var errGaveWay = errors.New("gave way to what goes ahead")

// Ahead says that somebody goes before what is behind the gate, until leave is
// called, once.
func (g *Gate) Ahead() (leave func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ahead++; g.ahead == 1 {
		g.free = make(chan struct{})
		for stop := range g.behind {
			(*stop)(errGaveWay)
		}
	}
	return g.leave
}

func (g *Gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ahead--; g.ahead == 0 {
		close(g.free)
		g.free = nil
	}
}

// Do runs f in a gap. f must return soon after its ctx ends, and may be called
// again then; name is that of runs which take about as long.
func (g *Gate) Do(ctx context.Context, name string, f func(ctx context.Context) error) error {
	begin := time.Now()
	patience, cancel := context.WithTimeout(ctx, g.patience(name))
	defer cancel()
	for g.pause(patience) {
		if gaveWay, err := g.breakable(ctx, name, f); !gaveWay {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	g.note(func() { g.waited += time.Since(begin) })
	return g.timed(ctx, name, f)
}

func (g *Gate) note(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f()
}

func (g *Gate) patience(name string) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return min(max(gapsFor*g.pace[name], leastPatience), mostPatience)
}

// pause waits for a gap; false when there was none in time.
func (g *Gate) pause(ctx context.Context) bool {
	for ctx.Err() == nil {
		g.mu.Lock()
		free := g.free
		g.mu.Unlock()
		if free == nil {
			return true
		}
		select {
		case <-free:
		case <-ctx.Done():
		}
	}
	return false
}

// breakable is a run that gives way.
func (g *Gate) breakable(ctx context.Context, name string, f func(ctx context.Context) error) (gaveWay bool, err error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	g.note(func() {
		if g.behind == nil {
			g.behind = map[*context.CancelCauseFunc]struct{}{}
		}
		if g.behind[&stop] = struct{}{}; g.ahead > 0 { // since pause looked
			stop(errGaveWay)
		}
	})
	defer g.note(func() { delete(g.behind, &stop) })
	err = g.timed(ctx, name, f)
	if gaveWay = err != nil && context.Cause(ctx) == errGaveWay; gaveWay { //nolint:errorlint // the cause is that very value
		g.note(func() { g.broken++ })
	}
	return gaveWay, err
}

// timed is one run. Graphs are few, and so are names.
func (g *Gate) timed(ctx context.Context, name string, f func(ctx context.Context) error) error {
	begin := time.Now()
	err := f(ctx)
	g.note(func() {
		if g.pace == nil {
			g.pace, g.runs = map[string]time.Duration{}, map[string]uint64{}
		}
		if err == nil {
			g.pace[name] = time.Since(begin)
			g.runs[name]++
		}
	})
	return err
}

// GateStats count what went on behind a Gate.
type GateStats struct {
	Runs    map[string]uint64 // that came to their end, by graph
	GaveWay uint64            // that were broken off and done again
	Waited  time.Duration     // of runs that went on although there was no gap
}

// Stats are those since the Gate was made.
func (g *Gate) Stats() GateStats {
	g.mu.Lock()
	defer g.mu.Unlock()
	return GateStats{Runs: maps.Clone(g.runs), GaveWay: g.broken, Waited: g.waited}
}

// Behind is rt for models whose runs are to stay behind. Closing it does nothing:
// it shares rt with those ahead.
func (g *Gate) Behind(rt encoder.Runtime) encoder.Runtime { return behind{rt, g} }

type behind struct {
	encoder.Runtime
	gate *Gate
}

// Load implements encoder.Runtime.
func (b behind) Load(ctx context.Context, path string) (encoder.Session, error) {
	s, err := b.Runtime.Load(ctx, path)
	if err != nil {
		return nil, err
	}
	return session{s, b.gate, strings.TrimSuffix(filepath.Base(path), ".onnx")}, nil
}

// Close implements encoder.Runtime.
func (behind) Close() error { return nil }

type session struct {
	encoder.Session
	gate  *Gate
	graph string
}

// Run implements encoder.Session.
func (s session) Run(ctx context.Context, inputs ...encoder.Tensor) (out []encoder.Tensor, err error) {
	err = s.gate.Do(ctx, s.graph, func(ctx context.Context) error {
		out, err = s.Session.Run(ctx, inputs...)
		return err
	})
	return out, err
}
