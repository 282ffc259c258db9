package main

import (
	"fmt"
	"strings"

	"sightline/bench/capacity/sim"
	"sightline/bench/report"
)

// book is everything that the page is made of.
type book struct {
	figures  figures
	measured sim.Measured
	costs    sim.Costs // of the measured machine with the demo model
	demo     demoCosts
	known    map[float64][]sim.Result // curves, by deadline
}

// scatter of a run's time: the ±15 % between runs that docs/benchmarks.md gives.
const scatter = 0.15

func newBook(m sim.Measured) (*book, error) {
	c, err := m.Costs(scatter)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", load, err)
	}
	cores := float64(c.Cores)
	const tokens = 8 // of bench/load's texts, on average
	return &book{
		figures: measured(), measured: m, costs: c, known: map[float64][]sim.Result{},
		demo: demoCosts{front: c.Front * cores, pair: c.Token * tokens * cores},
	}, nil
}

// section is what is written into docs/scaling.md.
func (b *book) section() string {
	var s strings.Builder
	fmt.Fprintf(&s, "`make bench-capacity` writes this part, from `bench/capacity/costs.go` and `%s` (%s, %s).\n", load, b.measured.Date.Format("2006-01-02"), b.measured.Machine)
	for _, part := range []string{b.figureTable(), b.planTables(), b.checked(), b.sensitivity(), b.curves(), b.overload(), b.robin(), b.cards(), b.depths()} {
		s.WriteString("\n" + part)
	}
	return s.String()
}

func (b *book) figureTable() string {
	rows := [][]string{{"measured", "", "where"}}
	for _, f := range b.figures.all() {
		rows = append(rows, []string{f.What, report.Digits(f.Value) + " " + f.Unit, source(f.File)})
	}
	return fmt.Sprintf("### Figures\n\n%s\nFrom two closed loops of `bench/load` follow, of the demo model on 2 cores: %s ms of the whole machine for a request besides its pairs, %s ms a pair of 8 tokens.\nThe first is taken for every model's request, without its text.\n",
		report.Table(rows), report.Digits(1e3*b.costs.Front), report.Digits(8e3*b.costs.Token))
}

// source names a file shortly: its folder and day, or its page.
func source(file string) string {
	if name, ok := strings.CutPrefix(file, "docs/"); ok {
		return fmt.Sprintf("[%s](%[1]s)", name)
	}
	parts := strings.Split(file, "/")
	day, _, _ := strings.Cut(parts[3], "T")
	if parts[1] == "gpu" {
		day, _ = strings.CutSuffix(parts[3], "-h100")
	}
	return parts[0] + "/" + parts[1] + ", " + day
}

// catalogues and rates that the page plans for.
func catalogues() []float64 { return []float64{100e3, 10e6, 1e9} }
func rates() []float64      { return []float64{1, 50, 1000} }

func (b *book) plan(change func(*request)) plan {
	r := defaults()
	change(&r)
	return newPlan(r, b.figures, b.demo)
}

func (b *book) planTables() string {
	var s strings.Builder
	s.WriteString("### At rest, and the first import\n\n")
	rows := [][]string{{"pictures"}, {"index, memory of one copy"}, {"index, disk"}, {"patch states, full"}, {"patch states, pooled"}, {"originals of 100 kB (a guess)"}, {"Milvus query nodes of 64 GB, one copy (reckoned)"}, {"import, BLIP-base fp32"}, {"import, int8"}, {"import, H100"}}
	for _, items := range catalogues() {
		of := func(model, states string) plan {
			return b.plan(func(r *request) { r.Items, r.Model, r.States = items, model, states })
		}
		full, gpu := of("base-int8", "full"), of("gpu", "full")
		for i, text := range []string{
			count(items), size(full.IndexRAM) + map[string]string{"embedded": ", embedded", "milvus": ", Milvus (reckoned)"}[full.Store], size(full.IndexDisk), size(full.StatesBytes), size(of("base-int8", "pooled").StatesBytes), size(full.Pictures), count(full.Nodes),
			count(of("base-fp32", "full").ImportCore) + " core-hours", count(full.ImportCore) + " core-hours", count(gpu.ImportGPU) + " GPU-hours and " + count(gpu.ImportCore) + " core-hours",
		} {
			rows[i] = append(rows[i], text)
		}
	}
	s.WriteString(report.Table(rows))
	for _, items := range catalogues() {
		fmt.Fprintf(&s, "\n### %s pictures\n\n%s", count(items), b.rateTable(items))
	}
	return s.String()
}

