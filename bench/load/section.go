package main

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"sightline/bench/report"
)

// about says what a model is.
func about(model string) string {
	switch model {
	case "demo":
		return "the demo model (96 px, 65 tokens of 192)"
	case "base":
		return "BLIP-base with random weights (ViT-B/16 at 384 px, 577 tokens), fp32"
	case "base-int8":
		return "BLIP-base with random weights (ViT-B/16 at 384 px, 577 tokens), int8"
	}
	return "a model of the user's"
}

// section is the whole text of one run's results.
func section(r *results, from string) string {
	if r.ofAPI() {
		return apiSection(r, from)
	}
	if r.Overload != nil {
		return overloadSection(r, from)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "## Under load: %s\n\n", about(r.Model))
	fmt.Fprintf(&b, "`make bench-%s`, %s, %s; commit %s, %s.\n", r.name(), r.Date.Format("2006-01-02 15:04 MST"), r.Machine, r.Commit, source(from))
	for _, what := range r.Missing {
		fmt.Fprintf(&b, "\nNot measured: %s.\n", strings.TrimRight(what, "."))
	}
	fmt.Fprintf(&b, "\nA searchd of its own (`--cache none --max-searches %d`) and its clients on one machine, %d pictures, REST over loopback. Every request has a text of its own of 3 to 9\nwords and wants %d candidates read; the page has 10. Latency is the client's, in ms, from when the request was due.\n",
		r.Slots, r.Pictures, r.Depth)
	b.WriteString(closedTable(r.Closed) + openTable(r.Open) + fairness(r.Open) + faultTable(r.Faults) + memoryText(r.Memory) + graphTable(r.Graphs))
	return b.String()
}

// source names the raw results as the repository does.
func source(path string) string {
	if path == "" {
		return report.Source("load", path)
	}
	return report.Source("load", filepath.Base(path))
}

func closedTable(all []closedRow) string {
	if len(all) == 0 {
		return ""
	}
	rows := [][]string{{"clients", "texts", "requests/s", "pairs/s", "p50", "p95", "p99", "searchd's processor, ms a request"}}
	for _, c := range all {
		rows = append(rows, []string{
			fmt.Sprint(c.Clients), map[bool]string{true: "all the same", false: "all different"}[c.OneText], report.Digits(c.PerSecond), report.Digits(c.PerSecond * c.MeanDepth),
			report.Digits(c.P50), report.Digits(c.P95), report.Digits(c.P99), report.Digits(1000 * c.CPU / float64(max(1, c.Requests))),
		})
	}
	return "\nClients that ask again when they are answered, deadline 30 s, so that everything is read:\n\n" + report.Table(rows) + pays(all)
}

// pays says what it brings that requests share the device.
func pays(all []closedRow) string {
	rate := func(clients int, one bool) float64 {
		for _, c := range all {
			if c.Clients == clients && c.OneText == one {
				return c.PerSecond
			}
		}
		return 0
	}
	most := slices.Max(clientCounts())
	alone, many, same := rate(1, false), rate(most, false), rate(most, true)
	if alone == 0 || many == 0 || same == 0 {
		return ""
	}
	return fmt.Sprintf("\n%d clients are answered %s× as often as one with texts of their own, which cannot share runs, and %s× with one text, which can.\n", most, report.Digits(many/alone), report.Digits(same/alone))
}

// spare is how much later than its deadline an answer may be in the 99th of a
// hundred requests.
const spare = 50

func openTable(all []openRow) string {
	if len(all) == 0 {
		return ""
	}
	rows := [][]string{{"deadline", "load", "requests/s", "p50", "p95", "p99", "read whole", "in part", "not", "mean depth", "answers other than 200"}}
	late := 0
	for _, o := range all {
		load := fmt.Sprintf("%g", o.Load)
		if o.Slots == 0 {
			load += ", searchd's own `--max-searches`"
		}
		if o.P99 > o.Deadline+spare {
			late++
		}
		rows = append(rows, []string{
			report.Digits(o.Deadline), load, report.Digits(o.Rate), report.Digits(o.P50), report.Digits(o.P95), report.Digits(o.P99),
			percent(o.Whole), percent(o.Partly), percent(o.None), report.Digits(o.MeanDepth), o.others(),
		})
	}
	verdict := fmt.Sprintf("p99 is at most the deadline + %d ms in every row.", spare)
	if late > 0 {
		verdict = fmt.Sprintf("p99 is above the deadline + %d ms in %d of %d rows.", spare, late, len(all))
	}
	return fmt.Sprintf("\nRequests that come by chance (Poisson, %g s each); load 1 is what %d clients with texts of their own get above:\n\n", all[0].Seconds, capacityAt) + report.Table(rows) + "\n" + verdict + "\n"
}

