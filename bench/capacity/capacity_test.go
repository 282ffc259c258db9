package main

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"sightline/bench/capacity/sim"
	"sightline/bench/report"
)

const root = "../.."

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func openBook(t *testing.T) *book {
	t.Helper()
	m, err := sim.Read(filepath.Join(root, filepath.FromSlash(load)))
	if err != nil {
		t.Fatal(err)
	}
	b, err := newBook(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestFigures: every figure stands where it says. After a new measurement name
// the new file in costs.go, take its values over and run make bench-capacity.
func TestFigures(t *testing.T) {
	for _, f := range measured().all() {
		t.Run(f.What+" "+f.Unit, func(t *testing.T) {
			if f.File == versus {
				if got := median(t, f); math.Abs(got/f.Value-1) > 0.002 {
					t.Errorf("%s says %.4g, costs.go %.4g", f.File, got, f.Value)
				}
				return
			}
			text := read(t, f.File)
			if second, ok := strings.CutSuffix(f.File, "fp16-1.json"); ok {
				text += read(t, second+"fp16-2.json")
			}
			sum, parts := 0.0, strings.Split(f.Row, "|")
			for _, part := range parts {
				if !strings.Contains(text, part) {
					t.Errorf("%s has no %q any more", f.File, part)
				}
				var x float64
				if _, number, ok := strings.Cut(part, ": "); ok && json.Unmarshal([]byte(number), &x) != nil {
					t.Errorf("%q is no number", number)
				}
				sum += x
			}
			if got := sum / float64(len(parts)) / f.Per; f.Per > 0 && math.Abs(got/f.Value-1) > 0.002 {
				t.Errorf("%s says %.5g, costs.go %.5g", f.File, got, f.Value)
			}
		})
	}
}

// median of all turns of a row of bench/versus, as its page has it.
func median(t *testing.T, f figure) float64 {
	t.Helper()
	var all struct {
		Rows []struct {
			Table, Cell, Name string
			Batch             int
			Turns             [][]float64 `json:"turns_ms"`
		}
	}
	if err := json.Unmarshal([]byte(read(t, f.File)), &all); err != nil {
		t.Fatal(err)
	}
	for _, r := range all.Rows {
		if strings.Join([]string{r.Table, r.Cell, r.Name}, " | ") == f.Row {
			return report.SpreadOf(slices.Concat(r.Turns...)).Median / float64(max(r.Batch, 1))
		}
	}
	t.Fatalf("%s has no row %q", f.File, f.Row)
	return 0
}

// TestPage: the tables and the plot are what the tool prints.
func TestPage(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the tables were simulated on amd64; fused multiplications elsewhere may change a last digit")
	}
	b := openBook(t)
	page := read(t, "docs/scaling.md")
	if page != report.Replace(page, "capacity", b.section()) {
		t.Error("docs/scaling.md is not what the tool prints: run make bench-capacity")
	}
	if read(t, "docs/images/load.svg") != b.plot() {
		t.Error("docs/images/load.svg is not what the tool draws: run make bench-capacity")
	}
}

func TestPlan(t *testing.T) {
	b := openBook(t)
	p := b.plan(func(r *request) { r.Items, r.QPS = 1e6, 2 })
	for _, tt := range []struct {
		what      string
		got, want float64
	}{
		{"index", p.IndexRAM, 1e6 * 2151.8},
		{"patch states", p.StatesBytes, 1e6 * 448580},
		{"scan", p.ScanCore, 39.97},
		{"a search", p.SearchCore, 1e3*b.demo.front + 2*12.99 + 50*(2*4.495+0.11) + 39.97},
		{"busy cores", p.Cores, 2 * p.SearchCore / 1e3},
		{"traffic", p.Traffic, 2 * 50 * 448580},
	} {
		if math.Abs(tt.got/tt.want-1) > 1e-9 {
			t.Errorf("%s: %g, want %g", tt.what, tt.got, tt.want)
		}
	}
	if p.Store != "embedded" || p.Machines != 1 || p.GPUs != 0 {
		t.Errorf("plan %+v", p)
	}
	more := b.plan(func(r *request) { r.Items, r.QPS, r.Hits = 1e6, 8, 0.75 })
	if more.SearchCore != p.SearchCore || more.Cores != p.Cores {
		t.Errorf("8 searches a second of which 2 miss: %g cores, want %g", more.Cores, p.Cores)
	}
	large := b.plan(func(r *request) { r.Items, r.QPS, r.Model = 1e9, 1000, "gpu" })
	if large.Store != "milvus" || large.GPUs < 10 || large.Machines < large.GPUs || large.Nodes < 30 {
		t.Errorf("plan %+v", large)
	}
	if none := b.plan(func(r *request) { r.States = "none" }); none.StatesBytes != 0 || none.SearchCore >= p.SearchCore/2 {
		t.Errorf("plan %+v", none)
	}
}

func TestRun(t *testing.T) {
	var out bytes.Buffer
	if err := run([]string{"--root", root, "--items", "10e6", "--qps", "50", "--json"}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	var p plan
	if err := json.Unmarshal(out.Bytes(), &p); err != nil || p.Request.Items != 10e6 || p.Store != "milvus" {
		t.Errorf("%v, %+v", err, p)
	}
	out.Reset()
	if err := run([]string{"--root", root, "--model", "demo"}, &out, io.Discard); err != nil || !strings.Contains(out.String(), "core-ms") {
		t.Errorf("%v\n%s", err, out.String())
	}
	for _, args := range [][]string{{"--items", "0"}, {"--model", "huge"}, {"--states", "some"}, {"--hits", "1"}, {"--depth", "201"}, {"--root", "nowhere"}, {"more"}} {
		if err := run(args, io.Discard, io.Discard); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}

func TestCount(t *testing.T) {
	for x, want := range map[float64]string{1: "1", 999: "999", 1000: "1,000", 9994: "9,994", 10e3: "10,000", 372_000: "372,000", 10e6: "10 million", 1.5e9: "1.5 billion", 0.057: "0.057", 11.72: "11.7"} {
		if got := count(x); got != want {
			t.Errorf("%g: %q, want %q", x, got, want)
		}
	}
}
