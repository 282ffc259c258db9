package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"sightline/bench/report"
)

func TestTables(t *testing.T) {
	got := tables("said\n\n| a | b |\n|---|---|\n| x | **1** |\n\nmore\n| c |\n|---|\n| – |")
	want := []table{{{"a", "b"}, {"x", "1"}}, {{"c"}, {"–"}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%q", got)
	}
}

func TestSection(t *testing.T) {
	r := &results{Machine: report.Machine{Load: "1 1 1"}, Pictures: 100, Captions: table{{"", "exact"}, {"greedy", "0.9"}}, Faults: []table{{{"planted"}, {"none"}}}}
	r.Runs = []evaluation{{Name: "fp32", By: "text", Bytes: 5000}, {Name: "pooled", By: "text", Bytes: 1700}}
	const text = `{"queries": 2, "rows": [{"depth": 0, "r1": 0.5, "by_kind": {"set": {"r1": 0.25}}}, {"depth": 50, "r1": 0.75, "ndcg10": 0.9, "by_kind": {"set": {"r1": 1}}}],
		"swaps": [{"kind": "colour", "pairs": 3, "itc": 0.5, "reranked": 1}], "reliability": {"pairs": 7, "brier": 0.01, "ece": 0.02}}`
	for i := range r.Runs {
		if err := json.Unmarshal([]byte(text), &r.Runs[i].Eval); err != nil {
			t.Fatal(err)
		}
	}
	got := section(r, "x.json")
	for _, want := range []string{"| set     | 0.250 / 0.000      | 1.000 / 0.000    |", "| pooled                              | 17 ", "| colour ", "Brier score 0.0100", "| greedy | 0.9   |", "| planted |", "quality/results/x.json"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Count(got, "### Searches by") != 1 {
		t.Error("only the first way has tables of its own")
	}
}

func TestSize(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{"models/x/features/a", "models/x/b"} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, make([]byte, 10), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := size(dir, "features"); err != nil || n != 10 {
		t.Error(n, err)
	}
}

func TestStart(t *testing.T) {
	var out, errs strings.Builder
	if err := start([]string{"-n", "10"}, &out, &errs); err == nil || !strings.Contains(err.Error(), "100 to 100000") {
		t.Error(err)
	}
	if err := start([]string{"-programs", t.TempDir()}, &out, &errs); err == nil || !strings.Contains(err.Error(), "render") {
		t.Error(err)
	}
}
