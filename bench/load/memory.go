package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Of the requests that memory is watched over: the depth at most, which is low
// so that there are many of them, the clients, and one in so many is by picture.
const (
	memoryDepth   = 16
	memoryClients = 4
	pictureEvery  = 10
	samplesTaken  = 100
)

// memory watches searchd's over many requests of changing length.
func (b *bench) memory(ctx context.Context) error {
	return b.with(ctx, b.searchd, b.slots, func(s *server, c *client) error {
		row := &memoryRow{Requests: b.requests, Depth: min(memoryDepth, b.depth), Start: s.start.Seconds()}
		pid := s.cmd.Process.Pid
		now, err := memoryOf(pid)
		if err != nil {
			return err
		}
		row.Ready = now.all
		if got := c.ask(ctx, query{image: b.ids[0], depth: row.Depth, deadline: unhurried}); !got.whole() && got.stopped != "missing" {
			return fmt.Errorf("a search by picture: status %d, %d of %d read, stopped %q", got.status, got.scored, got.of, got.stopped)
		}
		if now, err = memoryOf(pid); err != nil {
			return err
		}
		row.Titles = now.all
		if err := b.wear(ctx, c, pid, row); err != nil {
			return err
		}
		row.settle()
		b.r.Memory = row
		fmt.Fprintf(b.log, "  ready after %.1f s with %d MB, %d after a search by picture; %d requests in %.0f s: %d to %d MB, %+.2f MB per 10,000\n",
			row.Start, row.Ready>>20, row.Titles>>20, row.Requests, row.Seconds, row.Begin>>20, row.End>>20, row.Slope/(1<<20))
		return nil
	})
}

// wear asks, and takes samples.
func (b *bench) wear(ctx context.Context, c *client, pid int, row *memoryRow) error {
	every := max(1, b.requests/samplesTaken)
	var mu sync.Mutex
	var failed error
	begin := time.Now()
	all := closedLoop(ctx, memoryClients, func(n int) bool { return n < b.requests }, func(ctx context.Context, n int) shot {
		if n%every == 0 {
			now, err := memoryOf(pid)
			mu.Lock()
			row.Samples = append(row.Samples, sample{n, now.all})
			if err != nil {
				failed = err
			}
			mu.Unlock()
		}
		if n%max(1, b.requests/10) == 0 {
			fmt.Fprintf(b.log, "  %d of %d requests\n", n, b.requests)
		}
		q := query{depth: row.Depth, deadline: unhurried}
		if n%pictureEvery == 0 {
			q.image = b.ids[n/pictureEvery%len(b.ids)]
		} else {
			q.text = b.words.next()
		}
		return c.ask(ctx, q)
	})
	row.Seconds, row.Pictures = time.Since(begin).Seconds(), (b.requests+pictureEvery-1)/pictureEvery
	if s := summarise(all); failed == nil && ctx.Err() == nil && s.Statuses[200] != b.requests {
		return fmt.Errorf("%d of %d requests were answered: statuses %v", s.Statuses[200], b.requests, s.Statuses)
	}
	if failed != nil {
		return failed
	}
	return ctx.Err()
}

// settle works out the slope from a tenth of the requests on: until then memory
// grows to what the largest shapes need.
func (m *memoryRow) settle() {
	var n, sx, sy, sxx, sxy float64
	for _, s := range m.Samples {
		if s.Requests < m.Requests/10 {
			continue
		}
		if m.Begin == 0 {
			m.Begin = s.RSS
		}
		m.End = s.RSS
		x, y := float64(s.Requests), float64(s.RSS)
		n, sx, sy, sxx, sxy = n+1, sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	if d := n*sxx - sx*sx; d > 0 {
		m.Slope = 10_000 * (n*sxy - sx*sy) / d
	}
}
