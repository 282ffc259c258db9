package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/clitest"
	"sightline/cmd/internal/eval"
	"sightline/rerank/blend"
)

// TestEvalFit fits weights to the samples; a server of the same model takes the
// file, one of another does not.
func TestEvalFit(t *testing.T) {
	environ := clitest.Environ(t)
	path := filepath.Join(t.TempDir(), "weights.json")
	args := []string{"eval", "--queries", filepath.Join(clitest.Samples, "queries.jsonl"), "--depths", "50", "--data", data(t, environ, "auto"), "--model", model(t)}
	out, errs, code := searchd(t, environ, append(args, "--fit", path, "--json")...)
	if code != cli.ExitOK {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	var r struct {
		Model   string              `json:"model"`
		Weights *eval.WeightsReport `json:"weights"`
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil || r.Weights == nil || len(r.Weights.Folds) != eval.Folds {
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := blend.ReadWeights(strings.NewReader(string(text)), r.Model)
	if err != nil || w.Fitted.Queries != 50 || w.Logit != r.Weights.Weights.Logit || !(w.Logit > 0) {
		t.Errorf("%v: %s", err, text)
	}
	if _, err := blend.ReadWeights(strings.NewReader(string(text)), "another"); err == nil {
		t.Error("another model took the weights")
	}
}

func TestEvalFitUsage(t *testing.T) {
	environ := clitest.Environ(t)
	for want, args := range map[string][]string{
		"make the folder":       {"--queries", "x", "--fit", "nowhere/w.json"},
		"the largest only once": {"--queries", "x", "--fit", "w.json", "--depths", "50,20,50"},
		"does not go with":      {"--karpathy", "x", "--images", "y", "--fit", "w.json"},
		"--queries FILE.jsonl":  {"--fit", "w.json"},
	} {
		if _, errs, code := searchd(t, environ, append([]string{"eval"}, args...)...); code != cli.ExitUsage || !strings.Contains(errs, want) {
			t.Errorf("%v: exit code %d, %s", args, code, errs)
		}
	}
}
