package report

import (
	"math"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestReplace(t *testing.T) {
	const begin, end = "<!-- x: written by `make bench-x`; edits are lost -->", "<!-- end of x -->"
	first := Replace("# Page\n\nText.\n", "x", "one\n")
	second := Replace(first+"\nMore.\n", "x", "two\n")
	if want := "# Page\n\nText.\n\n" + begin + "\ntwo\n" + end + "\n\nMore.\n"; second != want {
		t.Errorf("got %q, want %q", second, want)
	}
	if got := Replace("", "x", "one\n"); got != begin+"\none\n"+end+"\n" {
		t.Errorf("an empty page becomes %q", got)
	}
}

func TestShow(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.md")
	var out strings.Builder
	for range 2 { // a page that is not there, and one that has the section
		if err := Show(&out, "x", "text\n", page); err != nil {
			t.Fatal(err)
		}
	}
	if out.String() != "text\ntext\n" {
		t.Errorf("printed %q", out.String())
	}
	if err := Show(&out, "x", "text\n", filepath.Join(page, "under a file")); err == nil {
		t.Error("a page that cannot be written is no error")
	}
}

func TestResultsComeBack(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC)
	m := Machine{CPU: "Some(R) Processor", Cores: 2, Load: "0.3 0 0"}
	path, err := Write(filepath.Join(t.TempDir(), "new"), at, m, m)
	if err != nil || filepath.Base(path) != "2026-01-02T0304-some-processor-2-cores.json" {
		t.Fatalf("%s %v", path, err)
	}
	var got Machine
	if err := Read(path, &got); err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("%+v %v", got, err)
	}
	if err := Read(path+"x", &got); err == nil {
		t.Error("no file, no error")
	}
	if Source("x", path) != "raw results in `bench/x/results/2026-01-02T0304-some-processor-2-cores.json`" || Source("x", "") != "raw results not kept" {
		t.Error(Source("x", path), Source("x", ""))
	}
	if !m.Busy() || (Machine{Load: "0.2 9 9"}).Busy() {
		t.Error("busy is above a quarter of a core")
	}
}

func TestFigures(t *testing.T) {
	if got := SpreadOf([]float64{4, 1, 3, 2}); got != (Spread{2.5, 1, 4}) {
		t.Errorf("%+v", got)
	}
	for x, want := range map[float64]string{0: "0.00", 0.0123: "0.012", 1.234: "1.23", 12.34: "12.3", 123.4: "123", math.Inf(1): "+Inf"} {
		if got := Digits(x); got != want {
			t.Errorf("%g: %q, want %q", x, got, want)
		}
	}
	if got := Table([][]string{{"", "×"}, {"name", "1"}}); got != "|      | × |\n| ---- | - |\n| name | 1 |\n" {
		t.Errorf("%q", got)
	}
	if got := Versions(map[string]string{"b": "2", "a": "1"}); got != "a 1, b 2" {
		t.Error(got)
	}
}
