package main

import (
	"strings"
	"testing"

	"sightline/bench/harness"
)

// TestVerdict: a search that fails is an error, but for those that Milvus's
// absence excuses.
func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		phase, why string
		away       float64
		want       bool
	}{
		{killMilvus, "503: search: 503", 12, true},
		{killMilvus, "503: search: 503", 5, false},
		{killMilvus, "500: search: 500", 12, false},
		{"kill -9 redis", "503: search: 503", 12, false},
	} {
		r := &rehearsal{r: results{
			MilvusAway: c.away, Steps: []step{{Name: c.phase, OK: true}},
			Phases: []harness.Phase{{Name: c.phase, Searches: 9, Failed: 1, Failures: map[string]int{c.why: 1}}},
		}}
		if err := r.verdict(); (err == nil) != c.want {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// TestSection: it names what failed.
func TestSection(t *testing.T) {
	text := section(&results{
		Steps:  []step{{Name: "a step", Result: "lost: x\nlost: y"}},
		Phases: []harness.Phase{{Name: "a step", Failed: 1, Failures: map[string]int{"no answer: EOF": 1}}}, Violations: []string{"z was deleted"},
	}, "")
	for _, want := range []string{"**failed**", "lost: x; lost: y", "1 × `no answer: EOF`", "z was deleted", "raw results not kept"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestOptions(t *testing.T) {
	for args, want := range map[string]string{"-n 3": "-n must be", "-rate 0": "-rate", "-calm 0s": "-calm", "x": "not a flag", "": ""} {
		var out strings.Builder
		_, err := parse(strings.Fields(args), &out)
		if want == "" != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", args, err)
		}
	}
}
