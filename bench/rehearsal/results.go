package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sightline/bench/harness"
	"sightline/bench/report"
)

// name of the section and the command.
const name = "rehearsal"

type results struct {
	Date    time.Time      `json:"date"`
	Commit  string         `json:"commit"`
	Machine report.Machine `json:"machine"`
	Items   int            `json:"items"`
	Rate    float64        `json:"searches_per_second"`
	Within  float64        `json:"visible_within_seconds"`
	Steps   []step         `json:"steps"`
	// MilvusAway is from its death until it listened again, in seconds.
	MilvusAway float64   `json:"milvus_away_seconds"`
	Visible    []visible `json:"visible"`
	// Phases are the searches of each step through the proxy.
	Phases     []harness.Phase `json:"phases"`
	Retried    int64           `json:"proxy_retried"`
	Refused    int64           `json:"proxy_failed"`
	Uploads    int64           `json:"uploads"`
	Patches    int64           `json:"patches"`
	Deletes    int64           `json:"deletes"`
	Repeats    int64           `json:"tries_repeated"`
	Checked    int             `json:"hits_checked"`
	Violations []string        `json:"violations"`
	Jobs       map[string]int  `json:"jobs"`
}

type step struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
	OK      bool    `json:"ok"`
	Result  string  `json:"result"`
}

// visible is how long after its acknowledgement all searchd showed a write.
type visible struct {
	Kind    string  `json:"kind"`
	Seconds float64 `json:"seconds"`
}

func (r *results) slowest() string {
	var all []string
	for _, kind := range []string{"upload", "patch", "delete"} {
		var took []float64
		for _, v := range r.Visible {
			if v.Kind == kind {
				took = append(took, v.Seconds)
			}
		}
		if len(took) > 0 {
			all = append(all, fmt.Sprintf("%s %s s", kind, report.Digits(slices.Max(took))))
		}
	}
	return "by all, at the latest after: " + strings.Join(all, ", ")
}

// patience is how long store/milvus repeats a search's call (docs/milvus.md).
const patience = 10.0

// excused tells whether failures are those that are promised: of a Milvus that is
// away for longer than searches wait for it, and as 503.
func excused(p harness.Phase, away float64) bool {
	for why := range p.Failures {
		if !strings.HasPrefix(why, "503:") {
			return false
		}
	}
	return p.Name == killMilvus && away > patience
}

// verdict is the error of a run in which something was not as promised.
func (r *rehearsal) verdict() error {
	var wrong []error
	for _, s := range r.r.Steps {
		if !s.OK {
			wrong = append(wrong, fmt.Errorf("%s: %s", s.Name, s.Result))
		}
	}
	for _, p := range r.r.Phases {
		if p.Failed > 0 && !excused(p, r.r.MilvusAway) {
			wrong = append(wrong, fmt.Errorf("%s: %d of %d searches through the proxy failed: %v", p.Name, p.Failed, p.Searches, p.Failures))
		}
	}
	for _, v := range r.r.Violations {
		wrong = append(wrong, errors.New(v))
	}
	return errors.Join(wrong...)
}

func section(r *results, from string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## Cluster\n\n`make rehearsal`, %s, %s; commit %s, %s.\n", r.Date.Format("2006-01-02 15:04 MST"), r.Machine, r.Commit, source(from))
	fmt.Fprintf(&b, "\nMilvus Lite, Redis (`appendfsync always`), a folder as bucket, %d indexd that do changes, %d searchd behind the proxy; the demo model and %d items of the demo catalogue.\n", workers, searchds, r.Items)
	fmt.Fprintf(&b, "%s searches a second with a deadline of %v, and two writers, go on from the fourth step to the end.\n\n", report.Digits(r.Rate), deadline)
	rows := [][]string{{"step", "s", "", "result"}}
	for _, s := range r.Steps {
		rows = append(rows, []string{s.Name, report.Digits(s.Seconds), map[bool]string{true: "ok", false: "**failed**"}[s.OK], cell(s.Result)})
	}
	b.WriteString(report.Table(rows) + searchTable(r))
	fmt.Fprintf(&b, "\nThe proxy sent %d requests a second time and answered %d itself. %d uploads, %d patches and %d deletes were acknowledged, for which %d tries were repeated.\n",
		r.Retried, r.Refused, r.Uploads, r.Patches, r.Deletes, r.Repeats)
	fmt.Fprintf(&b, "%d hits were compared with what was acknowledged %s s before they were asked for; %d were deleted or outdated.\n", r.Checked, report.Digits(r.Within), len(r.Violations))
	for _, v := range r.Violations[:min(len(r.Violations), 10)] {
		fmt.Fprintf(&b, "- %s\n", v)
	}
	return b.String()
}

func source(path string) string {
	if path == "" {
		return report.Source(name, path)
	}
	return report.Source(name, filepath.Base(path))
}

func cell(text string) string {
	return strings.NewReplacer("\n", "; ", "|", "/").Replace(text[:min(len(text), 300)])
}

func searchTable(r *results) string {
	rows := [][]string{{"searches during", "", "failed", "second look cut", "from the cache", "p50, ms", "p99, ms", "longest, ms"}}
	for _, p := range r.Phases {
		rows = append(rows, []string{
			p.Name, fmt.Sprint(p.Searches), fmt.Sprint(p.Failed), fmt.Sprint(p.Unread), fmt.Sprint(p.Cached),
			report.Digits(p.P50), report.Digits(p.P99), report.Digits(p.Max),
		})
	}
	var text strings.Builder
	text.WriteString("\n" + report.Table(rows))
	if r.MilvusAway > patience {
		fmt.Fprintf(&text, "\nMilvus was away for %s s. A search waits for it %g s and is then answered 503; such answers are no failure of the rehearsal.\n", report.Digits(r.MilvusAway), patience)
	} else {
		fmt.Fprintf(&text, "\nMilvus was away for %s s. Searches wait for it up to %g s, so none may fail.\n", report.Digits(r.MilvusAway), patience)
	}
	for _, p := range r.Phases {
		for why, n := range p.Failures {
			fmt.Fprintf(&text, "\n%s: %d × `%s`\n", p.Name, n, cell(why))
		}
	}
	return text.String()
}
