package catalogue_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"sightline/demo/catalogue"
)

// case_ is a line of testdata/matches.jsonl, which ports of Matches are tried on.
type case_ struct {
	Record catalogue.Record `json:"record"`
	Spec   catalogue.Spec   `json:"spec"`
	Match  bool             `json:"match"`
}

func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// Types 17 and 28 stand for any two; colours 0 to 11, patterns 0 to 5.
func TestMatches(t *testing.T) {
	const (
		single = `{"o":[[17,0,1,1,9,4]]}`
		row    = `{"o":[[17,0,1,1,9,4],[28,4,0,1,2,2]],"r":[[0,0,1]]}`
		on     = `{"o":[[17,0,1,1,9,4],[28,4,0,1,2,2]],"r":[[1,0,1]]}`
		three  = `{"o":[[17,0,1,1,9,4],[17,0,1,1,9,4],[28,4,0,1,2,2]],"r":[[0,0,1],[0,0,2],[0,1,2]]}`
	)
	for _, c := range []struct {
		name, record, spec string
		want               bool
	}{
		{"type only", single, `{"g":[[0,17,-1,-1,-1,-1,-1]]}`, true},
		{"other type", single, `{"g":[[0,28,-1,-1,-1,-1,-1]]}`, false},
		{"all attributes", single, `{"g":[[1,17,0,1,1,9,4]]}`, true},
		{"other colour", single, `{"g":[[1,17,1,-1,-1,-1,-1]]}`, false},
		{"other pattern", single, `{"g":[[1,17,-1,0,-1,-1,-1]]}`, false},
		{"other size", single, `{"g":[[1,17,-1,-1,2,-1,-1]]}`, false},
		{"body and part exchanged", single, `{"g":[[1,17,9,-1,-1,0,-1]]}`, false},
		{"parts exchanged", single, `{"g":[[1,17,-1,-1,-1,4,9]]}`, false},
		{"second part", single, `{"g":[[1,17,-1,-1,-1,-1,4]]}`, true},
		{"two of one", single, `{"g":[[2,17,-1,-1,-1,-1,-1]]}`, false},
		{"others may be there", row, `{"g":[[1,28,4,-1,-1,-1,-1]]}`, true},
		{"both in any order", row, `{"g":[[1,28,4,-1,-1,-1,-1],[1,17,0,-1,-1,-1,-1]]}`, true},
		{"colours exchanged", row, `{"g":[[1,28,0,-1,-1,-1,-1],[1,17,4,-1,-1,-1,-1]]}`, false},
		{"left of", row, `{"g":[[1,17,0,-1,-1,-1,-1],[1,28,4,-1,-1,-1,-1]],"r":[[0,0,1]]}`, true},
		{"right of", row, `{"g":[[1,17,0,-1,-1,-1,-1],[1,28,4,-1,-1,-1,-1]],"r":[[0,1,0]]}`, false},
		{"beside", row, `{"g":[[1,28,4,-1,-1,-1,-1],[1,17,0,-1,-1,-1,-1]],"r":[[3,0,1]]}`, true},
		{"not on", row, `{"g":[[1,17,0,-1,-1,-1,-1],[1,28,4,-1,-1,-1,-1]],"r":[[1,0,1]]}`, false},
		{"on", on, `{"g":[[1,17,0,-1,-1,-1,-1],[1,28,4,-1,-1,-1,-1]],"r":[[1,0,1]]}`, true},
		{"under is not on", on, `{"g":[[1,17,0,-1,-1,-1,-1],[1,28,4,-1,-1,-1,-1]],"r":[[1,1,0]]}`, false},
		{"on is not beside", on, `{"g":[[1,17,0,-1,-1,-1,-1],[1,28,4,-1,-1,-1,-1]],"r":[[3,0,1]]}`, false},
		{"two", three, `{"g":[[2,17,0,-1,-1,-1,-1]]}`, true},
		{"one of two is not one", three, `{"g":[[1,17,0,-1,-1,-1,-1]]}`, false},
		{"at least one of two", three, `{"g":[[0,17,0,-1,-1,-1,-1]]}`, true},
		{"two left of one", three, `{"g":[[2,17,0,-1,-1,-1,-1],[1,28,-1,-1,-1,-1,-1]],"r":[[0,0,1]]}`, true},
		{"nothing claimed", single, `{"g":[]}`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := catalogue.Matches(decode[catalogue.Spec](t, c.spec), decode[catalogue.Record](t, c.record))
			if got != c.want {
				t.Errorf("%s in %s: got %v", c.spec, c.record, got)
			}
		})
	}
}

