package main

import (
	"slices"
	"time"

	"sightline/bench/report"
)

// results is what a run leaves behind, as JSON.
type results struct {
	Date     time.Time         `json:"date"`
	Commit   string            `json:"commit"`
	Machine  report.Machine    `json:"machine"`
	Batch    int               `json:"batch"`
	Rounds   int               `json:"rounds"`
	Versions map[string]string `json:"versions,omitempty"` // of the baseline
	Missing  []string          `json:"missing,omitempty"`  // what was not measured, and why
	Models   []modelResult     `json:"models"`
}

// modelResult is one model with its pictures.
type modelResult struct {
	Name     string   `json:"name"`
	About    string   `json:"about"`
	Pictures int      `json:"pictures"`
	Bytes    int64    `json:"picture_bytes"`
	Rows     []result `json:"rows"`
}

// result is one contender.
type result struct {
	Name  string `json:"name"`
	Turns []turn `json:"turns"`
}

// turn is one round of one contender. Seconds are those of the work itself, as
// the contender measured them; Wall is its whole process.
type turn struct {
	Pictures  int                `json:"pictures"`
	Seconds   float64            `json:"seconds"`
	CPU       float64            `json:"cpu_seconds"`
	Wall      float64            `json:"process_seconds,omitempty"`
	Threads   int                `json:"threads,omitempty"`
	Processor string             `json:"processor,omitempty"` // the baseline's class for pixels
	Stages    map[string]float64 `json:"stage_seconds,omitempty"`
}

func (t turn) rate() float64 { return float64(t.Pictures) / t.Seconds }

// The contenders that ratios are named after.
const (
	ours  = "indexd import"
	alone = "vision tower alone"
)

// find returns a contender, without turns where it was not measured.
func (m modelResult) find(name string) result {
	i := slices.IndexFunc(m.Rows, func(r result) bool { return r.Name == name })
	if i < 0 {
		return result{}
	}
	return m.Rows[i]
}

func (r result) rates() report.Spread { return r.figures(turn.rate) }

func (r result) figures(of func(turn) float64) report.Spread {
	all := make([]float64, len(r.Turns))
	for i, t := range r.Turns {
		all[i] = of(t)
	}
	return report.SpreadOf(all)
}

// over is the ratio of two contenders' rates, round by round: what slows the
// machine for a while slows both.
func (r result) over(other result) report.Spread {
	all := make([]float64, min(len(r.Turns), len(other.Turns)))
	for i := range all {
		all[i] = r.Turns[i].rate() / other.Turns[i].rate()
	}
	return report.SpreadOf(all)
}
