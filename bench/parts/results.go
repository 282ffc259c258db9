package main

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"sightline/bench/report"
)

// results is what a run leaves behind, as JSON.
type results struct {
	Date    time.Time      `json:"date"`
	Commit  string         `json:"commit"`
	Machine report.Machine `json:"machine"`
	Flags   string         `json:"flags"` // of go test
	Rows    []row          `json:"rows"`
}

// row is a benchmark: by unit, what each run printed.
type row struct {
	Package string               `json:"package"`
	Name    string               `json:"name"`
	Runs    map[string][]float64 `json:"runs"`
}

var endPattern = regexp.MustCompile(`-\d+$`) // GOMAXPROCS

// read takes the lines of 'go test -bench': pkg: NAME, then Benchmark… N, and pairs of
// a figure and its unit.
func read(text string) (rows []row) {
	pkg := ""
	for line := range strings.Lines(text) {
		if path, ok := strings.CutPrefix(line, "pkg: "); ok {
			pkg = strings.TrimPrefix(strings.TrimSpace(path), "sightline/")
		}
		words := strings.Fields(line)
		if len(words) < 4 || !strings.HasPrefix(words[0], "Benchmark") {
			continue
		}
		name := endPattern.ReplaceAllString(strings.TrimPrefix(words[0], "Benchmark"), "")
		i := slices.IndexFunc(rows, func(r row) bool { return r.Package == pkg && r.Name == name })
		if i < 0 {
			rows = append(rows, row{Package: pkg, Name: name, Runs: map[string][]float64{}})
			i = len(rows) - 1
		}
		for j := 2; j+1 < len(words); j += 2 {
			if x, err := strconv.ParseFloat(words[j], 64); err == nil {
				rows[i].Runs[words[j+1]] = append(rows[i].Runs[words[j+1]], x)
			}
		}
	}
	return rows
}

// section is the whole text of one run's results.
func section(r *results, from string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## Parts alone\n\n`make bench-parts`, %s, %s; commit %s, %s.\n\n", r.Date.Format("2006-01-02 15:04 MST"), r.Machine, r.Commit, report.Source(name, from))
	fmt.Fprintf(&b, "Go's benchmarks beside the code (`go test -bench`, `%s`): the least of the runs, and the most.", r.Flags)
	if r.Machine.Busy() {
		b.WriteString(" **The machine was not idle: these times are provisional.**")
	}
	b.WriteString("\n\n")
	rows := [][]string{{"package", "benchmark", "time", "most", "bytes", "allocations", "more"}}
	for _, x := range r.Rows {
		rows = append(rows, []string{x.Package, strings.ReplaceAll(x.Name, "|", "/"), duration(x.least("ns/op")), duration(x.most("ns/op")), number(x.least("B/op")), number(x.least("allocs/op")), x.more()})
	}
	return b.String() + report.Table(rows)
}

func (r row) least(unit string) float64 {
	if len(r.Runs[unit]) == 0 {
		return 0
	}
	return slices.Min(r.Runs[unit])
}

func (r row) most(unit string) float64 {
	if len(r.Runs[unit]) == 0 {
		return 0
	}
	return slices.Max(r.Runs[unit])
}

// more are figures of a benchmark's own, by their units; the median of the runs.
func (r row) more() string {
	var all []string
	for unit, runs := range r.Runs {
		if !slices.Contains([]string{"ns/op", "B/op", "allocs/op"}, unit) {
			all = append(all, report.Digits(report.SpreadOf(slices.Clone(runs)).Median)+" "+unit)
		}
	}
	slices.SortFunc(all, cmp.Compare[string])
	return strings.Join(all, ", ")
}

func duration(ns float64) string {
	for _, unit := range []struct {
		ns   float64
		name string
	}{{1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}} {
		if ns >= unit.ns {
			return report.Digits(ns/unit.ns) + " " + unit.name
		}
	}
	return report.Digits(ns) + " ns"
}

func number(x float64) string { return strconv.FormatFloat(x, 'f', 0, 64) }
