package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"strings"
	"testing"

	"sightline/demo/catalogue"
)

// TestCIDErLikeTheReference compares with pycocoevalcap; testdata/cider.py wrote it.
func TestCIDErLikeTheReference(t *testing.T) {
	data, err := os.ReadFile("testdata/cider.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Candidates []string
		References [][]string
		Scores     []float64
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	for i, c := range cases {
		for j, got := range cider(c.Candidates, c.References) {
			if math.Abs(got-c.Scores[j]) > 1e-6 {
				t.Errorf("case %d, %q: %v, want %v", i, c.Candidates[j], got, c.Scores[j])
			}
		}
	}
	if len(cases) < 5 {
		t.Errorf("only %d cases", len(cases))
	}
}

// TestTally: the catalogue's own captions are all true, and its negatives are not.
func TestTally(t *testing.T) {
	w, p := catalogue.NewWorld(), catalogue.NewParser()
	var right, wrong tally
	for _, pic := range w.Plan(catalogue.Test, 100, 5) {
		for _, c := range w.Captions(catalogue.Test, pic, 3, 2) {
			right.add(p, c.Text.Text, pic.Record)
			for _, n := range c.Negatives {
				wrong.add(p, n.Text, pic.Record)
			}
		}
	}
	if right.whole != right.all || right.exact != right.all || right.said < right.all {
		t.Errorf("true captions: %+v", right)
	}
	if wrong.whole != 0 || wrong.read != wrong.all || wrong.exact == 0 || wrong.types == wrong.exact {
		t.Errorf("false captions: %+v", wrong)
	}
	right.add(p, "a dog", catalogue.Record{})
	if right.read != right.all-1 {
		t.Errorf("a caption of other words was read: %+v", right)
	}
}

func TestRefusals(t *testing.T) {
	for want, args := range map[string][]string{
		"--model DIR": nil, "--n is 1": {"--model", "x", "--n", "0"}, "unknown split": {"--model", "x", "--split", "best"},
	} {
		if _, err := parse(args, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: error %v, want %q", args, err, want)
		}
	}
	if err := run(t.Context(), []string{"--help"}, &bytes.Buffer{}, &bytes.Buffer{}); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
