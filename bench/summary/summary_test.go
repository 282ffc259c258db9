package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sightline/bench/report"
)

func openBook(t *testing.T) *book {
	t.Helper()
	b, err := open("../..")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestPages: the tables are what the raw results say, and so are sentences.
func TestPages(t *testing.T) {
	b := openBook(t)
	for page, text := range b.sections() {
		has, err := b.text(page)
		if err != nil {
			t.Fatal(err)
		}
		if has != report.Replace(has, name, text) {
			t.Errorf("%s is not what the raw results say: run make bench-summary", page)
		}
	}
	if err := b.disagreements(); err != nil {
		t.Error(err)
	}
	if err := b.err(); err != nil {
		t.Error(err)
	}
}

// TestChangedResults: another figure in a file of raw results, and a sentence that is
// no longer true, are noticed.
func TestChangedResults(t *testing.T) {
	b := openBook(t)
	before := b.readme()
	for i := range b.versus.Rows {
		if r := &b.versus.Rows[i]; (entrant{r.Table, r.Cell, r.Name}) == pair8 {
			r.Turns = [][]float64{{3200}, {3200}, {3200}}
		}
	}
	if after := b.readme(); after == before || !strings.Contains(after, "**100 ms**") {
		t.Error("the README does not follow the results")
	}
	if err := b.disagreements(); err == nil || !strings.Contains(err.Error(), "docs/faq.md has to say: 100 ms a candidate for 8 tokens, so about 5.0 s") {
		t.Error(err)
	}
	b.versus.Rows = nil
	if b.byQuestion(); b.err() == nil {
		t.Error("rows that are missing are not noticed")
	}
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	page := filepath.Join(dir, "p.md")
	b := &book{root: dir}
	for text, want := range map[string]string{
		"nothing": "has no section",
		"<!-- x: written -->\n`bench/x/results/1.json`\n<!-- end of x -->": "not there",
	} {
		if err := os.WriteFile(page, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := b.read(&source{page: "p.md", mark: "x"}, &parts{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestRun(t *testing.T) {
	var out, errs strings.Builder
	if err := run([]string{"-root", "../..", "-print"}, &out, &errs); err != nil || !strings.Contains(out.String(), "## By question") || !strings.Contains(out.String(), "## Speed") {
		t.Errorf("%v\n%s", err, out.String())
	}
	if err := run([]string{"-root", t.TempDir()}, &out, &errs); err == nil || !strings.Contains(err.Error(), "-root") {
		t.Error(err)
	}
}
