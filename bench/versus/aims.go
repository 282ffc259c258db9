package main

import (
	"fmt"
	"math"
	"slices"

	"sightline/bench/report"
)

// key names a row of the results.
type key struct{ table, cell, name string }

// aim is a ratio that is to be reached; 0 is one that is shown only.
type aim struct {
	what         string
	ours, theirs key
	least        float64
}

// aims are what the project promises itself.
func aims() (all []aim) {
	match := func(n int, row string) key { return key{tableMatch, fmt.Sprintf("L=%d, batch 32", n), row} }
	for i, n := range lengths {
		at := func(least [2]float64) float64 { return least[i] }
		shipped := key{tableMatch, fmt.Sprintf("L=%d, batch 8", n), asShipped}
		all = append(all,
			aim{fmt.Sprintf("pair, L=%d: fp32 / transformers fp32, cached", n), match(n, oursExact), match(n, theirs), at([2]float64{3.8, 2.3})},
			aim{fmt.Sprintf("pair, L=%d: int8 / transformers fp32, cached", n), match(n, oursInt8), match(n, theirs), at([2]float64{14, 8})},
			aim{fmt.Sprintf("pair, L=%d: int8 / transformers bf16, cached", n), match(n, oursInt8), match(n, theirsHalf), at([2]float64{5, 3})},
			aim{fmt.Sprintf("pair, L=%d: int8 / transformers bf16 weights, cached", n), match(n, oursInt8), match(n, "transformers, bf16 weights"), 0},
			aim{fmt.Sprintf("pair, L=%d: int8 / transformers fp32 as shipped", n), match(n, oursInt8), shipped, at([2]float64{120, 70})},
			aim{fmt.Sprintf("pair, L=%d: the fused kernel / int8 without it", n), match(n, oursInt8), match(n, oursPlain), 0},
		)
	}
	for _, title := range []string{"pixels ready, one", "pixels ready, batch 8", "from a JPEG file's bytes, one"} {
		vision := func(row string) key { return key{tableVision, title, row} }
		all = append(all,
			aim{"picture, " + title + ": int8 / transformers fp32", vision(int8Row), vision(theirs), 3},
			aim{"picture, " + title + ": int8 / transformers bf16", vision(int8Row), vision(theirsHalf), math.Nextafter(1, 2)},
			aim{"picture, " + title + ": fp32 / transformers fp32", vision(fp32), vision(theirs), 0})
	}
	for _, n := range lengths {
		cell := fmt.Sprintf("L=%d", n)
		texts := func(row string) key { return key{tableTexts, cell, row} }
		shipped := key{tableMatch, fmt.Sprintf("L=%d, batch 8", n), asShipped}
		all = append(all,
			aim{"128 texts, " + cell + ": int8 / transformers fp32, cached", texts(int8Row), texts(theirs), 10},
			aim{"128 texts, " + cell + ": int8 / transformers bf16, cached", texts(int8Row), texts(theirsHalf), 0},
			aim{"128 texts, " + cell + ": fp32 / transformers fp32, cached", texts(fp32), texts(theirs), 0},
			aim{"128 texts, " + cell + ": int8 with the tower / as shipped", texts(int8Row + fromPixels), shipped, 10})
	}
	return slices.Concat(all, writes(), limited())
}

// writes are ratios of captions.
func writes() (all []aim) {
	for _, c := range captions() {
		at := func(row string) key { return key{tableWrite, c.title, row} }
		all = append(all,
			aim{"caption, " + c.title + ": int8 / transformers fp32", at(int8Row), at(theirs), 3},
			aim{"caption, " + c.title + ": fp32 / transformers fp32", at(fp32), at(theirs), 0},
			aim{"caption, " + c.title + ": int8 / transformers bf16", at(int8Row), at(theirsHalf), 0})
	}
	return all
}

// limited are ratios on a processor that may do less.
func limited() (all []aim) {
	for _, table := range []heading{{table: tableNoAMX, title: "without AMX"}, {table: tableAVX2, title: "with AVX2"}} {
		for _, n := range lengths {
			at := func(row string) key { return key{table.table, fmt.Sprintf("L=%d, batch 32", n), row} }
			all = append(all,
				aim{fmt.Sprintf("pair, L=%d, %s: int8 / transformers fp32, cached", n, table.title), at(oursInt8), at(theirs), 0},
				aim{fmt.Sprintf("pair, L=%d, %s: fp32 / transformers fp32, cached", n, table.title), at(oursExact), at(theirs), 0})
		}
	}
	return all
}

func (a aim) verdict(ratio float64) (least, verdict string) {
	switch {
	case a.least == 0:
		return "", ""
	case a.least > 1 && a.least < 1.001:
		least = "faster"
	default:
		least = fmt.Sprintf("≥ %g×", a.least)
	}
	if ratio >= a.least {
		return least, "pass"
	}
	return least, "**missed**"
}

// ratios has every aim whose two rows were measured.
func (r *results) ratios() string {
	rows := [][]string{{"", "ratio", "aim", ""}}
	for _, a := range aims() {
		mine, other := r.find(a.ours.table, a.ours.cell, a.ours.name), r.find(a.theirs.table, a.theirs.cell, a.theirs.name)
		if len(mine.Turns) == 0 || len(other.Turns) == 0 {
			continue
		}
		s := mine.over(other)
		least, verdict := a.verdict(s.Median)
		rows = append(rows, []string{a.what, fmt.Sprintf("%s× (%s–%s)", report.Digits(s.Median), report.Digits(s.Lowest), report.Digits(s.Highest)), least, verdict})
	}
	if len(rows) == 1 {
		return ""
	}
	return "\n### Ratios and aims\n\nHow many times faster Sightline is: the median of the rounds, each its own ratio; in brackets the lowest and the highest round. As shipped runs 8 pairs at\n" +
		"a time, which are 8 whole passes; its 128 texts are reckoned from the same figure.\n\n" + report.Table(rows)
}
