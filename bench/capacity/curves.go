package main

import (
	"fmt"
	"math"
	"strings"

	"sightline/bench/capacity/sim"
	"sightline/bench/report"
)

// Simulations run for so many seconds of their own time.
const simulated = 100

func percent(x float64) string { return report.Digits(100*x) + " %" }

// outcome are the columns of a simulation.
func outcome(r sim.Result) []string {
	return []string{report.Digits(r.P50), report.Digits(r.P95), report.Digits(r.P99), percent(r.Whole), percent(r.Partly), percent(r.None), report.Digits(r.MeanDepth), percent(r.Refused)}
}

func outcomeHead(first ...string) []string {
	return append(first, "p50", "p95", "p99", "read whole", "in part", "not", "mean depth", "429")
}

// checked is the table of measured beside simulated.
func (b *book) checked() string {
	rows := [][]string{outcomeHead("deadline", "load", "`--max-searches`", "")}
	worst := map[float64]float64{}
	for _, o := range b.measured.Open {
		got := b.measured.Simulate(o, b.costs, 1)
		slots := fmt.Sprint(o.Slots)
		if o.Slots == 0 {
			slots = fmt.Sprintf("%d (default)", 16*b.costs.Cores)
		}
		rows = append(rows, append([]string{report.Digits(o.Deadline), report.Digits(o.Load), slots, "measured"}, outcome(o.Result)...))
		rows = append(rows, append([]string{"", "", "", "simulated"}, outcome(got)...))
		worst[o.Deadline] = max(worst[o.Deadline], math.Abs(got.P95/o.P95-1))
	}
	var text strings.Builder
	text.WriteString("### Simulated beside measured\n\nThe demo model on the machine of `bench/load`, 50 candidates, the very arrivals of the measurement. The simulation knows two closed loops of that run and none of its open ones. Both have the rules until 2026-11-27, by which `--max-searches` bore overload. Times in ms.\n\n" + report.Table(rows))
	for _, d := range []float64{300, 1000} {
		if w, ok := worst[d]; ok {
			fmt.Fprintf(&text, "\nLargest error of p95 at the deadline of %s ms: %s.", report.Digits(d), percent(w))
		}
	}
	return text.String() + "\n"
}

// sensitivity shows what a machine that is a little slower would have measured.
func (b *book) sensitivity() string {
	rows := [][]string{outcomeHead("deadline", "load", "service times")}
	for _, o := range b.measured.Open {
		if o.Deadline != 1000 || o.Slots == 0 {
			continue
		}
		for _, slower := range []float64{1, 1.05, 1.1, 1.2} {
			got := b.measured.Simulate(o, times(b.costs, slower), 1)
			rows = append(rows, append([]string{report.Digits(o.Deadline), report.Digits(o.Load), "× " + report.Digits(slower)}, outcome(got)...))
		}
		rows = append(rows, append([]string{report.Digits(o.Deadline), report.Digits(o.Load), "measured"}, outcome(o.Result)...))
	}
	return "### How much a slower machine moves the rows of 1 s\n\n" + report.Table(rows) + b.scattering()
}

// scattering shows what runs of less even times would have measured.
func (b *book) scattering() string {
	rows := [][]string{outcomeHead("deadline", "load", "runs scatter by")}
	for _, o := range b.measured.Open {
		if o.Load != 2 || o.Slots == 0 {
			continue
		}
		for _, share := range []float64{scatter, 0.3, 0.5} {
			c := b.costs
			c.Scatter = share
			rows = append(rows, append([]string{report.Digits(o.Deadline), report.Digits(o.Load), percent(share)}, outcome(b.measured.Simulate(o, c, 1))...))
		}
		rows = append(rows, append([]string{report.Digits(o.Deadline), report.Digits(o.Load), "measured"}, outcome(o.Result)...))
	}
	return "\n### How much uneven runs move twice the load\n\n" + report.Table(rows)
}

// times slows a machine down.
func times(c sim.Costs, by float64) sim.Costs {
	c.Front, c.Run, c.Pair, c.Token = by*c.Front, by*c.Run, by*c.Pair, by*c.Token
	return c
}

func loads() []float64 { return []float64{0.25, 0.5, 0.6, 0.75, 0.9, 1, 1.25, 1.5, 2, 3} }

// curve simulates the measured machine at all loads, once for each deadline.
func (b *book) curve(deadline float64) []sim.Result {
	if all, ok := b.known[deadline]; ok {
		return all
	}
	var all []sim.Result
	for _, load := range loads() {
		all = append(all, sim.Run(sim.Config{Costs: b.costs, Rate: load * b.costs.Capacity(50, 16, 8), Seconds: simulated, Seed: 1, Depth: 50, Deadline: deadline}))
	}
	b.known[deadline] = all
	return all
}

