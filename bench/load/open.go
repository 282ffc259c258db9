package main

import (
	"context"
	"fmt"
	"time"
)

// openLoops measures each deadline at each load, and the highest load once more
// with searchd's own --max-searches.
func (b *bench) openLoops(ctx context.Context) error {
	if err := b.needCapacity(ctx); err != nil {
		return err
	}
	for _, deadline := range b.deadlines {
		for _, load := range b.loads {
			if err := b.openLoop(ctx, load, deadline, b.slots); err != nil {
				return err
			}
		}
		if err := b.openLoop(ctx, b.loads[len(b.loads)-1], deadline, 0); err != nil {
			return err
		}
	}
	return nil
}

// needCapacity measures it where the closed loops were left out.
func (b *bench) needCapacity(ctx context.Context) error {
	if b.capacity > 0 {
		return nil
	}
	return b.with(ctx, b.searchd, b.slots, func(s *server, c *client) error {
		row, err := b.closedLoop(ctx, s, c, capacityAt, false)
		if b.capacity = row.PerSecond; err == nil && b.capacity == 0 {
			err = fmt.Errorf("nothing was answered in %v: give -closed more", b.closed)
		}
		return err
	})
}

// openLoop runs in a server of its own, so that none inherits a queue. slots 0
// leaves --max-searches to searchd.
func (b *bench) openLoop(ctx context.Context, load float64, deadline time.Duration, slots int) error {
	return b.with(ctx, b.searchd, slots, func(_ *server, c *client) error {
		row := openRow{Load: load, Rate: load * b.capacity, Deadline: ms(deadline), Slots: slots, Seconds: b.duration.Seconds()}
		var got shots
		ending, cancel := context.WithTimeout(ctx, b.duration)
		defer cancel()
		openLoop(ending, row.Rate, &got, func() shot {
			return c.ask(ctx, query{text: b.words.next(), depth: b.depth, deadline: deadline})
		})
		row.summary = summarise(got.all)
		for i, share := range shares() {
			row.Clients = append(row.Clients, clientShare{share, summarise(of(got.all, func(s shot) bool { return s.client == i }))})
		}
		b.r.Open = append(b.r.Open, row)
		fmt.Fprintf(b.log, "  %.1f × %.1f requests/s, deadline %v: p50 %.0f, p95 %.0f, p99 %.0f ms; depth %.1f; whole %.0f %%, partly %.0f %%, not %.0f %%; statuses %v\n",
			load, b.capacity, deadline, row.P50, row.P95, row.P99, row.MeanDepth, 100*row.Whole, 100*row.Partly, 100*row.None, row.Statuses)
		return ctx.Err()
	})
}

// of are the shots that are meant.
func of(all []shot, which func(shot) bool) []shot {
	var some []shot
	for _, s := range all {
		if which(s) {
			some = append(some, s)
		}
	}
	return some
}
