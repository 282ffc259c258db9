package main

import (
	"fmt"
	"strings"

	"sightline/bench/report"
)

// What `make bench-api` is to show.
const (
	wantRate     = 5000.0 // answers from the cache a second, on two processors
	wantP50      = 1.0    // ms of such an answer
	wantOverhead = 2.0    // ms besides model and index, in 95 of 100 searches
)

// apiSection is the section of a run of the parts cached and overhead.
func apiSection(r *results, from string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## The API itself: %s\n\n", about(r.Model))
	fmt.Fprintf(&b, "`make bench-%s`, %s, %s; commit %s, %s.\n", r.name(), r.Date.Format("2006-01-02 15:04 MST"), r.Machine, r.Commit, source(from))
	fmt.Fprintf(&b, "\nA searchd of its own and its clients on one machine, %d pictures, REST over loopback, a page of 10.\n", r.Pictures)
	b.WriteString(cachedTable(r.Cached) + overheadText(r.Overhead))
	return b.String()
}

func cachedTable(all []apiRow) string {
	if len(all) == 0 {
		return ""
	}
	rows := [][]string{{"connections", "requests/s", "p50", "p95", "p99", "searchd's processor, ms a request", "answers not from the cache"}}
	best := apiRow{}
	for _, c := range all {
		if c.PerSecond > best.PerSecond {
			best = c
		}
		rows = append(rows, []string{
			fmt.Sprint(c.Clients), report.Digits(c.PerSecond), report.Digits(c.P50), report.Digits(c.P95), report.Digits(c.P99),
			report.Digits(1000 * c.CPU / float64(max(1, c.Requests))), fmt.Sprint(c.Wrong),
		})
	}
	return fmt.Sprintf("\nAnswers from the cache, of %d bytes: kept connections that ask again when they are answered, in ms. The clients share the processors with searchd, and so do little more than send and receive.\n\n", best.Bytes) +
		report.Table(rows) +
		fmt.Sprintf("\nAt best %s answers a second, %s (wanted: %s); p50 with %d connections %s ms, %s (wanted: %s ms).\n",
			report.Digits(best.PerSecond), reached(best.PerSecond >= wantRate), report.Digits(wantRate), best.Clients, report.Digits(best.P50), reached(best.P50 <= wantP50), report.Digits(wantP50))
}

func overheadText(o *overheadRow) string {
	if o == nil {
		return ""
	}
	rows := [][]string{{"", "p50", "p95", "p99"}}
	for _, r := range []struct {
		name string
		q    quarter
	}{
		{"in the pipeline: the answer's total − encode − search − rerank", o.Inside},
		{"all of it, with HTTP and JSON on both sides: the client's time − the same", o.Outside},
		{"the client's time", o.Total},
	} {
		rows = append(rows, []string{r.name, report.Digits(r.q.P50), report.Digits(r.q.P95), report.Digits(r.q.P99)})
	}
	return fmt.Sprintf("\nWhat %d searches of one client took besides model and index, without a cache, every text its own, in ms:\n\n", o.Requests) + report.Table(rows) +
		fmt.Sprintf("\np95 is %s ms in the pipeline, %s, and %s ms for the client, %s (wanted: %s ms).\n", report.Digits(o.Inside.P95), reached(o.Inside.P95 <= wantOverhead),
			report.Digits(o.Outside.P95), reached(o.Outside.P95 <= wantOverhead), report.Digits(wantOverhead))
}

func reached(yes bool) string {
	if yes {
		return "reached"
	}
	return "missed"
}
