package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"sightline/bench/capacity/sim"
)

// overloadRow is an open loop against one of two programs.
type overloadRow struct {
	Before bool `json:"before,omitempty"` // -before, not -searchd
	openRow

	Depths map[int]int `json:"depths"` // answers in time by the candidates read
	// Of all requests, those that were answered before their deadlines, and what the
	// answers were worth: nDCG@10 and R@1 of the demo model at their depths, 0 for a
	// request without an answer in time. 0 with other models and depths.
	InTime float64 `json:"in_time"`
	NDCG   float64 `json:"ndcg,omitempty"`
	Recall float64 `json:"recall_1,omitempty"`
	// RefusedP99 is the time in which 99 of 100 refusals came, in ms.
	RefusedP99 float64 `json:"refused_p99_ms"`
}

// overload has the two programs take turns in each row, so that a machine that is
// slower for a while is so for both.
func (b *bench) overload(ctx context.Context) error {
	if err := b.needCapacity(ctx); err != nil {
		return err
	}
	if b.r.Capacity = b.capacity; b.before == "" {
		b.missing("the rules before", "give -before a searchd of another commit")
	}
	for _, deadline := range b.deadlines {
		for _, load := range b.loads {
			for _, program := range []string{b.before, b.searchd} {
				if program == "" {
					continue
				}
				row := overloadRow{Before: program != b.searchd, openRow: openRow{Load: load, Rate: load * b.capacity, Deadline: ms(deadline), Seconds: b.duration.Seconds()}}
				if err := b.overloadLoop(ctx, program, deadline, row); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (b *bench) overloadLoop(ctx context.Context, program string, deadline time.Duration, row overloadRow) error {
	return b.with(ctx, program, 0, func(_ *server, c *client) error {
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
		row.rate(got.all, b.r.Model == "demo" && b.depth == 50)
		b.r.Overload = append(b.r.Overload, row)
		fmt.Fprintf(b.log, "  %.1f × %.1f requests/s, deadline %v, %s: in time %.1f %%, p50 %.0f, p99 %.0f ms; depth %.1f; not read %.1f %%; nDCG %.3f; statuses %v\n",
			row.Load, b.capacity, deadline, row.which(), 100*row.InTime, row.P50, row.P99, row.MeanDepth, 100*row.None, row.NDCG, row.Statuses)
		return ctx.Err()
	})
}

func (o *overloadRow) which() string {
	if o.Before {
		return "before"
	}
	return "now"
}

// late is how much after its deadline an answer may come and count as one in time:
// what a loaded machine takes to hand it over.
const late = spare * time.Millisecond

// rate fills in what the answers were worth; known says that their quality is.
func (o *overloadRow) rate(all []shot, known bool) {
	o.Depths = map[int]int{}
	var refused []time.Duration
	for _, s := range all {
		if s.status == 429 || s.status == 503 {
			refused = append(refused, s.took)
		}
		if s.status != 200 || s.took > time.Duration(o.Deadline)*time.Millisecond+late {
			continue
		}
		o.Depths[s.scored]++
	}
	for depth, n := range o.Depths {
		ndcg, recall := sim.Quality(depth)
		part := float64(n) / float64(len(all))
		if o.InTime += part; known {
			o.NDCG, o.Recall = o.NDCG+part*ndcg, o.Recall+part*recall
		}
	}
	if slices.Sort(refused); len(refused) > 0 {
		o.RefusedP99 = ms(refused[(len(refused)-1)*99/100])
	}
}

// refused is the share of requests that were answered 429 or 503.
func (o *overloadRow) refused() float64 {
	return float64(o.Statuses[429]+o.Statuses[503]) / float64(cmp.Or(o.Requests, 1))
}
