package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/clitest"
	"sightline/indexer/capfilt"
)

// captionModel converts the captioning model of the demo.
func captionModel(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "captioner")
	indexd(t, nil, "model", "convert", "../../demo/model/captioning", "--out", dir).ok(t)
	return dir
}

// filtered is a catalogue of samples, some without titles and some with another's.
type filtered struct {
	environ       []string
	feed, data    string
	model, writer string
	out           string
	items         int
}

func newFiltered(t *testing.T) filtered {
	t.Helper()
	f := filtered{environ: clitest.Environ(t), writer: captionModel(t), out: filepath.Join(t.TempDir(), "report")}
	f.model, f.data = filepath.Join(t.TempDir(), "model"), filepath.Join(t.TempDir(), "data")
	indexd(t, nil, "model", "convert", "../../demo/model/retrieval", "--out", f.model).ok(t)
	dir := demoShop(t)
	data, err := os.ReadFile(filepath.Join(dir, "feed.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(data)) {
		f.items++
		var item map[string]any
		if err := json.Unmarshal([]byte(line), &item); err != nil {
			t.Fatal(err)
		}
		if f.items%3 == 0 {
			delete(item, "title")
		}
		if f.items%5 == 1 {
			item["title"] = "Three dotted dresses"
		}
		out, err := json.Marshal(item)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(out))
	}
	f.feed = filepath.Join(dir, "some.jsonl")
	writeFile(t, f.feed, []byte(strings.Join(lines, "\n")+"\n"))
	f.do(t, "import", f.feed)
	return f
}

// do runs a command over the catalogue.
func (f filtered) do(t *testing.T, args ...string) result {
	t.Helper()
	return indexd(t, f.environ, append(args, "--data", f.data, "--model", f.model)...).ok(t)
}

func (f filtered) filter(t *testing.T, flags ...string) (sum capfilt.Summary) {
	t.Helper()
	f.do(t, append([]string{"capfilt", "--captioner", f.writer, "--out", f.out, "--json"}, flags...)...).unmarshal(t, &sum)
	return sum
}

// TestCapfilt goes the whole way: judge, go on, apply, import again.
func TestCapfilt(t *testing.T) {
	f := newFiltered(t)
	dry := f.filter(t, "--dry-run", "--apply")
	if _, err := os.Stat(f.out); err == nil || dry.Left != f.items || dry.Judged+dry.Captioned != 0 {
		t.Errorf("a dry run made a report, or judged: %v %+v", err, dry)
	}
	alt := filepath.Join(t.TempDir(), "alt.csv")
	sum := f.filter(t, "--export", alt)
	if sum.Items != f.items || sum.Judged != f.items || sum.Missing == 0 || sum.Kept == 0 || sum.Flags[capfilt.Mismatch] == 0 || sum.Captioned != 0 {
		t.Errorf("%+v", sum)
	}
	for _, name := range []string{alt, filepath.Join(f.out, "report.csv"), filepath.Join(f.out, "report.html")} {
		if info, err := os.Stat(name); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if again := f.filter(t); again.Judged != 0 || again.Kept != sum.Kept || f.captions(t) != 0 {
		t.Errorf("a second run judged %d; %d captions in the catalogue", again.Judged, f.captions(t))
	}
	if n := f.filter(t, "--apply").Captioned; n != sum.Kept || f.captions(t) != n {
		t.Errorf("%d captions given of %d, %d in the catalogue", n, sum.Kept, f.captions(t))
	}
	// The shop's feed does not know of them, and changes nothing.
	f.do(t, "import", f.feed).says(t, cli.ExitOK, fmt.Sprintf("%d unchanged", f.items))
	if n := f.captions(t); n != sum.Kept {
		t.Errorf("%d captions after an import, want %d", n, sum.Kept)
	}
}

// captions counts the kept ones in the catalogue.
func (f filtered) captions(t *testing.T) (n int) {
	t.Helper()
	t.Run("read", func(t *testing.T) { // at whose end the folder is closed
		entries, err := openData(t, f.data, f.model).Index.Scan(t.Context(), "", 1000, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Item.Caption() != "" {
				n++
			}
		}
	})
	return n
}

// TestCapfiltKilled: what a killed run has judged is not judged again, and the end is
// that of a run in one go.
func TestCapfiltKilled(t *testing.T) {
	f := newFiltered(t)
	whole := f.filter(t)
	want, err := os.ReadFile(filepath.Join(f.out, "report.csv"))
	if err != nil {
		t.Fatal(err)
	}
	f.out = filepath.Join(t.TempDir(), "killed")
	path := filepath.Join(f.out, capfilt.ReportFile)
	var log clitest.Buffer
	c := start(t, f.environ, &log, "capfilt", "--captioner", f.writer, "--out", f.out, "--data", f.data, "--model", f.model)
	clitest.Eventually(t, "the first rows", func() bool {
		data, _ := os.ReadFile(path)
		return strings.Count(string(data), "\n") > 1
	})
	_ = c.Process.Kill() // it may just have ended
	_ = c.Wait()
	sum := f.filter(t)
	got, err := os.ReadFile(filepath.Join(f.out, "report.csv"))
	if err != nil || string(got) != string(want) || sum.Judged >= whole.Judged || sum.Kept != whole.Kept {
		t.Errorf("%v: %d judged after the kill of %d, tables alike: %v\n%s", err, sum.Judged, whole.Judged, string(got) == string(want), log.String())
	}
}

func TestCapfiltRefusals(t *testing.T) {
	f := newFiltered(t)
	run := func(args ...string) result {
		return indexd(t, f.environ, append([]string{"capfilt", "--data", f.data, "--model", f.model}, args...)...)
	}
	run("--out", f.out).want(t, cli.ExitUsage, "--captioner DIR")
	run("--captioner", f.writer).want(t, cli.ExitUsage, "--out DIR")
	run("--captioner", f.writer, "--out", f.out, "--samples", "0", "--margin", "-1").want(t, cli.ExitUsage, "--samples 0", "--margin -1")
	run("--captioner", f.model, "--out", f.out).want(t, cli.ExitFailed, "the model is for retrieval")
	openData(t, f.data, f.model)
	run("--captioner", f.writer, "--out", f.out).want(t, cli.ExitFailed, "has this data folder open; stop that program first")
}
