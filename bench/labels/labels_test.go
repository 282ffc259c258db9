package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sightline/demo/catalogue"
	"sightline/indexer/labels"
)

// TestTruth: the list is one that the program takes, and every label is true of some
// pictures and not of others.
func TestTruth(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "manifest.json"), []byte(`{"split":"test","seed":3,"n":400}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeTruth(dir); err != nil {
		t.Fatal(err)
	}
	var set labels.Set
	for _, l := range labelList(catalogue.NewSchema()) {
		set = append(set, l.Label)
	}
	if err := set.Check(); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(dir, "truth.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	truth, err := labels.ReadTruth(f, set)
	if err != nil || len(truth) != 400 {
		t.Fatal(len(truth), err)
	}
	n := map[string]int{}
	for _, row := range truth {
		for _, name := range row.Labels {
			n[name]++
		}
	}
	for _, l := range set {
		if n[l.Name] == 0 || n[l.Name] == 400 {
			t.Errorf("%s is true of %d of 400", l.Name, n[l.Name])
		}
	}
}

// TestSection: a label without a threshold is in the table, and says so.
func TestSection(t *testing.T) {
	q := labels.Rate([]labels.Point{{Score: 1, True: true}, {Score: -1}}, 0)
	c := labels.Calibration{Labels: []labels.Calibrated{
		{Label: labels.Label{Name: "red", Texts: []string{"red"}}, Held: q, Zero: q},
		{Label: labels.Label{Name: "rare", Texts: []string{"rare"}}, Problem: "too few", Zero: q},
	}}
	text := section(&results{Calibration: c, F1: c, Seconds: 1, Run: labels.Summary{Items: 2, Scored: 2}}, "")
	for _, want := range []string{"| red ", "1.000 (0.21 to 1.00)", "| rare  | 1       | none", "2 pictures a second, or 4 pairs"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
