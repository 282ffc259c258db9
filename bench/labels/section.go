package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"sightline/bench/report"
	"sightline/indexer/labels"
)

// name of the section and the command.
const name = "labels"

type results struct {
	Date        time.Time          `json:"date"`
	Commit      string             `json:"commit"`
	Machine     report.Machine     `json:"machine"`
	Seconds     float64            `json:"seconds"` // of the run
	Run         labels.Summary     `json:"run"`
	Calibration labels.Calibration `json:"calibration"`
	F1          labels.Calibration `json:"f1"`
}

func section(r *results, path string) string {
	var b strings.Builder
	if path != "" {
		path = filepath.Base(path)
	}
	fmt.Fprintf(&b, "`make bench-labels`, %s, %s; commit %s, %s. %d drawings chose the thresholds, the figures are of %d others.\n\n",
		r.Date.Format("2006-01-02"), r.Machine, r.Commit, report.Source(name, path), r.Calibration.Fitted, r.Calibration.Held)
	rows := [][]string{{"label", "true of", "threshold", "precision", "recall", "best F1: precision", "recall", "margin 0: precision", "recall"}}
	for i, l := range r.Calibration.Labels {
		f := r.F1.Labels[i]
		row := []string{l.Label.Name, fmt.Sprint(l.Zero.True)}
		if l.Problem != "" {
			row = append(row, "none", "–", "–")
		} else {
			row = append(row, fmt.Sprintf("%.2f", l.Label.Threshold), l.Held.Precision.String(), l.Held.Recall.String())
		}
		row = append(row, short(f.Held.Precision), short(f.Held.Recall), short(l.Zero.Precision), short(l.Zero.Recall))
		rows = append(rows, row)
	}
	b.WriteString(report.Table(rows))
	n := 0
	for _, l := range r.Calibration.Labels {
		n += len(l.Label.Texts)
	}
	fmt.Fprintf(&b, "\nA run over %d items with %d texts took %.1f s, %.0f pictures a second, or %.0f pairs.\n",
		r.Run.Items, n, r.Seconds, float64(r.Run.Scored)/r.Seconds, float64(r.Run.Scored*n)/r.Seconds)
	return b.String()
}

// short is a share without its interval.
func short(s labels.Share) string {
	if s.Value == nil {
		return "–"
	}
	return fmt.Sprintf("%.3f", *s.Value)
}
