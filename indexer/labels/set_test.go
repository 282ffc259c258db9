package labels_test

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sightline/indexer/labels"
)

func TestParse(t *testing.T) {
	set, err := labels.Parse([]any{
		map[string]any{"name": "striped", "texts": []any{"striped", "stripy"}, "group": "pattern", "threshold": 1.5},
		map[string]any{"name": "weapon", "texts": "a weapon", "threshold": -2, "action": "hide", "model": "sha256:x"},
	})
	want := labels.Set{
		{Name: "striped", Texts: []string{"striped", "stripy"}, Group: "pattern", Threshold: 1.5},
		{Name: "weapon", Texts: []string{"a weapon"}, Threshold: -2, Action: labels.Hide, Model: "sha256:x"},
	}
	if err != nil || !reflect.DeepEqual(set, want) {
		t.Errorf("%+v %v", set, err)
	}
	if got := set.With(labels.Hide, labels.Flag); !reflect.DeepEqual(got, []string{"weapon"}) {
		t.Errorf("%v", got)
	}
}

// TestParseAllProblems: everything that is wrong is told at once.
func TestParseAllProblems(t *testing.T) {
	_, err := labels.Parse([]any{
		"red",
		map[string]any{"name": "a", "texts": []any{"x", 1}, "treshold": 1},
		map[string]any{"name": 3, "texts": []any{"x"}},
		map[string]any{"name": "b", "texts": []any{}},
		map[string]any{"name": "c", "texts": []any{""}, "action": "reject"},
		map[string]any{"name": "d", "texts": []any{"x"}, "threshold": "high"},
		map[string]any{"name": "e", "texts": []any{strings.Repeat("x", 201)}, "threshold": math.NaN()},
		map[string]any{"name": "e", "texts": []any{"x"}},
	})
	for _, want := range []string{
		"number 1: must have a name", `"a": texts must be a list of texts`, `"a": there is no "treshold"`, "number 3: name must be text",
		`"b": has no texts`, `"c": texts are 1 to 200`, `"c": action "reject": use none, flag or hide`, `"d": threshold must be a number`,
		`"e": texts are`, `"e": the threshold must be a finite`, `"e": the name is given twice`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in:\n%v", want, err)
		}
	}
	if _, err := labels.Parse("x"); err == nil || !strings.Contains(err.Error(), "must be a list") {
		t.Errorf("%v", err)
	}
	many := make([]any, 100)
	for i := range many {
		many[i] = map[string]any{"name": strings.Repeat("n", i+1), "texts": []any{"a", "b", "c", "d", "e"}}
	}
	if _, err := labels.Parse(many); err == nil || !strings.Contains(err.Error(), "the limit is 64") || !strings.Contains(err.Error(), "the limit is 256") {
		t.Errorf("%v", err)
	}
}

// TestGiven: of a group at most one label is given, the best; every other by itself.
func TestGiven(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "labels")
		set, margins := make(labels.Set, n), make([]float64, n)
		for i := range set {
			set[i] = labels.Label{
				Name: string(rune('a' + i)), Texts: []string{"x"}, Group: rapid.SampledFrom([]string{"", "p", "q"}).Draw(t, "group"),
				Threshold: float64(rapid.IntRange(-3, 3).Draw(t, "threshold")),
			}
			margins[i] = float64(rapid.IntRange(-4, 4).Draw(t, "margin"))
		}
		given, in := set.Given(margins), map[string]int{}
		for i, l := range set {
			has := strings.Contains(strings.Join(given, ""), l.Name)
			best := true
			for j, other := range set {
				if l.Group != "" && other.Group == l.Group && (margins[j] > margins[i] || margins[j] == margins[i] && j < i) {
					best = false
				}
			}
			if want := best && margins[i] >= l.Threshold; has != want {
				t.Fatalf("%s: %v, want %v of %+v %v", l.Name, has, want, set, margins)
			}
			if has && l.Group != "" {
				in[l.Group]++
			}
		}
		if in["p"] > 1 || in["q"] > 1 {
			t.Fatalf("%v of %+v", given, set)
		}
	})
}
