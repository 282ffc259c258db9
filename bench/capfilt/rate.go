package main

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"sightline/demo/catalogue"
	"sightline/indexer/capfilt"
)

// expected are the flags that answer a fault.
var expected = map[string][]string{
	otherShown: {capfilt.Mismatch}, siblingShow: {capfilt.Mismatch, capfilt.Stuffed}, swapped: {capfilt.Mismatch},
	stuffed: {capfilt.Stuffed}, sameShown: {capfilt.Placeholder}, flatShown: {capfilt.Placeholder}, foreign: {capfilt.Unknown},
}

// rated are the rows of a report with what is true of them.
type rated struct {
	*shop
	parser *catalogue.Parser
	truth  map[string]truth
	rows   map[string]capfilt.Row
}

func openRated(o options) (*rated, error) {
	s, err := openShop(o.catalogue)
	if err != nil {
		return nil, err
	}
	r := &rated{shop: s, parser: catalogue.NewParser(), truth: map[string]truth{}, rows: map[string]capfilt.Row{}}
	if err := eachLine(filepath.Join(o.catalogue, "truth.jsonl"), func(t truth) { r.truth[t.ID] = t }); err != nil {
		return nil, err
	}
	return r, eachLine(filepath.Join(o.report, capfilt.ReportFile), func(row capfilt.Row) {
		if row.ID != "" {
			r.rows[row.ID] = row
		}
	})
}

func rate(o options, w io.Writer) error {
	r, err := openRated(o)
	if err != nil {
		return err
	}
	r.faults(w)
	r.flags(w)
	r.titles(w)
	r.captions(w)
	return nil
}

// faults says what became of each kind.
func (r *rated) faults(w io.Writer) {
	fmt.Fprint(w, "| planted | items | flagged | as such | mismatch | stuffed | placeholder | unknown words |\n|---|---|---|---|---|---|---|---|\n")
	kinds := []string{clean}
	for _, s := range shares {
		kinds = append(kinds, s.fault)
	}
	for _, kind := range kinds {
		n, flagged, right, by := 0, 0, 0, map[string]int{}
		for id, t := range r.truth {
			if t.Fault != kind {
				continue
			}
			n++
			row := r.rows[id]
			if len(row.Flags) > 0 {
				flagged++
				by[row.Flags[0]]++
			}
			if slices.ContainsFunc(expected[kind], row.Flagged) {
				right++
			}
		}
		such := "–"
		if expected[kind] != nil {
			such = fmt.Sprint(right)
		}
		fmt.Fprintf(w, "| %s | %d | %d | %s | %d | %d | %d | %d |\n", kind, n, flagged, such,
			by[capfilt.Mismatch], by[capfilt.Stuffed], by[capfilt.Placeholder], by[capfilt.Unknown])
	}
}

// flags are precision and recall of each.
func (r *rated) flags(w io.Writer) {
	fmt.Fprint(w, "\n| flag | given | precision | recall |\n|---|---|---|---|\n")
	line := func(name string, flagged func(capfilt.Row) bool, meant func(string) bool) {
		given, right, all := 0, 0, 0
		for id, t := range r.truth {
			row := r.rows[id]
			if meant(t.Fault) {
				all++
			}
			if flagged(row) {
				given++
				if meant(t.Fault) {
					right++
				}
			}
		}
		fmt.Fprintf(w, "| %s | %d | %s | %s |\n", name, given, share(right, given), share(right, all))
	}
	for _, flag := range capfilt.Reasons() {
		line(flag, func(row capfilt.Row) bool { return row.Flagged(flag) }, func(f string) bool {
			return f != siblingShow && slices.Contains(expected[f], flag) || f == siblingShow && flag == capfilt.Mismatch
		})
	}
	line("any doubt, of all titles and pictures that are wrong", func(row capfilt.Row) bool {
		return len(row.Flags) > 0 && !row.Flagged(capfilt.Unknown)
	}, func(f string) bool { return f != clean && f != foreign && f != untitled })
}

