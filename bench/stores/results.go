package main

import (
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
	Date    time.Time    `json:"date"`
	Commit  string       `json:"commit"`
	Machine machine      `json:"machine"`
	Queries int          `json:"queries"`
	Rounds  int          `json:"rounds"`
	Limit   string       `json:"limit_of_a_turn"`
	Seed    uint64       `json:"seed"`
	Engines []engineInfo `json:"engines"`
	Sizes   []sizeResult `json:"sizes"`
}

type engineInfo struct {
	Name    string `json:"name"`
	About   string `json:"about"`
	Version string `json:"version,omitempty"`
	Missing string `json:"missing,omitempty"` // why it was not measured
}

// sizeResult is one catalogue.
type sizeResult struct {
	Items   int            `json:"items"`
	Engines []engineResult `json:"engines"`
}

// engineResult is one engine on one catalogue. Sizes are in bytes.
type engineResult struct {
	Name       string       `json:"name"`
	Failed     string       `json:"failed,omitempty"` // why there is nothing or not all
	Import     float64      `json:"import_s"`
	ImportCPU  float64      `json:"import_cpu_s"`
	ImportPeak int64        `json:"import_peak_rss"`
	Open       float64      `json:"open_s"` // to the first answer
	OpenCPU    float64      `json:"open_cpu_s"`
	Memory     int64        `json:"pss"` // after the last round
	Peak       int64        `json:"peak_rss"`
	Disk       int64        `json:"disk"`
	Cells      []cellResult `json:"cells"`
}

// cellResult is of one client, except for PerSecond. Times are in microseconds.
type cellResult struct {
	cell
	Searches  int       `json:"searches"`
	P50       float64   `json:"p50_us"`
	P95       float64   `json:"p95_us"`
	Rounds    []float64 `json:"p50_us_by_round"`
	CPU       float64   `json:"cpu_us"` // a search, on all processors together
	Recall    float64   `json:"recall"`
	PerSecond float64   `json:"two_clients_per_s,omitempty"`
}

func (e engineResult) find(c cell) (cellResult, bool) {
	i := slices.IndexFunc(e.Cells, func(r cellResult) bool { return r.cell == c })
	if i < 0 || e.Cells[i].Searches == 0 {
		return cellResult{}, false
	}
	return e.Cells[i], true
}

// tally gathers the turns of one engine in one cell.
type tally struct {
	times    []time.Duration
	rounds   []float64
	cpu      time.Duration
	recall   float64
	searches int // of two clients
	wall     time.Duration
}

func (t *tally) result(c cell) cellResult {
	r := cellResult{cell: c, Searches: len(t.times), Rounds: t.rounds}
	if n := len(t.times); n > 0 {
		r.P50, r.P95 = percentile(t.times, 50), percentile(t.times, 95)
		r.CPU = micros(t.cpu) / float64(n)
		r.Recall = t.recall / float64(n)
	}
	if t.wall > 0 {
		r.PerSecond = float64(t.searches) / t.wall.Seconds()
	}
	return r
}

// percentile is the nearest rank, in microseconds.
func percentile(times []time.Duration, p int) float64 {
	sorted := slices.Sorted(slices.Values(times))
	return micros(sorted[max(0, (len(sorted)*p+99)/100-1)])
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

var notSlug = regexp.MustCompile(`[^a-z0-9]+`)

// write names the file by time and processor, never by host.
func (r *results) write(dir string) (string, error) {
	cpu := strings.Trim(notSlug.ReplaceAllString(strings.ToLower(strings.ReplaceAll(r.Machine.CPU, "(R)", "")), "-"), "-")
	path := filepath.Join(dir, fmt.Sprintf("%s-%s-%d-cores.json", r.Date.Format("2006-01-02T1504"), cpu, r.Machine.Cores))
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
