package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// results is what a run leaves behind, as JSON.
type results struct {
	Date     time.Time         `json:"date"`
	Commit   string            `json:"commit"`
	Machine  machine           `json:"machine"`
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

// spread is the median, lowest and highest of some figures.
type spread struct{ median, lowest, highest float64 }

func spreadOf(all []float64) spread {
	slices.Sort(all)
	n := len(all)
	return spread{(all[(n-1)/2] + all[n/2]) / 2, all[0], all[n-1]}
}

func (r result) rates() spread { return r.figures(turn.rate) }

func (r result) figures(of func(turn) float64) spread {
	all := make([]float64, len(r.Turns))
	for i, t := range r.Turns {
		all[i] = of(t)
	}
	return spreadOf(all)
}

// over is the ratio of two contenders' rates, round by round: what slows the
// machine for a while slows both.
func (r result) over(other result) spread {
	all := make([]float64, min(len(r.Turns), len(other.Turns)))
	for i := range all {
		all[i] = r.Turns[i].rate() / other.Turns[i].rate()
	}
	return spreadOf(all)
}

var notSlug = regexp.MustCompile(`[^a-z0-9]+`)

// write names the file by time and processor, never by host.
func (r *results) write(dir string) (string, error) {
	cpu := strings.Trim(notSlug.ReplaceAllString(strings.ToLower(strings.ReplaceAll(r.Machine.CPU, "(R)", "")), "-"), "-")
	path := filepath.Join(dir, fmt.Sprintf("%s-%s-%d-cores.json", r.Date.Format("2006-01-02T1504"), cmp.Or(cpu, "unknown"), r.Machine.Cores))
	text, err := json.MarshalIndent(r, "", " ")
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		err = os.WriteFile(path, append(text, '\n'), 0o644)
	}
	if err != nil {
		return "", fmt.Errorf("write results: %w", err)
	}
	return path, nil
}

func readResults(path string) (*results, error) {
	text, err := os.ReadFile(path) // #nosec G703 -- the user names it
	if err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	var r results
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("read results %s: %w", path, err)
	}
	return &r, nil
}