// groups are the columns of titles.
var groups = map[string]int{otherShown: 0, siblingShow: 0, swapped: 0, stuffed: 1, clean: 2}

// titles are all thresholds that could have been chosen for titles.
func (r *rated) titles(w io.Writer) {
	fmt.Fprint(w, "\n| title rejected below | wrong pictures, swapped titles | stuffed titles | true titles |\n|---|---|---|---|\n")
	for _, p := range []float64{0.01, 0.1, 0.3, 0.5, 0.7, 0.9} {
		n, hit := map[int]int{}, map[int]int{}
		for id, t := range r.truth {
			row := r.rows[id]
			group, ok := groups[t.Fault]
			if !ok || row.Match == nil {
				continue
			}
			n[group]++
			if row.Match.Probability < p {
				hit[group]++
			}
		}
		fmt.Fprintf(w, "| %.2f | %s | %s | %s |\n", p, share(hit[0], n[0]), share(hit[1], n[1]), share(hit[2], n[2]))
	}
}

// captions says how true they are: all, those that the filter takes, those that
// beat the title by a margin.
func (r *rated) captions(w io.Writer) {
	fmt.Fprint(w, "\n| captions | number | read | exact | + numbers, places | of items whose title is true |\n|---|---|---|---|---|---|\n")
	line := func(name string, takes func(capfilt.Row) bool) {
		n, read, exact, whole, beside := 0, 0, 0, 0, 0
		for id, row := range r.rows {
			record, shows := r.records[r.truth[id].Shows]
			if row.Caption == nil || !shows || !takes(row) {
				continue
			}
			n++
			if r.truth[id].Fault == clean {
				beside++
			}
			spec, err := r.parser.Parse(strings.ToLower(row.Caption.Text))
			if err != nil {
				continue
			}
			read++
			if exactly(spec, record) {
				exact++
			}
			if catalogue.Matches(spec, record) {
				whole++
			}
		}
		fmt.Fprintf(w, "| %s | %d | %s | %s | %s | %d |\n", name, n, share(read, n), share(exact, n), share(whole, n), beside)
	}
	fits := func(row capfilt.Row, p float64) bool { return row.Caption.Probability >= p }
	line("all, the best sample of each picture", func(capfilt.Row) bool { return true })
	for _, p := range []float64{0.1, 0.5, 0.9} {
		line(fmt.Sprintf("probability %.1f and more", p), func(row capfilt.Row) bool { return fits(row, p) })
	}
	line("below 0.5, dropped", func(row capfilt.Row) bool { return !fits(row, 0.5) })
	for _, m := range []float64{0, 1, 2, 4} {
		line(fmt.Sprintf("0.5, and better than the title by %g", m), func(row capfilt.Row) bool {
			return fits(row, 0.5) && row.Match != nil && row.Caption.Margin >= row.Match.Margin+m
		})
	}
	line("kept", func(row capfilt.Row) bool { return row.Kept })
	line("kept, of items without a title", func(row capfilt.Row) bool { return row.Kept && row.Title == "" })
	line("kept, of items with a wrong title or picture", func(row capfilt.Row) bool {
		return row.Kept && row.Title != "" && r.truth[row.ID].Fault != clean
	})
}

// exactly says whether colours, patterns and sizes of each thing that a caption
// names are right, whatever it says of numbers and places; as demo/rate does.
func exactly(s catalogue.Spec, r catalogue.Record) bool {
	return !slices.ContainsFunc(s.Groups, func(g catalogue.Group) bool {
		g.Count = 0
		return !catalogue.Matches(catalogue.Spec{Groups: []catalogue.Group{g}}, r)
	})
}

func share(n, of int) string {
	if of == 0 {
		return "–"
	}
	return fmt.Sprintf("%.3f", float64(n)/float64(of))
}