func percent(share float64) string { return report.Digits(100*share) + " %" }

// others lists the statuses but 200, as shares.
func (s summary) others() string {
	var all []string
	for _, status := range slices.Sorted(maps.Keys(s.Statuses)) {
		if status != 200 {
			name := fmt.Sprint(status)
			if status == 0 {
				name = "no answer"
			}
			all = append(all, fmt.Sprintf("%s: %s", name, percent(float64(s.Statuses[status])/float64(s.Requests))))
		}
	}
	return strings.Join(all, ", ")
}

// fairness shows the clients at the highest load.
func fairness(all []openRow) string {
	rows := [][]string{{"deadline", "client's share of the requests", "requests", "mean depth", "p95", "read whole", "not"}}
	most := 0.0
	for _, o := range all {
		most = max(most, o.Load)
	}
	for _, o := range all {
		if o.Load != most || o.Slots == 0 {
			continue
		}
		for _, c := range o.Clients {
			rows = append(rows, []string{report.Digits(o.Deadline), percent(c.Share), fmt.Sprint(c.Requests), report.Digits(c.MeanDepth), report.Digits(c.P95), percent(c.Whole), percent(c.None)})
		}
	}
	if len(rows) == 1 {
		return ""
	}
	return fmt.Sprintf("\nThe same by client, at load %g:\n\n", most) + report.Table(rows)
}

func faultTable(all []faultRow) string {
	if len(all) == 0 {
		return ""
	}
	rows := [][]string{{"the device", "noticed after", "until then: p99, not read", "from then: p50, p99, not read", "back after its end", "mean depth before / after", "out of order", "answers other than 200"}}
	for _, f := range all {
		others := strings.Trim(strings.Join([]string{f.Before.others(), f.Waiting.others(), f.During.others(), f.After.others()}, " "), " ")
		rows = append(rows, []string{
			fmt.Sprintf("%ss for %g s", f.Kind, f.Lasted), seconds(f.Noticed),
			fmt.Sprintf("%s, %s", report.Digits(f.Waiting.P99), percent(f.Waiting.None)),
			fmt.Sprintf("%s, %s, %s", report.Digits(f.During.P50), report.Digits(f.During.P99), percent(f.During.None)),
			seconds(f.Recovered), report.Digits(f.Before.MeanDepth) + " / " + report.Digits(f.After.MeanDepth), fmt.Sprint(f.Disorder), others,
		})
	}
	return fmt.Sprintf("\nA device that breaks under load %g (%s requests/s, deadline %g ms), in a searchd built with `-tags faults`: it hangs whatever its context says, or every run fails.\nNoticed: a request is answered in first-stage order without waiting. Out of order: answers without a read candidate in another order than the first stage's.\n\n",
		halfwayTo, report.Digits(all[0].Rate), all[0].Deadline) + report.Table(rows)
}

func seconds(s float64) string {
	if s < 0 {
		return "never"
	}
	return report.Digits(s) + " s"
}

func memoryText(m *memoryRow) string {
	if m == nil {
		return ""
	}
	return fmt.Sprintf("\nMemory (RSS) of searchd: %s MB when ready, %s s after its start; %s MB after the first search by picture, which loads two graphs. Over %d requests in %.0f s (depth %d, one in %d\nby picture, %d clients): %s MB after a tenth of them, %s MB at the end, a slope of %+.2f MB per 10,000 requests.\n",
		mb(m.Ready), report.Digits(m.Start), mb(m.Titles), m.Requests, m.Seconds, cmp.Or(m.Depth, memoryDepth), pictureEvery, memoryClients, mb(m.Begin), mb(m.End), m.Slope/1e6)
}

func mb(bytes int64) string { return report.Digits(float64(bytes) / 1e6) }

func graphTable(all []graphCost) string {
	if len(all) == 0 {
		return ""
	}
	rows := [][]string{{"graph", "memory of its own, MB", "mapped weights, MB", "loading, with the smallest run, ms", "a run of", "first of its shape, ms", "later, ms"}}
	for _, g := range all {
		rows = append(rows, []string{g.Graph, mb(g.Anon), mb(g.File), report.Digits(g.Load), g.Shape, report.Digits(g.First), report.Digits(g.Later)})
	}
	return "\nWhat each graph costs, alone in a process. ONNX Runtime packs the weights into memory of its own; mapped ones are shared:\n\n" + report.Table(rows)
}
