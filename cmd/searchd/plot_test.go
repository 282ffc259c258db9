package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/clitest"
)

func TestEvalPlot(t *testing.T) {
	environ := clitest.Environ(t)
	for want, path := range map[string]string{".svg or .png": "a.pdf", "make the folder": "nowhere/a.png"} {
		if _, errs, code := searchd(t, environ, "eval", "--queries", "nowhere.jsonl", "--plot", path); code != cli.ExitUsage || !strings.Contains(errs, want) {
			t.Errorf("%s: exit code %d, %s", path, code, errs)
		}
	}
	path := filepath.Join(t.TempDir(), "quality.svg")
	args := []string{"eval", "--queries", filepath.Join(samples, "queries.jsonl"), "--depths", "20", "--plot", path, "--data", data(t, environ, "auto"), "--model", model(t)}
	if out, errs, code := searchd(t, environ, args...); code != cli.ExitOK || !strings.Contains(out, "50 queries") {
		t.Fatalf("exit code %d: %s%s", code, out, errs)
	}
	if svg, err := os.ReadFile(path); err != nil || !strings.Contains(string(svg), ">50 queries, model ") || !strings.Contains(string(svg), ">20</text>") {
		t.Errorf("%v: %.300s", err, svg)
	}
}
