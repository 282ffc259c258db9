package main

import (
	"fmt"

	"sightline/bench/capacity/sim"
	"sightline/bench/report"
)

// policy is one way to bear more than a machine can do.
type policy struct {
	name  string
	rules sim.Rules
}

// policies build on each other, but for the third, which was tried and dropped.
func policies() []policy {
	return []policy{
		{"before", sim.Before()},
		{"1: the first stage refuses", sim.Rules{Late: true, Deaf: true}},
		{"1 + first sub-batches first", sim.Rules{Late: true, Deaf: true, First: true}},
		{"1 + 2: a share that falls evenly", sim.Rules{Deaf: true}},
		{"**1 + 2 + 3: now**", sim.Rules{}},
	}
}

// site is a machine with its model.
type site struct {
	name         string
	costs        sim.Costs
	queue, depth int
}

// overload compares policies on the measured machine, and the first with the last
// on others.
func (b *book) overload() string {
	demo := site{"demo model", b.costs, 512, 50}
	rows := [][]string{overloadHead("load", "rules")}
	for _, load := range []float64{1, 2, 3, 4, 6, 8} {
		for _, p := range policies() {
			rows = append(rows, append([]string{report.Digits(load), p.name}, worth(b.at(demo, load, p.rules))...))
		}
	}
	others := [][]string{overloadHead("machine", "load", "rules")}
	for _, s := range []site{{"2 cores, BLIP-base int8", b.base(), 64, 50}, {"H100, BLIP-base fp16, 128 candidates", b.card(), 75, 128}} {
		for _, load := range []float64{0.6, 1, 2, 4, 8} {
			for _, p := range []policy{{"before", sim.Before()}, {"**now**", sim.Rules{}}} {
				others = append(others, append([]string{s.name, report.Digits(load), p.name}, worth(b.at(s, load, p.rules))...))
			}
		}
	}
	return fmt.Sprintf("### At overload (simulated)\n\nThe demo model on 2 cores, 50 candidates, deadline 1 s, by the rules of [at overload](#at-overload); load 1 is %s requests a second, and the first stage alone can do %s, load %s. nDCG@10 and R@1 are of all requests, those without an answer in time counting nothing.\n\n%s\nOther machines, with the places that their patch states leave in the scheduler, and the demo model's quality at the depths reached:\n\n%s",
		report.Digits(b.costs.Capacity(50, 16, 8)), report.Digits(1/b.costs.Front), report.Digits(1/b.costs.Front/b.costs.Capacity(50, 16, 8)), report.Table(rows), report.Table(others))
}

func (b *book) at(s site, load float64, rules sim.Rules) sim.Result {
	return sim.Run(sim.Config{Costs: s.costs, Rate: load * s.costs.Capacity(s.depth, 16, 8), Seconds: simulated, Seed: 1, Depth: s.depth, Deadline: 1, Queue: s.queue, Rules: rules})
}

func overloadHead(first ...string) []string {
	return append(first, "in time", "refused", "not read", "mean depth", "p50", "p99", "nDCG@10", "R@1")
}

func worth(r sim.Result) []string {
	return []string{percent(r.InTime), percent(r.Refused), percent(r.None), report.Digits(r.MeanDepth), report.Digits(r.P50), report.Digits(r.P99), fmt.Sprintf("%.3f", r.NDCG), fmt.Sprintf("%.3f", r.Recall)}
}
