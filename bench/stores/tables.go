package main

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"sightline/bench/stores/dataset"
	"sightline/bench/stores/engine"
)

// table is rows of cells, headings first. It is written as Markdown whose columns
// line up, so that a terminal shows the same text.
type table [][]string

func (t table) String() string {
	widths := make([]int, len(t[0]))
	for _, row := range t {
		for i, text := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	var b strings.Builder
	for i, row := range t {
		writeRow(&b, row, widths, " ")
		if i == 0 {
			rules := make([]string, len(row))
			for j := range rules {
				rules[j] = strings.Repeat("-", widths[j])
			}
			writeRow(&b, rules, widths, " ")
		}
	}
	return b.String()
}

func writeRow(b *strings.Builder, row []string, widths []int, fill string) {
	for i, text := range row {
		b.WriteString("| " + text + strings.Repeat(fill, widths[i]-utf8.RuneCountInString(text)+1))
	}
	b.WriteString("|\n")
}

// ours is the engine that others are compared with, all zero where it was not
// measured.
func (s sizeResult) ours() engineResult {
	for _, e := range s.Engines {
		if e.Name == engine.Ours {
			return e
		}
	}
	return engineResult{}
}

// rows makes one row for each engine that was measured.
func (s sizeResult) rows(head []string, row func(e engineResult) []string) table {
	t := table{head}
	for _, e := range s.Engines {
		if e.Open > 0 {
			t = append(t, append([]string{bold(e.Name)}, row(e)...))
		}
	}
	return t
}

func (s sizeResult) latencies() table {
	head := []string{"ms, p50 / p95"}
	for _, c := range cells() {
		head = append(head, c.title())
	}
	ours := s.ours()
	return s.rows(head, func(e engineResult) []string {
		var row []string
		for _, c := range cells() {
			got, ok := e.find(c)
			base, _ := ours.find(c)
			if !ok {
				row = append(row, "–")
				continue
			}
			row = append(row, fmt.Sprintf("%s / %s%s", digits(got.P50/1000), digits(got.P95/1000), ratio(e.Name, got.P50, base.P50)))
		}
		return row
	})
}

// costs are recall, processor time and throughput, without k=200 where it says
// nothing new.
func (s sizeResult) costs() table {
	head := []string{"", "recall, lowest of all cells"}
	few := cells()[:len(dataset.Filters)]
	for _, c := range few {
		head = append(head, "CPU ms, "+c.title())
	}
	for _, c := range few {
		head = append(head, "2 clients, searches/s, "+c.title())
	}
	ours := s.ours()
	return s.rows(head, func(e engineResult) []string {
		row := []string{lowestRecall(e)}
		for _, c := range few {
			got, _ := e.find(c)
			base, _ := ours.find(c)
			row = append(row, digits(got.CPU/1000)+ratio(e.Name, got.CPU, base.CPU))
		}
		for _, c := range few {
			got, _ := e.find(c)
			base, _ := ours.find(c)
			row = append(row, digits(got.PerSecond)+ratio(e.Name, got.PerSecond, base.PerSecond))
		}
		return row
	})
}

func lowestRecall(e engineResult) string {
	lowest := 1.0
	for _, c := range e.Cells {
		if c.Searches > 0 {
			lowest = min(lowest, c.Recall)
		}
	}
	// Never rounded up to 1, which means all.
	return strconv.FormatFloat(float64(int(lowest*10_000))/10_000, 'f', -1, 64)
}

func (s sizeResult) resources() table {
	ours := s.ours()
	bytes := func(e engineResult, n, base int64) string {
		return thousands(int(n>>20)) + ratio(e.Name, float64(n), float64(base))
	}
	head := []string{"", "import, s", "CPU s", "open, s", "CPU s", "memory, MB", "peak", "peak of import", "disk, MB"}
	return s.rows(head, func(e engineResult) []string {
		return []string{
			digits(e.Import) + ratio(e.Name, e.Import, ours.Import), digits(e.ImportCPU) + ratio(e.Name, e.ImportCPU, ours.ImportCPU),
			digits(e.Open) + ratio(e.Name, e.Open, ours.Open), digits(e.OpenCPU) + ratio(e.Name, e.OpenCPU, ours.OpenCPU),
			bytes(e, e.Memory, ours.Memory), bytes(e, e.Peak, ours.Peak), bytes(e, e.ImportPeak, ours.ImportPeak), bytes(e, e.Disk, ours.Disk),
		}
	})
}

// failures says which engines are not in the tables, or not to the end.
func (s sizeResult) failures() string {
	var b strings.Builder
	for _, e := range s.Engines {
		if e.Failed != "" {
			fmt.Fprintf(&b, "\n%s: %s.\n", e.Name, strings.TrimRight(strings.ReplaceAll(e.Failed, "\n", "; "), "."))
		}
	}
	return b.String()
}

// ratio is empty for ourselves, and where we were not measured.
func ratio(name string, value, ours float64) string {
	if name == engine.Ours || ours == 0 {
		return ""
	}
	return " (" + digits(value/ours) + "×)"
}

// digits shows two or three of them, which is more than repeated runs agree on.
func digits(x float64) string {
	switch {
	case x >= 1000:
		return thousands(int(x + 0.5))
	case x >= 99.95:
		return strconv.FormatFloat(x, 'f', 0, 64)
	case x >= 9.995:
		return strconv.FormatFloat(x, 'f', 1, 64)
	case x < 0.0995 && x > 0:
		return strconv.FormatFloat(x, 'f', 3, 64)
	}
	return strconv.FormatFloat(x, 'f', 2, 64)
}

func thousands(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
