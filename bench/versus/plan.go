package main

import (
	"fmt"
	"slices"
	"strings"

	"sightline/encoder/ort"
)

// entrant takes a turn in a cell.
type entrant struct {
	name   string // of its row
	worker string
	job    string // "" is the cell's
	way    string
}

// cell is one column of a table: a job of one size.
type cell struct {
	table, title  string
	job           string
	length, batch int
	texts         int // different ones; 1 is read with the whole batch
	beams         int // of captions
	entrants      []entrant
}

// The tables.
const (
	tableMatch  = "match"
	tableTexts  = "texts"
	tableVision = "vision"
	tableText   = "text"
	tableWrite  = "captions"
	tableNoAMX  = "no-amx"
	tableAVX2   = "avx2"
)

var allTables = []string{tableMatch, tableTexts, tableVision, tableText, tableWrite, tableNoAMX, tableAVX2}

// Rows that ratios are named after.
const (
	theirs     = "transformers, fp32"
	theirsHalf = "transformers, bf16 autocast"
	asShipped  = "transformers as shipped, fp32"
	oursExact  = "Sightline fp32, states fp32"
	oursMixed  = "Sightline fp32, states int8"
	oursInt8   = "Sightline int8, states int8"
	oursPlain  = "Sightline int8, states int8, without the fused kernel"
	fp32       = "Sightline fp32"
	int8Row    = "Sightline int8"
	fromPixels = ", vision tower included"
)

// worker is which program answers, and how it is limited.
type worker struct {
	python    bool
	precision string // of the bundle, where it is ours
	captions  bool   // of the captioner, not the retrieval model
	environ   []string
	noAMX     bool
}

// Workers' names.
const (
	python     = "transformers"
	pythonNoA  = "transformers without AMX"
	pythonAVX2 = "transformers with AVX2"
	exact      = "fp32"
	rounded    = "int8"
	plain      = "int8 plain"
	exactNoAMX = "fp32 without AMX"
	int8NoAMX  = "int8 without AMX"
	exactAVX2  = "fp32 with AVX2"
	int8AVX2   = "int8 with AVX2"

	pythonWriter  = "transformers captioning"
	exactWriter   = "fp32 captioning"
	roundedWriter = "int8 captioning"
)

// workers of a run. The libraries behind transformers each have a switch for less
// than the processor can do, Sightline's kernel has SIGHTLINE_CPU; ONNX Runtime
// has none: AMX is refused by the kernel, and what is above AVX2 is hidden.
func workers() map[string]worker {
	all := map[string]worker{
		python:     {python: true},
		pythonNoA:  {python: true, environ: []string{"ONEDNN_MAX_CPU_ISA=AVX512_CORE_VNNI"}, noAMX: true},
		pythonAVX2: {python: true, environ: []string{"ONEDNN_MAX_CPU_ISA=AVX2", "ATEN_CPU_CAPABILITY=avx2", "MKL_ENABLE_INSTRUCTIONS=AVX2"}, noAMX: true},
		exact:      {precision: exact},
		rounded:    {precision: rounded},
		plain:      {precision: rounded, environ: []string{kernelOff}},
		exactNoAMX: {precision: exact, environ: []string{"SIGHTLINE_CPU=avx512"}, noAMX: true},
		int8NoAMX:  {precision: rounded, environ: []string{"SIGHTLINE_CPU=avx512"}, noAMX: true},
		exactAVX2:  {precision: exact, environ: []string{"SIGHTLINE_CPU=avx2", maskVariable + "=1"}, noAMX: true},
		int8AVX2:   {precision: rounded, environ: []string{"SIGHTLINE_CPU=avx2", maskVariable + "=1"}, noAMX: true},

		pythonWriter:  {python: true, captions: true},
		exactWriter:   {precision: exact, captions: true},
		roundedWriter: {precision: rounded, captions: true},
	}
	for _, level := range kernels {
		all[ofKernel(level)] = worker{precision: rounded, environ: []string{"SIGHTLINE_CPU=" + level, kernelOn}}
	}
	return all
}

// kernelOff has the graphs run by ONNX Runtime alone, kernelOn by Sightline's
// kernel even where that is no gain.
const (
	kernelOff = ort.KernelVariable + "=" + ort.KernelOff
	kernelOn  = ort.KernelVariable + "=" + ort.KernelOn
)

// kernels are what Sightline's kernel can be limited to, by SIGHTLINE_CPU.
var kernels = []string{"avx512", "avx2", "portable"}

// ofKernel is the worker whose kernel is so limited, ONNX Runtime not.
func ofKernel(level string) string { return "int8 kernel " + level }

var lengths = []int{8, 16}

// plan is everything that is measured where everything is there.
func (o *options) plan() []cell {
	return slices.Concat(o.matches(), o.manyTexts(), visions(), embeddings(), captions(),
		less(tableNoAMX, pythonNoA, exactNoAMX, int8NoAMX), less(tableAVX2, pythonAVX2, exactAVX2, int8AVX2))
}

