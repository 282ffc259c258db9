package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// unhurried is the deadline of requests that are to be read whole: the longest
// that the API takes.
const unhurried = 30 * time.Second

// with starts a server, has it answer some requests, so that it knows its pace,
// and stops it afterwards.
func (b *bench) with(ctx context.Context, program string, slots int, use func(*server, *client) error) (err error) {
	s, err := b.serve(ctx, program, slots)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	c := newClient(s.url)
	defer c.close()
	for range 5 {
		q := query{text: b.words.next(), depth: b.depth, deadline: unhurried}
		if got := c.ask(ctx, q); got.status != 200 {
			return fmt.Errorf("a first search: status %d", got.status)
		}
	}
	return use(s, c)
}

// clientCounts of closed loops. capacityAt is the one whose rate open loops are
// measured against: enough to keep the device busy.
func clientCounts() []int { return []int{1, 4, 16} }

const capacityAt = 4

func (b *bench) closedLoops(ctx context.Context) error {
	return b.with(ctx, b.searchd, b.slots, func(s *server, c *client) error {
		for _, clients := range clientCounts() {
			for _, one := range []bool{false, true} {
				row, err := b.closedLoop(ctx, s, c, clients, one)
				if err != nil {
					return err
				}
				b.r.Closed = append(b.r.Closed, row)
				if clients == capacityAt && !one {
					b.capacity = row.PerSecond
				}
				fmt.Fprintf(b.log, "  %d clients, one text %v: %.1f requests/s, p50 %.0f ms, p99 %.0f ms\n", clients, one, row.PerSecond, row.P50, row.P99)
			}
		}
		return nil
	})
}

func (b *bench) closedLoop(ctx context.Context, s *server, c *client, clients int, one bool) (closedRow, error) {
	row := closedRow{Clients: clients, OneText: one}
	before, err := s.cpu()
	if err != nil {
		return row, err
	}
	text, begin := b.words.next(), time.Now()
	all := closedLoop(ctx, clients, func(int) bool { return time.Since(begin) < b.closed }, func(ctx context.Context, _ int) shot {
		q := query{text: text, depth: b.depth, deadline: unhurried}
		if !one {
			q.text = b.words.next()
		}
		return c.ask(ctx, q)
	})
	row.Seconds = time.Since(begin).Seconds()
	after, err := s.cpu()
	if err != nil {
		return row, err
	}
	row.CPU, row.summary = after-before, summarise(all)
	row.PerSecond = float64(row.Statuses[200]) / row.Seconds
	return row, ctx.Err()
}
