package main

import (
	"fmt"
	"strings"

	"sightline/bench/report"
)

// overloadSection is the section of a run of the part overload.
func overloadSection(r *results, from string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "### Measured: %s\n\n", about(r.Model))
	fmt.Fprintf(&b, "`make bench-%s`, %s, %s; commit %s, %s.\n", r.name(), r.Date.Format("2006-01-02 15:04 MST"), r.Machine, r.Commit, source(from))
	for _, what := range r.Missing {
		fmt.Fprintf(&b, "\nNot measured: %s.\n", strings.TrimRight(what, "."))
	}
	fmt.Fprintf(&b, "\nTwo searchd with default settings (`--cache none`) took turns with their clients on one machine%s. %d pictures, requests that come by chance, each with a text of its own and %d candidates to be read;\nload 1 is %s a second, what %d clients get with everything read. Latency is the client's, in ms. *In time*: answered 200 at most %d ms after the deadline, of all requests. Times, *not read* and depth are of those\nthat were answered. nDCG@10 and R@1 are of **all** requests, one without an answer in time counting nothing; they follow from the depths that were reached, by [the table of depths](rerank.md#what-few-pairs-are-worth).\n\n",
		beside(r), r.Pictures, r.Depth, report.Digits(r.Capacity), capacityAt, spare)
	b.WriteString(overloadTable(r.Overload) + lightTable(r.Overload))
	return b.String()
}

func beside(r *results) string {
	if r.Other == "" {
		return ""
	}
	return ", *before* of commit " + r.Other
}

func overloadTable(all []overloadRow) string {
	rows := [][]string{{"deadline", "load", "", "in time", "refused", "not read", "mean depth", "p50", "p99", "nDCG@10", "R@1", "refusals, p99"}}
	for _, o := range all {
		rows = append(rows, []string{
			report.Digits(o.Deadline), report.Digits(o.Load), o.which(), percent(o.InTime), percent(o.refused()), percent(o.None), report.Digits(o.MeanDepth),
			report.Digits(o.P50), report.Digits(o.P99), worth(o.NDCG), worth(o.Recall), refusals(o),
		})
	}
	return report.Table(rows)
}

func worth(x float64) string {
	if x == 0 {
		return ""
	}
	return fmt.Sprintf("%.3f", x)
}

func refusals(o overloadRow) string {
	if o.refused() == 0 {
		return ""
	}
	return report.Digits(o.RefusedP99) + " ms"
}

// lightTable shows one client with a tenth of the requests beside one with seven.
func lightTable(all []overloadRow) string {
	rows := [][]string{{"deadline", "load", "", "client's share of the requests", "refused", "not read", "mean depth", "p99"}}
	for _, o := range all {
		if o.Before || o.Load < 2 {
			continue
		}
		for _, c := range o.Clients[:2] {
			of := overloadRow{openRow: openRow{summary: c.summary}}
			rows = append(rows, []string{report.Digits(o.Deadline), report.Digits(o.Load), o.which(), percent(c.Share), percent(of.refused()), percent(c.None), report.Digits(c.MeanDepth), report.Digits(c.P99)})
		}
	}
	if len(rows) == 1 {
		return ""
	}
	return "\nA client that asks a little beside one that asks much:\n\n" + report.Table(rows)
}