func TestRelationsOutsideAreRefused(t *testing.T) {
	for _, text := range []string{`{"o":[[1,1,1,1,1,1]],"r":[[0,0,1]]}`, `{"o":[],"r":[[0,-1,0]]}`, `{"o":1}`} {
		if err := new(catalogue.Record).UnmarshalJSON([]byte(text)); err == nil {
			t.Errorf("record %s was taken", text)
		}
	}
	for _, text := range []string{`{"g":[[1,1,1,1,1,1,1]],"r":[[0,0,1]]}`, `[]`} {
		if err := new(catalogue.Spec).UnmarshalJSON([]byte(text)); err == nil {
			t.Errorf("spec %s was taken", text)
		}
	}
}

// naive follows the rule of the package comment as a port would, on the JSON.
func naive(spec, record []byte) bool {
	var s struct{ G, R [][]int }
	var r struct{ O, R [][]int }
	if json.Unmarshal(spec, &s) != nil || json.Unmarshal(record, &r) != nil {
		return false
	}
	at := make([]map[int]bool, len(s.G))
	for k, g := range s.G {
		at[k] = map[int]bool{}
		for i, o := range r.O {
			fits := true
			for c, want := range g[1:] {
				fits = fits && (want < 0 || want == o[c])
			}
			if fits {
				at[k][i] = true
			}
		}
		if len(at[k]) == 0 || g[0] > 0 && len(at[k]) != g[0] {
			return false
		}
	}
	for _, want := range s.R {
		found := false
		for _, is := range r.R {
			forward := at[want[1]][is[1]] && at[want[2]][is[2]]
			backward := at[want[1]][is[2]] && at[want[2]][is[1]]
			found = found || want[0] == is[0] && forward || want[0] == 3 && is[0] == 0 && (forward || backward)
		}
		if !found {
			return false
		}
	}
	return true
}

// vectors are true and false cases of every kind: captions and negatives of
// their own picture, and of the next one.
func vectors(t *testing.T) []case_ {
	w := catalogue.NewWorld()
	var out []case_
	var before catalogue.Record
	for _, p := range w.Plan(catalogue.Test, 120, 11) {
		for _, c := range w.Captions(catalogue.Test, p, 2, 4) {
			for _, text := range append(c.Negatives, c.Text) {
				out = append(out, case_{p.Record, text.Spec, catalogue.Matches(text.Spec, p.Record)})
			}
			out = append(out, case_{before, c.Spec, catalogue.Matches(c.Spec, before)})
		}
		before = p.Record
	}
	return out
}

func TestMatchesVectors(t *testing.T) {
	golden(t, "testdata/matches.jsonl", func() ([]byte, error) {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		for _, c := range vectors(t) {
			if err := e.Encode(c); err != nil {
				return nil, err
			}
		}
		return b.Bytes(), nil
	})
	f, err := os.Open("testdata/matches.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	yes, no := 0, 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var raw struct {
			Record, Spec json.RawMessage
			Match        bool
		}
		if err := json.Unmarshal(lines.Bytes(), &raw); err != nil {
			t.Fatal(err)
		}
		if naive(raw.Spec, raw.Record) != raw.Match {
			t.Errorf("the rule of the package comment disagrees: %s", lines.Text())
		}
		if raw.Match {
			yes++
		} else {
			no++
		}
	}
	if yes < 150 || no < 300 {
		t.Errorf("%d true and %d false cases are too few", yes, no)
	}
}
