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
	Model    string            `json:"model"`
	Quick    bool              `json:"quick,omitempty"` // figures mean nothing
	Rounds   int               `json:"rounds"`
	Versions map[string]string `json:"versions"`
	Missing  []string          `json:"missing,omitempty"` // what was not measured, and why
	Drift    *drift            `json:"drift,omitempty"`
	Rows     []row             `json:"rows"`
}

// row is one entrant's turns in one cell.
type row struct {
	Table string      `json:"table"`
	Cell  string      `json:"cell"`
	Name  string      `json:"name"`
	Batch int         `json:"batch"`
	Turns [][]float64 `json:"turns_ms"` // of each round, each run; of the whole batch
	// Others is, of each round, the share of all processors that other programs had.
	Others []float64 `json:"others"`
}

// drift is how far logits are from those that transformers computes in float32,
// over all pictures at both lengths.
type drift struct {
	Lowest  float32            `json:"lowest"` // of the logits themselves
	Highest float32            `json:"highest"`
	Pairs   int                `json:"pairs"`
	Max     map[string]float64 `json:"max"` // largest difference, by row
}

// find returns a row, without turns where it was not measured.
func (r *results) find(table, cell, name string) row {
	i := slices.IndexFunc(r.Rows, func(x row) bool { return x.Table == table && x.Cell == cell && x.Name == name })
	if i < 0 {
		return row{}
	}
	return r.Rows[i]
}

// spread is of all runs, in ms a pair, picture or text.
func (r row) spread() report.Spread {
	all := slices.Concat(r.Turns...)
	for i := range all {
		all[i] /= float64(r.Batch)
	}
	return report.SpreadOf(all)
}

// others is the median and the largest share that other programs had in a turn.
func (r *results) others() (s report.Spread) {
	var all []float64
	for _, x := range r.Rows {
		all = append(all, x.Others...)
	}
	if len(all) == 0 {
		return s
	}
	return report.SpreadOf(all)
}

// quiet is the median share of other programs up to which a run counts: torch's
// threads wait for each other, and slow down far more than by that share.
const quiet = 0.03

// over is how many times r's figure the other's is, of the same round: what slows
// the machine for a while slows both.
func (r row) over(other row) report.Spread {
	all := make([]float64, min(len(r.Turns), len(other.Turns)))
	for i := range all {
		mine, theirs := report.SpreadOf(slices.Clone(r.Turns[i])), report.SpreadOf(slices.Clone(other.Turns[i]))
		all[i] = theirs.Median / float64(other.Batch) / (mine.Median / float64(r.Batch))
	}
	return report.SpreadOf(all)
}
