package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"sightline/bench/harness"
	"sightline/bench/report"
)

// name of the section and the command.
const name = "soak"

type results struct {
	Date        time.Time        `json:"date"`
	Commit      string           `json:"commit"`
	Machine     report.Machine   `json:"machine"`
	Items       int              `json:"items"`
	Rate        float64          `json:"searches_per_second"`
	Duration    float64          `json:"duration_seconds"`
	Faults      []fault          `json:"faults"`
	Phases      []harness.Phase  `json:"phases"`
	Uploads     int64            `json:"uploads"`
	Patches     int64            `json:"patches"`
	Deletes     int64            `json:"deletes"`
	Repeats     int64            `json:"tries_repeated"`
	Webhooks    int              `json:"webhooks"`
	Broken      int              `json:"broken_pictures_refused"`
	Checked     int              `json:"hits_checked"`
	Compared    int              `json:"items_compared_after_kills"`
	Left        int              `json:"items_at_end"`
	Violations  []string         `json:"violations"`
	Differences []string         `json:"differences_at_end"`
	Jobs        map[string]int   `json:"jobs"`
	Trends      []harness.Trend  `json:"trends"`
	Samples     []harness.Sample `json:"samples"`
}

type fault struct {
	Name    string  `json:"name"`
	At      float64 `json:"at"`
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error,omitempty"`
}

// trends are of the second half without its first fifth, in which memory settles
// after the faults. Limits are a tenth of the mean, or what single requests make
// differences of.
func (r *results) trends() {
	var late []harness.Sample
	for _, s := range r.Samples {
		if s.At > 0.6*r.Duration {
			late = append(late, s)
		}
	}
	var collected []harness.Sample
	for _, s := range late {
		if s.Live > 0 {
			collected = append(collected, s)
		}
	}
	r.Trends = []harness.Trend{
		harness.TrendOf("memory (RSS), MB", late, func(s harness.Sample) float64 { return s.RSS / 1e6 }, 0.1, 32),
		harness.TrendOf("of this Go's heap with garbage, MB", late, func(s harness.Sample) float64 { return s.Heap / 1e6 }, 0.1, 32),
		harness.TrendOf("of this Go's heap after a collection, MB", collected, func(s harness.Sample) float64 { return s.Live / 1e6 }, 0.1, 8),
		harness.TrendOf(fmt.Sprintf("of this answers that are kept (%d at most), MB", cacheMB), late, func(s harness.Sample) float64 { return s.Cache / 1e6 }, 0, cacheMB),
		harness.TrendOf("goroutines", late, func(s harness.Sample) float64 { return s.Goroutines }, 0.1, 20),
		harness.TrendOf("file descriptors", late, func(s harness.Sample) float64 { return s.Files }, 0.1, 20),
		harness.TrendOf("data folder without the queue, MB", late, func(s harness.Sample) float64 { return s.Disk / 1e6 }, 0.1, 8),
	}
}

// wrong lists what was not as promised.
func (r *results) wrong() []error {
	var all []error
	for _, text := range append(append([]string{}, r.Violations...), r.Differences...) {
		all = append(all, errors.New(text))
	}
	for _, f := range r.Faults {
		if f.Error != "" {
			all = append(all, fmt.Errorf("%s: %s", f.Name, f.Error))
		}
	}
	for _, p := range r.Phases {
		if p.Failed > 0 && p.Name != "kill -9" {
			all = append(all, fmt.Errorf("%d of %d searches failed while %s: %v", p.Failed, p.Searches, p.Name, p.Failures))
		}
	}
	for _, t := range r.Trends {
		if !t.Flat() {
			all = append(all, fmt.Errorf("%s grow by %.1f, more than %.1f", t.Name, t.Growth, t.Limit))
		}
	}
	if r.Jobs["dead"] != r.Broken {
		all = append(all, fmt.Errorf("%d jobs are dead, %d were to be", r.Jobs["dead"], r.Broken))
	}
	return all
}

func section(r *results, from string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## Standalone, %v\n\n`make soak`, %s, %s; commit %s, %s.\n", time.Duration(r.Duration*float64(time.Second)), r.Date.Format("2006-01-02 15:04 MST"), r.Machine, r.Commit, source(from))
	fmt.Fprintf(&b, "\nOne searchd, the demo model, %d items of the demo catalogue and those that were written; %s searches a second with a deadline of %v.\n", r.Items, report.Digits(r.Rate), deadline)
	fmt.Fprintf(&b, "%d uploads, %d patches, %d deletes and %d webhooks were acknowledged, for which %d tries were repeated; %d broken pictures were refused. Jobs: %d done, %d superseded, %d dead.\n",
		r.Uploads, r.Patches, r.Deletes, r.Webhooks, r.Repeats, r.Broken, r.Jobs["done"], r.Jobs["superseded"], r.Jobs["dead"])
	fmt.Fprintf(&b, "%d hits were compared with what was acknowledged before they were asked for, %d items right after kills, and %d at the end.\n", r.Checked, r.Compared, r.Left)
	if wrong := r.wrong(); len(wrong) == 0 {
		b.WriteString("All was as it should be.\n")
	} else {
		b.WriteString("**Not as it should be:**\n\n")
		for _, err := range wrong[:min(len(wrong), 20)] {
			fmt.Fprintf(&b, "- %s\n", cell(err.Error()))
		}
	}
	b.WriteString(searchTable(r) + trendTable(r))
	return b.String()
}

func searchTable(r *results) string {
	count := map[string]int{}
	for _, f := range r.Faults {
		count[f.Name]++
	}
	rows := [][]string{{"searches while", "times", "searches", "failed", "second look cut", "p50, ms", "p99, ms", "longest, ms"}}
	for _, p := range r.Phases {
		rows = append(rows, []string{
			p.Name, fmt.Sprint(max(1, count[p.Name])), fmt.Sprint(p.Searches), fmt.Sprint(p.Failed), fmt.Sprint(p.Unread),
			report.Digits(p.P50), report.Digits(p.P99), report.Digits(p.Max),
		})
	}
	return "\n" + report.Table(rows)
}

func trendTable(r *results) string {
	rows := [][]string{{"in the second half", "mean", "first", "last", "growth of the fitted line", "limit"}}
	for _, t := range r.Trends {
		rows = append(rows, []string{
			t.Name, report.Digits(t.Mean), report.Digits(t.First), report.Digits(t.Last), fmt.Sprintf("%+.2f", t.Growth), report.Digits(t.Limit),
		})
	}
	text := "\n" + report.Table(rows)
	if n := len(r.Samples); n > 0 {
		text += fmt.Sprintf("\nThe queue's file, which keeps what was done for a week, took %s MB at the end, for %d jobs.\n", report.Digits(r.Samples[n-1].Queue/1e6), r.Jobs["done"]+r.Jobs["dead"]+r.Jobs["superseded"])
	}
	return text
}

func source(path string) string {
	if path == "" {
		return report.Source(name, path)
	}
	return report.Source(name, filepath.Base(path))
}
