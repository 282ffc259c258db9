package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/clitest"
	"sightline/indexer/labels"
	"sightline/store"
)

const someLabels = `labels:
  - {name: hat, texts: [a hat], group: kind, action: flag}
  - {name: mug, texts: [a mug], group: kind}
  - {name: dotted, texts: [dotted, spotted], threshold: -1, action: hide}
`

// labelledShop is a small catalogue with a list of labels.
func labelledShop(t *testing.T) (f filtered, list string) {
	t.Helper()
	f = filtered{environ: clitest.Environ(t), data: filepath.Join(t.TempDir(), "data"), model: filepath.Join(t.TempDir(), "model")}
	indexd(t, nil, "model", "convert", "../../demo/model/retrieval", "--out", f.model).ok(t)
	f.feed, f.items = filepath.Join(demoShop(t), "feed.jsonl"), 40
	list = filepath.Join(t.TempDir(), "labels.yaml")
	writeFile(t, list, []byte(someLabels))
	return f, list
}

// given are the labels in the catalogue, by id.
func (f filtered) given(t *testing.T) (all map[string][]string) {
	t.Helper()
	all = map[string][]string{}
	t.Run("read", func(t *testing.T) { // at whose end the folder is closed
		entries, err := openData(t, f.data, f.model).Index.Scan(t.Context(), "", 1000, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if _, ok := e.Item.Labelling(); ok {
				all[e.Item.ID] = e.Item.Labels()
			}
		}
	})
	return all
}

// TestLabels: labels of an import are those of a run afterwards, and those that scoring
// each pair by itself gives.
func TestLabels(t *testing.T) {
	f, list := labelledShop(t)
	f.do(t, "import", f.feed)
	if given := f.given(t); len(given) != 0 {
		t.Errorf("labels without a list: %v", given)
	}
	var sum labels.Summary
	f.do(t, "labels", "--labels", list, "--json", "--dry-run").unmarshal(t, &sum)
	if sum.Left != f.items || sum.Scored != 0 {
		t.Errorf("dry: %+v", sum)
	}
	f.do(t, "labels", "--labels", list, "--json").unmarshal(t, &sum)
	given := f.given(t)
	if sum.Scored != f.items || len(given) != f.items || sum.Labels["dotted"] == 0 || sum.Hidden != sum.Labels["dotted"] {
		t.Errorf("%+v, %v", sum, given)
	}
	f.do(t, "labels", "--labels", list, "--json").unmarshal(t, &sum)
	if sum.Scored != 0 || sum.Items != f.items {
		t.Errorf("again: %+v", sum)
	}
	f.do(t, "import", f.feed, "--labels", list).says(t, cli.ExitOK, fmt.Sprintf("%d unchanged", f.items))
	f.direct(t, list, given)
	out := f.do(t, "labels", "list", "--labels", list, "--action", "hide").out
	if n := strings.Count(out, "\n"); n != sum.Hidden || !strings.Contains(out, "\tdotted\t") {
		t.Errorf("%d lines, want %d:\n%s", n, sum.Hidden, out)
	}
	f.data = filepath.Join(t.TempDir(), "at-once")
	f.do(t, "import", f.feed, "--labels", list)
	if at := f.given(t); fmt.Sprint(at) != fmt.Sprint(given) {
		t.Errorf("at import: %v\nwant %v", at, given)
	}
}

// direct scores every pair by itself, and compares.
func (f filtered) direct(t *testing.T, list string, given map[string][]string) {
	t.Helper()
	ids := []string{"labels", "score", "--labels", list, "--json"}
	for id := range given {
		if len(ids) < 12 {
			ids = append(ids, id)
		}
	}
	for line := range strings.Lines(f.do(t, ids...).out) {
		var row labelScore
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		picture := filepath.Join(filepath.Dir(f.feed), "pictures", row.ID+".png")
		for name, text := range map[string]string{"hat": "a hat", "mug": "a mug"} {
			var one pairScore
			indexd(t, f.environ, "model", "score", "--model", f.model, "--image", picture, "--text", text, "--json").ok(t).unmarshal(t, &one)
			if got, want := row.Margins[name], one.Logits.Margin(); math.Abs(got-want) > 1e-3 {
				t.Errorf("%s, %s: margin %g, by itself %g", row.ID, text, got, want)
			}
		}
		if fmt.Sprint(row.Given) != fmt.Sprint(append([]string{}, given[row.ID]...)) {
			t.Errorf("%s: %v, stored %v", row.ID, row.Given, given[row.ID])
		}
	}
}

// TestLabelsKilled: a killed run has lost at most what it had not written, and the end is
// that of a run in one go.
func TestLabelsKilled(t *testing.T) {
	f, list := labelledShop(t)
	f.do(t, "import", f.feed)
	var log clitest.Buffer
	c := start(t, f.environ, &log, "labels", "--labels", list, "--data", f.data, "--model", f.model)
	_ = c.Process.Kill() // wherever it is
	_ = c.Wait()
	var sum labels.Summary
	f.do(t, "labels", "--labels", list, "--json").unmarshal(t, &sum)
	if given := f.given(t); len(given) != f.items || sum.Items != f.items {
		t.Errorf("%+v: %d labelled", sum, len(given))
	}
}

// TestLabelsCalibrate: thresholds are written in the form in which they are taken.
func TestLabelsCalibrate(t *testing.T) {
	f, list := labelledShop(t)
	f.do(t, "import", f.feed, "--labels", list)
	dotted := f.given(t)
	var truth strings.Builder
	for id, names := range dotted {
		row, err := json.Marshal(labels.Truth{ID: id, Labels: append([]string{}, names...)})
		if err != nil {
			t.Fatal(err)
		}
		truth.Write(append(row, '\n'))
	}
	file, out := filepath.Join(t.TempDir(), "truth.jsonl"), filepath.Join(t.TempDir(), "fitted.yaml")
	writeFile(t, file, []byte(truth.String()))
	args := []string{"labels", "calibrate", "--labels", list, "--truth", file, "--out", out, "--data", f.data, "--model", f.model, "--json"}
	got := indexd(t, f.environ, args...)
	var c labels.Calibration
	got.unmarshal(t, &c)
	if got.code != cli.ExitSomeFailed || c.Fitted+c.Held != f.items || len(c.Labels) != 3 { // too few hats
		t.Errorf("%+v\n%s", c, got.errs)
	}
	text, err := os.ReadFile(out)
	if err != nil || !strings.Contains(string(text), "left out") {
		t.Errorf("%v\n%s", err, text)
	}
	writeFile(t, file, []byte(`{"id":"a","labels":["cup"]}`+"\n"+`{"id":"","labels":[]}`))
	indexd(t, f.environ, args...).says(t, cli.ExitUsage, `no label "cup"`, "line 2")
	indexd(t, f.environ, "labels", "--data", f.data, "--model", f.model).says(t, cli.ExitUsage, "there are no labels")
	indexd(t, f.environ, "labels", "list", "--labels", list, "--action", "reject", "--data", f.data, "--model", f.model).says(t, cli.ExitUsage, "use none, flag or hide")
	own := filepath.Join(t.TempDir(), "own.jsonl")
	writeFile(t, own, []byte(`{"id":"x","image":"x.png","`+store.AttributeLabels+`":["mine"]}`))
	indexd(t, f.environ, "import", own, "--data", f.data, "--model", f.model).says(t, cli.ExitSomeFailed, "reserved")
}
