package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	sectionBegin = "<!-- ingest: written by `make bench-ingest`; edits are lost -->"
	sectionEnd   = "<!-- end of ingest -->"
)

// show prints the section and, where asked, writes it into the page.
func show(out io.Writer, r *results, from, page string) error {
	text := section(r, from)
	if _, err := io.WriteString(out, text); err != nil {
		return fmt.Errorf("print tables: %w", err)
	}
	if page == "" {
		return nil
	}
	old, err := os.ReadFile(page) // #nosec G703 -- the user's own page
	if err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("read page: %w", err)
	}
	if err := os.WriteFile(page, []byte(replaceSection(string(old), text)), 0o644); err != nil { // #nosec G703 -- as above
		return fmt.Errorf("write page: %w", err)
	}
	return nil
}

// replaceSection puts the section between its marks, or at the end of a page
// that has none.
func replaceSection(page, text string) string {
	before, rest, found := strings.Cut(page, sectionBegin)
	after := "\n"
	if found {
		_, after, _ = strings.Cut(rest, sectionEnd)
	} else if before != "" {
		before = strings.TrimRight(before, "\n") + "\n\n"
	}
	return before + sectionBegin + "\n" + text + sectionEnd + cmp.Or(after, "\n")
}

// section is the whole text of one run's results.
func section(r *results, from string) string {
	var b strings.Builder
	m := r.Machine
	fmt.Fprintf(&b, "## Importing\n\n")
	fmt.Fprintf(&b, "`make bench-ingest`, %s, %d cores of %s (%s), %d GB, Linux %s, %s, load before %s; commit %s, %s.\n",
		r.Date.Format("2006-01-02 15:04 MST"), m.Cores, m.CPU, strings.Join(m.Features, " "), (m.RAM+1<<29)>>30, m.Kernel, m.Go, m.Load, r.Commit, source(from))
	if r.Versions != nil {
		b.WriteString("Baseline: ")
		for i, name := range slices.Sorted(maps.Keys(r.Versions)) {
			b.WriteString(map[bool]string{true: "", false: ", "}[i == 0] + name + " " + r.Versions[name])
		}
		b.WriteString(".\n")
	}
	for _, what := range r.Missing {
		fmt.Fprintf(&b, "\nNot measured: %s.\n", strings.TrimRight(what, "."))
	}
	fmt.Fprintf(&b, "\nAll take turns in %d rounds, each in a process of its own, batches of %d; half of the pictures are JPEG files, half PNG. In brackets: lowest and highest\nround. Ratios are of the same round.\n", r.Rounds, r.Batch)
	for _, x := range r.Models {
		fmt.Fprintf(&b, "\n### %s\n\n%d pictures of %.0f kB on average.\n\n%s", strings.ToUpper(x.About[:1])+x.About[1:], x.Pictures, float64(x.Bytes)/float64(x.Pictures)/1000, x.table())
		b.WriteString(x.reached() + x.stages())
	}
	return b.String() + "\n" + notes
}

// source names the raw results as the repository does.
func source(path string) string {
	if path == "" {
		return "raw results not kept"
	}
	return "raw results in `bench/ingest/results/" + filepath.Base(path) + "`"
}

const notes = "The import is the real program from its first file to its last write: reading, hashing, decoding, resizing, the vision tower, copies of the originals (synced),\n" +
	"patch states (checksummed, synced) and the catalogue (SQLite, synced); its vision tower, in fp32, is loaded in that time. The tower alone has its pixels ready and writes nothing.\n" +
	"transformers reads, decodes, resizes and encodes the same files, after a first batch that does not count, and writes nothing. Processor time is that of all cores; the import's\n" +
	"has the start of the program in it, that of processes which only prepare pixels for transformers is not counted.\n"

// table has the rates and what the import makes of each.
func (m modelResult) table() string {
	rows := [][]string{{"", "pictures/s", "the import is", "processor ms a picture"}}
	us := m.find(ours)
	for _, r := range m.Rows {
		rate, ratio, name := r.rates(), "", r.Name
		if name == ours {
			name = "**" + name + "**"
		} else if len(us.Turns) > 0 {
			s := us.over(r)
			ratio = fmt.Sprintf("%s× (%s–%s)", digits(s.median), digits(s.lowest), digits(s.highest))
		}
		cpu := r.figures(func(t turn) float64 { return 1000 * t.CPU / float64(t.Pictures) })
		rows = append(rows, []string{name, fmt.Sprintf("%s (%s–%s)", digits(rate.median), digits(rate.lowest), digits(rate.highest)), ratio, digits(cpu.median)})
	}
	return markdown(rows)
}

// aim is how much of its vision tower's rate an import should reach.
const aim = 0.9

// reached holds the import to the aim, by the median round.
func (m modelResult) reached() string {
	us, limit := m.find(ours), m.find(alone)
	if len(us.Turns) == 0 || len(limit.Turns) == 0 {
		return ""
	}
	share := us.over(limit).median
	verdict := "reached"
	if share < aim {
		verdict = "missed"
	}
	return fmt.Sprintf("\nThe import runs at %s of its vision tower's own rate; the aim of %s is %s.\n", digits(share), digits(aim), verdict)
}

// stages says what the import's goroutines were busy with, in its median round.
func (m modelResult) stages() string {
	us := m.find(ours)
	if len(us.Turns) == 0 {
		return ""
	}
	turns := slices.SortedFunc(slices.Values(us.Turns), func(x, y turn) int { return cmp.Compare(x.Seconds, y.Seconds) })
	t := turns[len(turns)/2]
	if len(t.Stages) == 0 {
		return ""
	}
	names := slices.SortedFunc(maps.Keys(t.Stages), func(x, y string) int { return cmp.Compare(t.Stages[y], t.Stages[x]) })
	for i, name := range names {
		names[i] = name + " " + digits(t.Stages[name])
	}
	return fmt.Sprintf("\nOf an import of %s s (%s s with the start of the program), its stages were busy, in seconds of all their goroutines: %s.\n",
		digits(t.Seconds), digits(t.Wall), strings.Join(names, ", "))
}

// markdown lines up columns, so that a terminal shows the same text.
func markdown(rows [][]string) string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, text := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	var b strings.Builder
	for i, row := range rows {
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

// digits shows two or three of them, which is more than repeated runs agree on.
func digits(x float64) string {
	switch {
	case x >= 99.95:
		return strconv.FormatFloat(x, 'f', 0, 64)
	case x >= 9.995:
		return strconv.FormatFloat(x, 'f', 1, 64)
	case x < 0.0995 && x > 0:
		return strconv.FormatFloat(x, 'f', 3, 64)
	}
	return strconv.FormatFloat(x, 'f', 2, 64)
}