// less are the cells on a processor that may do less.
func less(table, baseline, exact, rounded string) (cells []cell) {
	for _, n := range lengths {
		cells = append(cells, cell{
			table: table, title: fmt.Sprintf("L=%d, batch 32", n), job: "match", length: n, batch: 32, texts: 1,
			entrants: []entrant{{theirs, baseline, "", "fp32"}, {oursExact, exact, "", "fp32"}, {oursInt8, rounded, "", "int8"}},
		})
	}
	return append(cells, cell{
		table: table, title: "vision tower, a picture", job: "vision", batch: 1,
		entrants: []entrant{{theirs, baseline, "", "fp32"}, {oursExact, exact, "", ""}, {oursInt8, rounded, "", ""}},
	})
}

// phases are tables whose workers run at the same time: all at once would take
// more memory than a small machine has.
func phases() [][]string {
	return [][]string{{tableMatch, tableTexts, tableVision, tableText}, {tableWrite}, {tableNoAMX}, {tableAVX2}}
}

// matches are one text with many pictures whose states were kept.
func (o *options) matches() (cells []cell) {
	for _, batch := range []int{32, 8} {
		for _, n := range lengths {
			c := cell{table: tableMatch, title: fmt.Sprintf("L=%d, batch %d", n, batch), job: "match", length: n, batch: batch, texts: 1}
			c.entrants = o.baselines("fp32", "bf16", "bf16 weights", "int8")
			if batch == 8 { // 5 s a turn: more would take minutes and show the same
				c.entrants = append(c.entrants, entrant{name: asShipped, worker: python, job: "pair", way: "fp32"})
			} else if o.compile {
				c.entrants = append(c.entrants, o.baselines("compiled", "bf16 compiled")...)
			}
			c.entrants = append(c.entrants, entrant{oursExact, exact, "", "fp32"}, entrant{oursMixed, exact, "", "int8"},
				entrant{oursInt8, rounded, "", "int8"}, entrant{oursPlain, plain, "", "int8"})
			for _, level := range kernels {
				if batch == 8 && !o.quick {
					c.entrants = append(c.entrants, entrant{oursInt8 + ", kernel limited to " + level, ofKernel(level), "", "int8"})
				}
			}
			cells = append(cells, c)
		}
	}
	return cells
}

// manyTexts are one picture with 128 texts.
func (o *options) manyTexts() (cells []cell) {
	for _, n := range lengths {
		c := cell{table: tableTexts, title: fmt.Sprintf("L=%d", n), job: "texts", length: n, batch: 128, texts: 128}
		c.entrants = append(o.baselines("fp32", "bf16", "bf16 weights"), entrant{fp32, exact, "", "fp32"}, entrant{int8Row, rounded, "", "int8"})
		for name, precision := range map[string]string{fp32: exact, int8Row: rounded} {
			c.entrants = append(c.entrants, entrant{name + fromPixels, precision, "see and match texts", ""})
		}
		slices.SortStableFunc(c.entrants, func(a, b entrant) int { return strings.Compare(b.name[:1], a.name[:1]) })
		cells = append(cells, c)
	}
	return cells
}

func visions() []cell {
	entrants := append((&options{}).baselines("fp32", "bf16", "bf16 weights"), entrant{fp32, exact, "", ""}, entrant{int8Row, rounded, "", ""})
	return []cell{
		{table: tableVision, title: "pixels ready, one", job: "vision", batch: 1, entrants: entrants},
		{table: tableVision, title: "pixels ready, batch 8", job: "vision", batch: 8, entrants: entrants},
		{table: tableVision, title: "from a JPEG file's bytes, one", job: "picture", batch: 1, entrants: entrants},
	}
}

func embeddings() (cells []cell) {
	for _, n := range lengths {
		cells = append(cells, cell{
			table: tableText, title: fmt.Sprintf("L=%d", n), job: "text", length: n, batch: 1, texts: 1,
			entrants: append((&options{}).baselines("fp32", "bf16", "bf16 weights"), entrant{fp32, exact, "", ""}, entrant{int8Row, rounded, "", ""}),
		})
	}
	return cells
}

// captions are texts of a picture: 20 ids, neither more nor fewer.
func captions() (all []cell) {
	entrants := []entrant{
		{theirs, pythonWriter, "", "fp32"},
		{theirsHalf, pythonWriter, "", "bf16"},
		{fp32, exactWriter, "", ""},
		{int8Row, roundedWriter, "", ""},
	}
	for _, w := range []struct{ title, job string }{{"from pixels", "caption"}, {"decoding alone", "write"}} {
		for _, beams := range []int{1, 3} {
			all = append(all, cell{table: tableWrite, title: captionTitle(beams, w.title), job: w.job, batch: 1, beams: beams, entrants: entrants})
		}
		all = append(all, cell{table: tableWrite, title: captionTitle(3, w.title) + ", batch 8", job: w.job, batch: 8, beams: 3, entrants: entrants})
	}
	return all
}

func captionTitle(beams int, of string) string {
	if beams == 1 {
		return "greedy, " + of
	}
	return fmt.Sprintf("%d beams, %s", beams, of)
}

// baselines are transformers' rows of those ways.
func (o *options) baselines(ways ...string) (all []entrant) {
	names := map[string]string{
		"fp32": theirs, "bf16": theirsHalf, "bf16 weights": "transformers, bf16 weights", "int8": "transformers, int8 (torch, dynamic)",
		"compiled": "transformers, fp32, torch.compile", "bf16 compiled": "transformers, bf16 autocast, torch.compile",
	}
	for _, way := range ways {
		all = append(all, entrant{name: names[way], worker: python, way: way})
	}
	return all
}
