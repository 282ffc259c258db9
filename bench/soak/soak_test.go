package main

import (
	"strings"
	"testing"

	"sightline/bench/harness"
)

// TestWrong: everything that is not as promised is named, and nothing else is.
func TestWrong(t *testing.T) {
	r := &results{
		Duration: 100, Broken: 2, Jobs: map[string]int{"done": 9, "dead": 2},
		Phases:  []harness.Phase{{Name: "kill -9", Failed: 1, Searches: 2}, {Name: "serving", Searches: 9}},
		Samples: []harness.Sample{{At: 10, RSS: 1e6}, {At: 70, RSS: 200e6}, {At: 99, RSS: 201e6, Live: 20e6}},
	}
	r.trends()
	if all := r.wrong(); len(all) > 0 {
		t.Error(all)
	}
	if text := section(r, ""); !strings.Contains(text, "All was as it should be.") {
		t.Error(text)
	}
	r.Samples[2].RSS = 900e6
	r.trends()
	r.Phases[1].Failed, r.Jobs["dead"] = 1, 3
	r.Violations, r.Differences, r.Faults = []string{"a"}, []string{"b"}, []fault{{Name: "crowd", Error: "c"}}
	if all := r.wrong(); len(all) != 6 {
		t.Errorf("%d: %v", len(all), all)
	}
	if text := section(r, ""); !strings.Contains(text, "**Not as it should be:**") {
		t.Error(text)
	}
}

func TestOptions(t *testing.T) {
	for args, want := range map[string]string{"-n 3": "-n must be", "-rate 0": "-rate", "-duration 1s": "-duration", "x": "not a flag", "": ""} {
		var out strings.Builder
		_, err := parse(strings.Fields(args), &out)
		if want == "" != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", args, err)
		}
	}
}
