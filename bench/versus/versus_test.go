package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sightline/bench/report"
	"sightline/encoder/bundle"
	"sightline/encoder/encodertest"
	"sightline/encoder/ort"
)

// TestMain lets the test's own program be a worker, as the benchmark's is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == serveCommand || os.Args[1] == withoutCommand) {
		if err := run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr); err != nil {
			_, _ = os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-rounds", "0"}, "above 0"},
		{[]string{"-seconds", "-1"}, "above 0"},
		{[]string{"-tables", "match,huge"}, `-tables "huge": use some of match, texts`},
		{[]string{"-quick", "-docs", "x"}, "leave out -docs"},
		{[]string{"extra"}, `"extra" is not a flag`},
	} {
		if _, err := parse(c.args, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.args, err, c.want)
		}
	}
	if o, err := parse([]string{"-quick"}, &bytes.Buffer{}); err != nil || o.rounds != 1 || len(o.tables) != len(allTables) {
		t.Errorf("%+v, %v", o, err)
	}
}

// TestPlan: a row of a cell is named once, each worker is one that can be
// started, and each ratio is of rows that are measured.
func TestPlan(t *testing.T) {
	seen := map[key]bool{}
	phased := slices.Concat(phases()...)
	for _, c := range (&options{compile: true}).plan() {
		for _, e := range c.entrants {
			k := key{c.table, c.title, e.name}
			if _, ok := workers()[e.worker]; !ok || seen[k] || c.batch < 1 {
				t.Errorf("%+v by %s, batch %d: twice, or by nobody", k, e.worker, c.batch)
			}
			seen[k] = true
		}
		if !slices.Contains(allTables, c.table) || !slices.Contains(phased, c.table) || !slices.ContainsFunc(tables(), func(h heading) bool { return h.table == c.table }) {
			t.Errorf("table %s is not shown", c.table)
		}
	}
	for _, a := range aims() {
		if !seen[a.ours] || !seen[a.theirs] {
			t.Errorf("%s is of rows that nobody measures", a.what)
		}
	}
}

func TestWithout(t *testing.T) {
	cells := []cell{{title: "a", entrants: []entrant{{worker: "x"}, {worker: "y"}}}, {title: "b", entrants: []entrant{{worker: "x"}}}}
	if got := needed(cells); !slices.Equal(got, []string{"x", "y"}) {
		t.Errorf("needed %v", got)
	}
	left := without(cells, "x")
	if len(left) != 1 || left[0].title != "a" || len(left[0].entrants) != 1 || len(cells[0].entrants) != 2 {
		t.Errorf("%+v of %+v", left, cells)
	}
}

func sample() *results {
	turns := func(ms ...float64) (all [][]float64) {
		for _, x := range ms {
			all = append(all, []float64{x, 2 * x, x})
		}
		return all
	}
	return &results{
		Machine: report.Machine{CPU: "Some Processor", Cores: 2, Load: "0.10 0.20 0.30"}, Model: "A model", Rounds: 2,
		Missing:  []string{"the fused kernel: it is not there"},
		Versions: map[string]string{"torch": "2.0", "onnxruntime": "1.0"},
		Rows: []row{
			{tableMatch, "L=8, batch 32", oursInt8, 32, turns(160, 320), []float64{0.01, 0.02}},
			{tableMatch, "L=8, batch 32", theirs, 32, turns(2560, 2560), []float64{0, 0.02}},
			{tableMatch, "L=8, batch 32", theirsHalf, 32, turns(640, 1280), nil},
			{tableMatch, "L=8, batch 8", asShipped, 8, turns(4800, 9600), nil},
			{tableVision, "pixels ready, one", int8Row, 1, turns(100, 100), nil},
			{tableVision, "pixels ready, one", theirsHalf, 1, turns(100, 100), nil},
		},
		Drift: &drift{Lowest: -5, Highest: 3, Pairs: 16, Max: map[string]float64{oursInt8: 0.0123}},
	}
}

