package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sightline/demo/catalogue"
	"sightline/indexer/capfilt"
)

// shopFolder is as much of a rendered catalogue as planting needs.
func shopFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "pictures"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "manifest.json"), []byte(`{"split":"val","seed":5,"n":400}`), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestPlant: every fault is one, what has none has none, and one seed plants the same.
func TestPlant(t *testing.T) {
	o := options{catalogue: shopFolder(t), report: t.TempDir(), seed: 1}
	if err := plant(o); err != nil {
		t.Fatal(err)
	}
	if err := writeLines(filepath.Join(o.report, capfilt.ReportFile), []capfilt.Row{}); err != nil {
		t.Fatal(err)
	}
	r, err := openRated(o)
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for id, x := range r.truth {
		count[x.Fault]++
		spec, err := r.parser.Parse(strings.ToLower(x.Title))
		fits := err == nil && catalogue.Matches(spec, r.records[x.Shows])
		if want := x.Fault == clean; want && (!fits || x.Shows != id) || !want && fits {
			t.Errorf("%+v: the title fits: %v", x, fits)
		}
	}
	for _, s := range shares {
		if count[s.fault] != 400*s.mille/1000 {
			t.Errorf("%s: %d of 400", s.fault, count[s.fault])
		}
	}
	first, err := os.ReadFile(filepath.Join(o.catalogue, "planted.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if err := plant(o); err != nil {
		t.Fatal(err)
	}
	if again, err := os.ReadFile(filepath.Join(o.catalogue, "planted.jsonl")); err != nil || !bytes.Equal(first, again) {
		t.Errorf("another run planted otherwise: %v", err)
	}
}

// TestRate: a report that knows all has full marks, one that flags all has none.
func TestRate(t *testing.T) {
	o := options{catalogue: shopFolder(t), report: t.TempDir(), seed: 1}
	if err := plant(o); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		flags func(truth) []string
		want  []string
	}{
		"all right": {func(x truth) []string {
			return expected[x.Fault][:min(1, len(expected[x.Fault]))]
		}, []string{"| mismatch | 60 | 1.000 | 1.000 |", "| stuffed | 20 | 1.000 | 1.000 |", "wrong | 88 | 1.000 | 1.000 |", "| none | 288 | 0 |"}},
		"all wrong": {func(truth) []string { return []string{capfilt.Stuffed} }, []string{"| mismatch | 0 | – | 0.000 |", "| stuffed | 400 | 0.050 | 1.000 |"}},
	} {
		var rows []capfilt.Row
		if err := eachLine(filepath.Join(o.catalogue, "truth.jsonl"), func(x truth) {
			rows = append(rows, capfilt.Row{ID: x.ID, Title: x.Title, Flags: slices.Clone(c.flags(x))})
		}); err != nil {
			t.Fatal(err)
		}
		if err := writeLines(filepath.Join(o.report, capfilt.ReportFile), rows); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := run(t.Context(), []string{"rate", "--catalogue", o.catalogue, "--report", o.report}, &out, &out); err != nil {
			t.Fatal(err)
		}
		for _, want := range c.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: no %q in\n%s", name, want, out.String())
			}
		}
	}
	if err := run(t.Context(), []string{"rate"}, &bytes.Buffer{}, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "usage") {
		t.Errorf("without a catalogue: %v", err)
	}
}
