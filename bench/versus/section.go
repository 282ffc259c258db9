package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"sightline/bench/report"
)

// versus is the name of this benchmark's section, folder and make target.
const versus = "versus"

// section of the results: captions that were measured alone have one of their own.
func (r *results) section() (name, title string) {
	if len(r.Rows) > 0 && !slices.ContainsFunc(r.Rows, func(x row) bool { return x.Table != tableWrite }) {
		return versus + "-" + tableWrite, "Captions beside transformers"
	}
	return versus, "Beside transformers"
}

// section is the whole text of one run's results.
func section(r *results, from string) string {
	var b strings.Builder
	name, title := r.section()
	fmt.Fprintf(&b, "## %s\n\n`make bench-%s`, %s, %s; commit %s, %s.\nVersions: %s.\n",
		title, name, r.Date.Format("2006-01-02 15:04 MST"), r.Machine, r.Commit, report.Source(versus, from), report.Versions(r.Versions))
	o := r.others()
	fmt.Fprintf(&b, "\nOther programs had %.1f %% of the processors' time in the median turn, %.1f %% in the worst.", 100*o.Median, 100*o.Highest)
	if r.Quick || r.Machine.Busy() || o.Median > quiet {
		b.WriteString(" **The machine was not idle: these figures are provisional.**")
	}
	b.WriteByte('\n')
	for _, what := range r.Missing {
		fmt.Fprintf(&b, "\nNot measured: %s.\n", strings.TrimRight(what, "."))
	}
	fmt.Fprintf(&b, "\n%s, the same for all. Everybody keeps its model loaded and takes turns in %d rounds, one at work at a time, in the reverse order\n"+
		"every second round. Milliseconds a pair, picture or text: median, and in brackets the fastest, of all runs after a first one.\n", r.Model, r.Rounds)
	for _, t := range tables() {
		if text := r.table(t.table); text != "" {
			fmt.Fprintf(&b, "\n### %s\n\n%s%s", t.title, text, t.note)
		}
	}
	if !r.Quick {
		b.WriteString(r.ratios())
	}
	b.WriteString(r.drifts())
	return b.String()
}

// heading introduces a table.
type heading struct{ table, title, note string }

func tables() []heading {
	return []heading{
		{tableMatch, "A text with many pictures", "\nPatch states were kept, except as shipped, which is `BlipForImageTextRetrieval` called as its documentation shows: with the pixels of every pair.\n"},
		{tableTexts, "A picture with 128 texts", "\ntransformers reads one picture's kept states, expanded over the texts as a view. \"Vision tower included\" begins with pixels.\n"},
		{tableVision, "The vision tower", "\n\"Pixels ready\" begins with normalised pixels; from a file there are decoding, resizing and normalising in it (JPEG, 800×600).\n"},
		{tableText, "A text's embedding", ""},
		{tableWrite, "Captions", "\nA BLIP-base captioner with random weights, which never come to an end by themselves: everybody writes 20 ids (`min_length` = `max_length` = 20). transformers\n" +
			"is `generate`, as its documentation calls it; decoding alone is `text_decoder.generate` over patch states that were kept. Milliseconds a picture.\n"},
		{tableNoAMX, "Without AMX", "\nThe operating system refused AMX to both sides (a seccomp filter); transformers also had `ONEDNN_MAX_CPU_ISA=AVX512_CORE_VNNI`, Sightline `SIGHTLINE_CPU=avx512`.\n"},
		{tableAVX2, "With AVX2", "\ntransformers had AVX2 and no more by switches of oneDNN, MKL and ATen, Sightline's own kernel by `SIGHTLINE_CPU=avx2`. ONNX Runtime has no switch: CPUID\n" +
			"answered it as a processor without AVX-512 would (CPUID faulting). Clock, caches and memory are still this processor's.\n"},
	}
}

// table has a row for each entrant and a column for each cell; "" where nothing
// was measured.
func (r *results) table(table string) string {
	var cells, names []string
	for _, x := range r.Rows {
		if x.Table != table {
			continue
		}
		if !slices.Contains(cells, x.Cell) {
			cells = append(cells, x.Cell)
		}
		if !slices.Contains(names, x.Name) {
			names = append(names, x.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	slices.SortStableFunc(names, func(a, b string) int { return side(a) - side(b) })
	rows := [][]string{append([]string{""}, cells...)}
	for _, n := range names {
		line := []string{n}
		if side(n) > 0 {
			line[0] = "**" + n + "**"
		}
		for _, c := range cells {
			text := "–"
			if x := r.find(table, c, n); len(x.Turns) > 0 {
				s := x.spread()
				text = fmt.Sprintf("%s (%s)", report.Digits(s.Median), report.Digits(s.Lowest))
			}
			line = append(line, text)
		}
		rows = append(rows, line)
	}
	return report.Table(rows)
}

// side puts Sightline's rows behind the others.
func side(row string) int {
	if strings.HasPrefix(row, "Sightline") {
		return 1
	}
	return 0
}

// drifts is how far logits are apart.
func (r *results) drifts() string {
	if r.Drift == nil {
		return ""
	}
	rows := [][]string{{"", "largest difference"}}
	for _, n := range slices.Sorted(maps.Keys(r.Drift.Max)) {
		rows = append(rows, []string{n, fmt.Sprintf("%.1e", r.Drift.Max[n])})
	}
	return fmt.Sprintf("\n### How far logits are apart\n\nFrom those of transformers in fp32, which lie between %.2f and %.2f: both ITM logits of %d pairs (%d pictures, L=8 and 16), from the same\n"+
		"pixels. Sightline's bundles see with their own vision tower, bf16 and torch's int8 read transformers' fp32 patch states. Random weights: docs/models.md has the demo model's.\n\n%s",
		r.Drift.Lowest, r.Drift.Highest, r.Drift.Pairs, pictures, report.Table(rows))
}
