package main

import (
	"fmt"
	"strings"

	"sightline/bench/report"
)

// closed is requests a second of clients that ask again when they are answered.
func (b *book) closed(clients int, oneText bool) float64 {
	for _, c := range b.load.Closed {
		if c.Clients == clients && c.OneText == oneText {
			return c.PerSecond
		}
	}
	b.lacks("closed loop of %d clients", clients)
	return 0
}

// overload is what came of twice the capacity within a deadline.
func (b *book) overload(deadline float64) string {
	for _, o := range b.load.Open {
		if o.Load == 2 && o.Deadline == deadline {
			return fmt.Sprintf("deadline %.0f ms: p99 %s ms, %s of 50 candidates read", deadline, report.Digits(o.P99), report.Digits(o.Depth))
		}
	}
	b.lacks("open loop at twice the capacity with a deadline of %g ms", deadline)
	return ""
}

func (b *book) broken() string {
	var all []string
	for _, f := range b.load.Faults {
		all = append(all, fmt.Sprintf("%ss: noticed after %s s, back %s s after its end", f.Kind, report.Digits(f.Noticed), report.Digits(f.Back)))
	}
	if len(all) == 0 {
		b.lacks("broken device")
	}
	return strings.Join(all, "; ")
}

// cachedRow is that of the most answers a second.
type cachedRow struct {
	Clients        int
	PerSecond, P50 float64
}

func (b *book) cached() (best cachedRow) {
	for _, c := range b.api.Cached {
		if c.PerSecond > best.PerSecond {
			best = cachedRow{c.Clients, c.PerSecond, c.P50}
		}
	}
	if best.Clients == 0 {
		b.lacks("cached answers")
	}
	return best
}

func (b *book) soaked() string {
	var grown []string
	for _, t := range b.soak.Trends {
		if t.Growth > t.Limit {
			grown = append(grown, t.Name)
		}
	}
	said := "nothing beyond its limit"
	if len(grown) > 0 {
		said = "**" + strings.Join(grown, ", ") + " beyond the limit**"
	}
	return fmt.Sprintf("in %.0f minutes %s; %d of %d hits wrong", b.soak.Seconds/60, said, len(b.soak.Violations), b.soak.Hits)
}

func (b *book) played() string {
	ok := 0
	for _, s := range b.rehearsal.Steps {
		if s.OK {
			ok++
		}
	}
	return fmt.Sprintf("%d of %d steps as they should be", ok, len(b.rehearsal.Steps))
}

// ofQuality has nothing before make bench-quality was run.
func (b *book) ofQuality() [][3]string {
	if len(b.quality.Runs) == 0 {
		return nil
	}
	at := func(run string, depth int) string {
		r := b.ranked(run, "text", depth)
		return fmt.Sprintf("%.3f / %.3f", r.R1, r.NDCG)
	}
	return [][3]string{
		{"How good are the demo model's searches, R@1 / nDCG@10, one vector and the second look at 10, 50, 100?", strings.Join([]string{at("fp32", 0), at("fp32", 10), at("fp32", 50), at("fp32", 100)}, ", "), b.in("quality")},
		{"… in int8, and with pooled patch states, second look at 50?", at("int8, int8 patch states", 50) + ", " + at("fp32, int8 patch states, pooled", 50), b.in("quality")},
		{"… by picture, R@1, one vector and the second look at 50?", fmt.Sprintf("%.3f, %.3f", b.ranked("fp32", "picture", 0).R1, b.ranked("fp32", "picture", 50).R1), b.in("quality")},
		{"How true are the demo's captions?", fmt.Sprintf("type, colours, pattern and size right in %s (greedy), %s (3 beams)", b.cell(b.quality.Captions, "greedy", "exact"), b.cell(b.quality.Captions, "beam 3", "exact")), b.in("quality")},
		{"What does capfilt find of planted faults?", fmt.Sprintf("precision %s, recall %s", b.faults("precision"), b.faults("recall")), b.in("quality")},
		{"How right are labels by ITM, thresholds fitted for a precision of 0.95, on other pictures?", fmt.Sprintf("precision / recall: %s; %s; %s", b.label("red, by 48 texts"), b.label("striped, by 48 texts"), b.label("striped")), b.in("labels")},
	}
}

const anyDoubt = "any doubt, of all titles and pictures that are wrong"

// faults is a figure of all flags together.
func (b *book) faults(column string) string {
	if len(b.quality.Faults) < 2 {
		b.lacks("flags")
		return "?"
	}
	return b.cell(b.quality.Faults[1], anyDoubt, column)
}
