package labels_test

import (
	"fmt"
	"strings"
	"testing"

	"sightline/indexer/labels"
)

var twoLabels = labels.Set{{Name: "red", Texts: []string{"red"}}, {Name: "dotted", Texts: []string{"dotted"}}}

func TestReadTruth(t *testing.T) {
	all, err := labels.ReadTruth(strings.NewReader(`
{"id":"a","labels":["red"]}

{"id":"b","labels":[],"judged":["dotted"]}
`), twoLabels)
	if err != nil || len(all) != 2 || all[0].Labels[0] != "red" || all[1].Judged[0] != "dotted" {
		t.Fatalf("%+v %v", all, err)
	}
	lines := strings.Join([]string{
		`{"id":"a","labels":["red"]}`, `{"id":"a","labels":[]}`, `{"labels":[]}`, `{"id":"c"}`, `{"id":"d","labels":["rot"]}`,
		`{"id":"e","labels":["red"],"judged":["dotted"]}`, `{"id":"f","labels":[],"lables":[]}`, `{"id":"g","labels":[]} {}`, `[]`, `{"id":"h","labels":[`,
	}, "\n")
	_, err = labels.ReadTruth(strings.NewReader(lines), twoLabels)
	for n, want := range map[int]string{
		2: "is in line 1 too", 3: "has no id", 4: "write []", 5: `no label "rot"`, 6: "not among those judged", 7: "lables",
		8: "behind its object", 9: "must be as", 10: "must be as",
	} {
		line := fmt.Sprintf("line %d: ", n)
		if err == nil || !strings.Contains(err.Error(), line) || !strings.Contains(err.Error(), want) {
			t.Errorf("line %d: no %q in %v", n, want, err)
		}
	}
	if _, err := labels.ReadTruth(strings.NewReader(strings.Repeat("x", 2<<20)), twoLabels); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("a long line: %v", err)
	}
	if _, err := labels.ReadTruth(strings.NewReader(strings.Repeat("x\n", 1000)), twoLabels); err == nil || strings.Count(err.Error(), "line ") > 20 {
		t.Errorf("many lines: %v", err)
	}
}

// FuzzTruth: what is read names known labels and every item once.
func FuzzTruth(f *testing.F) {
	f.Add(`{"id":"a","labels":["red"]}` + "\n" + `{"id":"b","labels":[],"judged":["dotted","red"]}`)
	f.Add(`{"id":"a","labels":null}`)
	f.Add("{\"ID\":\"\\ud800\",\"labels\":[\"RED\"]}\r\n\r\n{}")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := labels.ReadTruth(strings.NewReader(text), twoLabels)
		if err != nil && all != nil {
			t.Fatal("lines beside an error")
		}
		seen := map[string]bool{}
		for _, row := range all {
			if row.ID == "" || seen[row.ID] || row.Labels == nil {
				t.Fatalf("%+v", row)
			}
			seen[row.ID] = true
			for _, name := range append(row.Labels, row.Judged...) {
				if name != "red" && name != "dotted" {
					t.Fatalf("%+v", row)
				}
			}
		}
	})
}
