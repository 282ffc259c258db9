package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sightline/bench/report"
)

// name is that of this benchmark's section, folder and make target.
const name = "ingest"

// section is the whole text of one run's results.
func section(r *results, from string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## Importing\n\n`make bench-ingest`, %s, %s; commit %s, %s.\n",
		r.Date.Format("2006-01-02 15:04 MST"), r.Machine, r.Commit, report.Source(name, from))
	if r.Versions != nil {
		b.WriteString("Baseline: " + report.Versions(r.Versions) + ".\n")
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

const notes = "The import is the real program from its first file to its last write: reading, hashing, decoding, resizing, the vision tower, copies of the originals (synced),\n" +
	"patch states (checksummed, synced) and the catalogue (SQLite, synced); its vision tower, in fp32, is loaded in that time. The tower alone has its pixels ready and writes nothing.\n" +
	"transformers reads, decodes, resizes and encodes the same files, after a first batch that does not count, and writes nothing. Processor time is that of all cores; the import's\n" +
	"has the start of the program in it, that of processes which only prepare pixels for transformers is not counted.\n"

// table has the rates and what the import makes of each.
func (m modelResult) table() string {
	rows := [][]string{{"", "pictures/s", "the import is", "processor ms a picture"}}
	us := m.find(ours)
	for _, r := range m.Rows {
		rate, ratio, title := r.rates(), "", r.Name
		if title == ours {
			title = "**" + title + "**"
		} else if len(us.Turns) > 0 {
			s := us.over(r)
			ratio = fmt.Sprintf("%s× (%s–%s)", report.Digits(s.Median), report.Digits(s.Lowest), report.Digits(s.Highest))
		}
		cpu := r.figures(func(t turn) float64 { return 1000 * t.CPU / float64(t.Pictures) })
		rows = append(rows, []string{title, fmt.Sprintf("%s (%s–%s)", report.Digits(rate.Median), report.Digits(rate.Lowest), report.Digits(rate.Highest)), ratio, report.Digits(cpu.Median)})
	}
	return report.Table(rows)
}

// aim is how much of its vision tower's rate an import should reach.
const aim = 0.9

// reached holds the import to the aim, by the median round.
func (m modelResult) reached() string {
	us, limit := m.find(ours), m.find(alone)
	if len(us.Turns) == 0 || len(limit.Turns) == 0 {
		return ""
	}
	share := us.over(limit).Median
	verdict := "reached"
	if share < aim {
		verdict = "missed"
	}
	return fmt.Sprintf("\nThe import runs at %s of its vision tower's own rate; the aim of %s is %s.\n", report.Digits(share), report.Digits(aim), verdict)
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
		names[i] = name + " " + report.Digits(t.Stages[name])
	}
	return fmt.Sprintf("\nOf an import of %s s (%s s with the start of the program), its stages were busy, in seconds of all their goroutines: %s.\n",
		report.Digits(t.Seconds), report.Digits(t.Wall), strings.Join(names, ", "))
}
