package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"sightline/bench/report"
)

// name is that of this benchmark's section, folder and make target.
const name = "quality"

// section is the whole text of one run's results.
func section(r *results, from string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## Quality of the demo model\n\n`make bench-quality`, %s, %s; commit %s, %s.\n\n", r.Date.Format("2006-01-02 15:04 MST"), r.Machine, r.Commit, report.Source(name, from))
	fmt.Fprintf(&b, "%d drawings of the test split (seed %d), whose colour combinations training never saw ([model card](model-card.md)). They say that the machinery works, and nothing of photographs.\nLatencies are of a machine that did other things too.\n", r.Pictures, r.Seed)
	for _, x := range r.Runs {
		if x.Name == r.Runs[0].Name {
			fmt.Fprintf(&b, "\n### Searches by %s\n\n%d queries, the model in fp32, patch states in fp32.\n\n%s", x.By, x.Eval.Queries, x.Eval.depths())
			b.WriteString(x.Eval.kinds() + x.Eval.swaps() + x.Eval.trust())
		}
	}
	b.WriteString(r.precisions())
	fmt.Fprintf(&b, "\n### Captions of the demo's captioner\n\nWhat %d captions said, held to what the pictures show; columns as in the [model card](model-card.md#captions).\n\n%s", r.Captured, report.Table(r.Captions))
	fmt.Fprintf(&b, "\n### Planted faults\n\n`indexd capfilt` on %d items, of which a fifth has a fault; columns as in [its page](capfilt.md#measured).\n", r.Faulty)
	for _, t := range r.Faults {
		b.WriteString("\n" + report.Table(t))
	}
	return b.String()
}

func three(x float64) string { return fmt.Sprintf("%.3f", x) }

func (r rating) depths() string {
	rows := [][]string{{"second look at", "R@1", "R@5", "R@10", "MRR", "nDCG@10", "mAP@100", "p50 ms", "p95 ms"}}
	for _, x := range r.Rows {
		depth := fmt.Sprint(x.Depth)
		if x.Depth == 0 {
			depth = "none (ITC)"
		}
		rows = append(rows, []string{depth, three(x.R1), three(x.R5), three(x.R10), three(x.MRR), three(x.NDCG), three(x.MAP), report.Digits(x.P50), report.Digits(x.P95)})
	}
	return report.Table(rows)
}

func (r rating) kinds() string {
	none, deep := r.at(0), r.at(50)
	if len(deep.ByKind) == 0 {
		return ""
	}
	rows := [][]string{{"queries", "ITC: R@1 / nDCG@10", "read again at 50"}}
	for _, kind := range slices.Sorted(maps.Keys(deep.ByKind)) {
		rows = append(rows, []string{kind, three(none.ByKind[kind].R1) + " / " + three(none.ByKind[kind].NDCG), three(deep.ByKind[kind].R1) + " / " + three(deep.ByKind[kind].NDCG)})
	}
	return "\n" + report.Table(rows)
}

func (r rating) swaps() string {
	if len(r.Swaps) == 0 {
		return ""
	}
	rows := [][]string{{"true text above the one with two things exchanged", "pairs", "ITC", "read again"}}
	for _, s := range r.Swaps {
		rows = append(rows, []string{s.Kind, fmt.Sprint(s.Pairs), three(s.ITC), three(s.ITM)})
	}
	return "\n" + report.Table(rows)
}

func (r rating) trust() string {
	if r.Reliability == nil || r.Reliability.Pairs == 0 {
		return ""
	}
	return fmt.Sprintf("\nMatch probabilities of %d candidates: Brier score %.4f, expected calibration error %.3f.\n", r.Reliability.Pairs, r.Reliability.Brier, r.Reliability.ECE)
}

// precisions sets the other ways of keeping pictures beside the first.
func (r *results) precisions() string {
	rows := [][]string{{"searches by text, second look at 50", "bytes a picture", "ITC: R@1 / nDCG@10", "R@1", "MRR", "nDCG@10"}}
	for _, x := range r.Runs {
		if none, deep := x.Eval.at(0), x.Eval.at(50); x.By == "text" {
			rows = append(rows, []string{x.Name, fmt.Sprint(x.Bytes / int64(r.Pictures)), three(none.R1) + " / " + three(none.NDCG), three(deep.R1), three(deep.MRR), three(deep.NDCG)})
		}
	}
	return "\n### int8 and pooled patch states\n\n" + report.Table(rows)
}