// deadlines of the curves, in seconds.
func deadlines() []float64 { return []float64{0.3, 1} }

func (b *book) curves() string {
	rows := [][]string{outcomeHead("deadline", "load")}
	for _, d := range deadlines() {
		for i, r := range b.curve(d) {
			rows = append(rows, append([]string{report.Digits(1000 * d), report.Digits(loads()[i])}, outcome(r)...))
		}
	}
	return fmt.Sprintf("### Every load (simulated)\n\nThe same machine by today's rules; load 1 is %s requests a second. %d s each.\n\n![Latency and depth against load](images/load.svg)\n\n%s",
		report.Digits(b.costs.Capacity(50, 16, 8)), simulated, report.Table(rows))
}

// base is BLIP-base int8 on 2 cores.
func (b *book) base() sim.Costs {
	c, f := b.costs, b.figures
	c.Front += f.Text8.Value / 1e3
	c.Token = f.Pair8.Value / 1e3 / 8
	return c
}

// robin is k machines, each with the same load.
func (b *book) robin() string {
	c := b.base()
	rows := [][]string{outcomeHead("machines of 2 cores", "load", "searches/s")}
	for _, load := range []float64{0.6, 0.9} {
		for _, k := range []int{1, 2, 4, 16} {
			rate := load * float64(k) * c.Capacity(50, 16, 8)
			r := sim.Run(sim.Config{Costs: c, Rate: rate, Seconds: 20 * simulated / float64(k), Seed: 1, Depth: 50, Deadline: 1, Machines: k})
			rows = append(rows, append([]string{fmt.Sprint(k), report.Digits(load), report.Digits(rate)}, outcome(r)...))
		}
	}
	return "### Several machines in turn (simulated, not measured)\n\nBLIP-base int8, 50 candidates, deadline 1 s, requests of 5 to 11 tokens dealt out one after the other.\n\n" + report.Table(rows)
}

// card is an H100: two runs at a time. A run's time is a line through those of 32
// and 128 pairs; below 32 it is that line's continuation.
func (b *book) card() sim.Costs {
	f := b.figures
	run := func(pairs float64, perSecond figure) float64 { return 2 * pairs / perSecond.Value }
	small, large := run(32, f.GPUPairs32), run(128, f.GPUPairs128)
	pair := (large - small) / 96
	return sim.Costs{Cores: 16, Front: b.demo.front / 16, Run: small - 32*pair + f.GPUText.Value/1e3/4, Pair: pair, Workers: 2, Scatter: 0.5, Own: true}
}

func (b *book) cards() string {
	c := b.card()
	rows := [][]string{outcomeHead("pairs a run", "searches/s at most", "searches/s")}
	for _, batch := range []int{16, 32, 128} {
		most := c.Capacity(128, batch, 8)
		for _, rate := range []float64{10, 25, 50, 100} {
			r := sim.Run(sim.Config{Costs: c, Rate: rate, Seconds: simulated, Seed: 1, Depth: 128, Deadline: 1, Batch: batch, Queue: 75})
			rows = append(rows, append([]string{fmt.Sprint(batch), report.Digits(most), report.Digits(rate)}, outcome(r)...))
		}
	}
	return fmt.Sprintf("### A card (simulated, not measured)\n\nH100, BLIP-base fp16, 128 candidates, deadline 1 s, two runs at a time. A run takes %s ms + %s ms a pair, by the runs of 32 and of 128 pairs of [gpu.md](gpu.md), scattered by half; 16 pairs were not measured. searchd's sub-batch is 16.\n\n%s",
		report.Digits(1e3*c.Run), report.Digits(1e3*c.Pair), report.Table(rows))
}

// depths is what one can afford.
func (b *book) depths() string {
	rows := [][]string{{"searches/s", "asked 25: depth, p95", "asked 50: depth, p95", "asked 100: depth, p95", "asked 200: depth, p95"}}
	for _, rate := range []float64{0.5, 1, 2, 4, 8, 16} {
		row := []string{report.Digits(rate)}
		for _, depth := range []int{25, 50, 100, 200} {
			r := sim.Run(sim.Config{Costs: b.base(), Rate: rate, Seconds: 8 * simulated, Seed: 1, Depth: depth, Deadline: 1})
			row = append(row, fmt.Sprintf("%s, %s ms", report.Digits(r.MeanDepth), report.Digits(r.P95)))
		}
		rows = append(rows, row)
	}
	return "### What depth 2 cores can afford (simulated, not measured)\n\nBLIP-base int8, deadline 1 s: mean depth, and the time within which 95 % are answered. For a machine of *n* cores take *n* / 2 times the rate.\n\n" + report.Table(rows)
}