// TestSection holds figures to ones worked out by hand: medians of all runs, and
// ratios of the same round.
func TestSection(t *testing.T) {
	text := section(sample(), "some/where/x.json")
	for _, want := range []string{
		"| **Sightline int8, states int8** | 10.0 (5.00)   | –            |", // of 5, 5, 10, 10, 10 and 20 ms
		"| transformers, fp32              | 80.0 (80.0) ",
		"| transformers as shipped, fp32   | –             | 1200 (600)   |",
		"| pair, L=8: int8 / transformers fp32, cached          | 12.0× (8.00–16.0) | ≥ 14×  | **missed** |",
		"| pair, L=8: int8 / transformers bf16, cached          | 4.00× (4.00–4.00) | ≥ 5×   | **missed** |",
		"| pair, L=8: int8 / transformers fp32 as shipped       | 120× (120–120)    | ≥ 120× | pass ",
		"| picture, pixels ready, one: int8 / transformers bf16 | 1.00× (1.00–1.00) | faster | **missed** |",
		"Not measured: the fused kernel: it is not there.", "Versions: onnxruntime 1.0, torch 2.0.",
		"bench/versus/results/x.json", "between -5.00 and 3.00", "| Sightline int8, states int8 | 1.2e-02 ",
		"Other programs had 1.5 % of the processors' time in the median turn, 2.0 % in the worst.\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	r := sample()
	r.Rows[0].Others = []float64{0.4, 0.5}
	if text := section(r, ""); !strings.Contains(text, "provisional") || strings.Contains(text, "### Without AMX") {
		t.Errorf("a busy machine is not said, or an empty table is shown:\n%s", text)
	}
	if r.Quick = true; strings.Contains(section(r, ""), "missed") {
		t.Error("a quick run's ratios are judged")
	}
}

func TestOthers(t *testing.T) {
	before := ticks{all: 1000, idle: 400, own: 50}
	for want, now := range map[float64]ticks{
		0.25: {all: 1200, idle: 450, own: 150}, // 200 passed: 50 idle, 100 its own
		0:    {all: 1200, idle: 500, own: 151},
	} {
		if got := now.others(before); got != want {
			t.Errorf("%+v: %g, want %g", now, got, want)
		}
	}
	if before.others(before) != 0 {
		t.Error("a share of no time")
	}
	if now := ticksNow(os.Getpid()); now.all == 0 || now.idle > now.all {
		t.Errorf("%+v", now)
	}
}

func TestTexts(t *testing.T) {
	all := texts(bundle.Tokenizer{Sep: 102}, 7, 3, 8)
	if len(all) != 3 || len(all[2]) != 8 || all[0][0] != 7 || all[1][7] != 102 || slices.Equal(all[0], all[1]) {
		t.Errorf("%v", all)
	}
}

// TestSmoke runs all that needs no Python on the demo model. A Python without
// transformers is a line in the section.
func TestSmoke(t *testing.T) {
	if _, err := ort.FindLibrary(os.Getenv); err != nil {
		encodertest.Missing(t, "onnxruntime", err)
	}
	dir := t.TempDir()
	o, err := parse([]string{"-quick", "-tables", "match,texts,vision,captions,avx2", "-demo", "../../demo/model/retrieval", "-python", "/no/such/python", "-dir", dir, "-results", filepath.Join(dir, "results")}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	var out, log bytes.Buffer
	b := &bench{options: o, log: &log}
	if err := b.run(t.Context(), &out); err != nil {
		t.Fatalf("%v\n%s", err, &log)
	}
	if text := out.String(); !strings.Contains(text, "Not measured: transformers: PYTHON names") || !strings.Contains(text, "/no/such/python") {
		t.Errorf("a missing Python is not named:\n%s", text)
	}
	names := map[string]bool{}
	for _, r := range b.r.Rows {
		names[r.Table+r.Name] = true
		if len(r.Turns) != 1 || len(r.Turns[0]) == 0 || slices.Min(r.Turns[0]) <= 0 || len(r.Others) != 1 {
			text, _ := json.Marshal(r)
			t.Errorf("%s", text)
		}
	}
	for _, want := range []string{tableMatch + oursExact, tableMatch + oursMixed, tableMatch + oursInt8, tableTexts + int8Row + fromPixels, tableVision + fp32, tableWrite + int8Row} {
		if !names[want] {
			t.Errorf("no row %s", want)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "sightline-*")); len(left) > 0 {
		t.Error("temporary data is left:", left)
	}
}

// TestWorkerFaults: a worker says what is wrong, and goes on.
func TestWorkerFaults(t *testing.T) {
	if _, err := start(t.Context(), nil, "/bin/sh", "-c", "echo broken >&2; exit 3"); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("a worker that ends at once: %v", err)
	}
	p, err := start(t.Context(), []string{"NAME=x"}, "/bin/sh", "-c", `echo "{\"name\":\"$NAME\"}"; read line; echo "{\"error\":\"no\"}"; read line; echo "{\"ms\":[1]}"`)
	if err != nil || p.about["name"] != "x" {
		t.Fatalf("%v %v", p, err)
	}
	if _, err := p.ask(t.Context(), request{}); err == nil || err.Error() != "no" {
		t.Errorf("error %v", err)
	}
	if a, err := p.ask(t.Context(), request{}); err != nil || len(a.MS) != 1 {
		t.Errorf("%v %v", a, err)
	}
	if err := p.close(); err != nil {
		t.Error(err)
	}
}
