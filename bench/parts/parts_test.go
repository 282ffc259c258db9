package main

import (
	"strings"
	"testing"

	"sightline/bench/report"
)

const printed = `goos: linux
pkg: sightline/store/x
BenchmarkGet/448_KB-2   	    100	  120000 ns/op	 450000 B/op	 2 allocs/op
BenchmarkGet/448_KB-2   	    100	  110000 ns/op	 450001 B/op	 2 allocs/op	 99.5 hits
PASS
pkg: sightline/store/y
BenchmarkGet-2   	1000000000	  0.5 ns/op
ok  	sightline/store/y	1.2s
`

func TestRead(t *testing.T) {
	rows := read(printed)
	if len(rows) != 2 || rows[0].Package != "store/x" || rows[0].Name != "Get/448_KB" || rows[0].least("ns/op") != 110000 || rows[0].most("ns/op") != 120000 || rows[1].Package != "store/y" {
		t.Fatalf("%+v", rows)
	}
	text := section(&results{Machine: report.Machine{Load: "3 3 3"}, Rows: rows}, "x.json")
	for _, want := range []string{"| store/x | Get/448_KB | 110 µs  | 120 µs  | 450000 | 2           | 99.5 hits |", "0.50 ns", "provisional", "`bench/parts/results/x.json`"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestRun(t *testing.T) {
	var out, errs strings.Builder
	if err := run(t.Context(), []string{"-only", "no such package"}, &out, &errs); err == nil || !strings.Contains(err.Error(), "no such package") {
		t.Error(err)
	}
	if err := run(t.Context(), []string{"-runs", "0"}, &out, &errs); err == nil {
		t.Error("no runs passed")
	}
}

// TestSuites: the packages are there and have benchmarks.
func TestSuites(t *testing.T) {
	for _, s := range suites {
		if !strings.HasPrefix(s[0], "./") || s[1] == "" {
			t.Error(s)
		}
	}
}