// rateTable has a plan in each column.
func (b *book) rateTable(items float64) string {
	rows := [][]string{{"searches a second"}, {"store"}, {"a search, 50 read, CPUs and int8 (Milvus's own work not in it)"}, {"… cores busy"}, {"… machines of 16 cores"}, {"… core-hours a day"}, {"with cards: a search"}, {"… H100s"}, {"… machines, GPU-hours a day"}, {"without a second look: machines"}, {"patch states read"}}
	gives := map[string]bool{}
	var first strings.Builder
	for _, qps := range rates() {
		of := func(model, states string) plan {
			return b.plan(func(r *request) { r.Items, r.QPS, r.Model, r.States = items, qps, model, states })
		}
		cpu, gpu, bare := of("base-int8", "full"), of("gpu", "full"), of("base-int8", "none")
		for i, text := range []string{
			count(qps), cpu.Store, report.Digits(cpu.SearchCore) + " core-ms", count(cpu.Cores), count(cpu.Machines), count(cpu.CoreHour),
			report.Digits(gpu.SearchGPU) + " GPU-ms, " + report.Digits(gpu.SearchCore) + " core-ms", count(gpu.GPUs), count(gpu.Machines) + ", " + count(gpu.GPUHour),
			count(bare.Machines) + ", " + bare.Store, size(cpu.Traffic) + "/s",
		} {
			rows[i] = append(rows[i], strings.ReplaceAll(text, "milvus", "Milvus"))
		}
		for _, what := range cpu.First {
			if !gives[what] {
				fmt.Fprintf(&first, "- at %s a second: %s.\n", count(qps), what)
			}
			gives[what] = true
		}
	}
	return report.Table(rows) + "\nOn CPUs gives way first:\n\n" + first.String()
}

// String is the plan for a terminal.
func (p plan) String() string {
	rows := [][]string{{"", "", ""}}
	add := func(what, value, note string) { rows = append(rows, []string{what, value, note}) }
	r := p.Request
	add("store", strings.ReplaceAll(p.Store, "milvus", "Milvus"), "")
	add("index, memory of one copy", size(p.IndexRAM), map[string]string{"milvus": "reckoned, not measured"}[p.Store])
	add("index, disk", size(p.IndexDisk), map[string]string{"milvus": "as Milvus Lite's"}[p.Store])
	add("patch states", size(p.StatesBytes), r.States)
	add("pictures", size(p.Pictures), fmt.Sprintf("%s each", size(r.Picture)))
	add("first import", count(p.ImportCore)+" core-hours, "+count(p.ImportGPU)+" GPU-hours", "")
	add("a search", report.Digits(p.SearchCore)+" core-ms, "+report.Digits(p.SearchGPU)+" GPU-ms", map[string]string{"milvus": "without Milvus's own time"}[p.Store])
	add("busy cores", report.Digits(p.Cores), fmt.Sprintf("at %s a second", count(r.QPS)))
	add("machines", count(p.Machines), fmt.Sprintf("of %s cores, at %.0f %% of capacity", count(r.Cores), 100*r.Load))
	add("cards", count(p.GPUs), "H100")
	add("a day", count(p.CoreHour)+" core-hours, "+count(p.GPUHour)+" GPU-hours", "of work; machines stand there all day")
	add("Milvus query nodes", count(p.Nodes), "64 GB, one copy; reckoned, not measured")
	add("Redis", size(p.Redis), "a million kept answers")
	add("patch states read", size(p.Traffic)+"/s", "")
	add("gives way first", strings.Join(p.First, ". "), "")
	return report.Table(rows)
}

// count shows a number as people write it.
func count(x float64) string {
	for _, unit := range []struct {
		of   float64
		name string
	}{{1e9, " billion"}, {1e6, " million"}, {1e3, ",000"}} {
		if n := x / unit.of; n >= 1 && (unit.of > 1e3 || x >= 9995) {
			if unit.of == 1e3 {
				return fmt.Sprintf("%.0f,000", n)
			}
			return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", n), "0"), ".") + unit.name
		}
	}
	if x >= 1000 {
		return fmt.Sprintf("%d,%03d", int(x+0.5)/1000, int(x+0.5)%1000)
	}
	if x == float64(int(x)) {
		return fmt.Sprintf("%.0f", x)
	}
	return report.Digits(x)
}

// size shows bytes in powers of ten.
func size(x float64) string {
	for _, unit := range []struct {
		of   float64
		name string
	}{{1e15, "PB"}, {1e12, "TB"}, {1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}} {
		if x >= unit.of {
			return report.Digits(x/unit.of) + " " + unit.name
		}
	}
	return fmt.Sprintf("%.0f B", x)
}
