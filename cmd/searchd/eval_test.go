package main

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/clitest"
	"sightline/cmd/internal/eval"
)

// TestEval holds the report to what transformers' rankings of the samples give.
func TestEval(t *testing.T) {
	environ := clitest.Environ(t)
	var want struct {
		Summary struct {
			ITC, Reranked struct{ R1, NDCG10 float64 }
		}
	}
	text, err := os.ReadFile(filepath.Join(clitest.Samples, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	args := []string{"eval", "--queries", filepath.Join(clitest.Samples, "queries.jsonl"), "--depths", "50", "--data", data(t, environ, "auto"), "--model", model(t)}
	out, errs, code := searchd(t, environ, append(args, "--json")...)
	if code != cli.ExitOK {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	var r eval.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil || len(r.Rows) != 2 || r.Queries != 50 {
		t.Fatalf("%v: %s", err, out)
	}
	for i, w := range []struct{ R1, NDCG10 float64 }{want.Summary.ITC, want.Summary.Reranked} {
		row := r.Rows[i]
		if math.Abs(row.R1-w.R1) > 1e-9 || math.Abs(row.NDCG-w.NDCG10) > 1e-6 || row.Cut != 0 || row.P50 <= 0 || row.P95 > 30_000 {
			t.Errorf("depth %d: %+v, want R@1 %g, nDCG@10 %g", row.Depth, row, w.R1, w.NDCG10)
		}
	}
	if out, _, code = searchd(t, environ, args...); code != cli.ExitOK || !strings.Contains(out, "none (ITC)  0.920") {
		t.Errorf("exit code %d, table:\n%s", code, out)
	}
}

func TestEvalUsage(t *testing.T) {
	environ := clitest.Environ(t)
	for want, args := range map[string][]string{
		"--queries": {"eval"},
		"1 to 200":  {"eval", "--queries", "x", "--depths", "0"},
		"nowhere":   {"eval", "--queries", "nowhere"},
	} {
		if _, errs, code := searchd(t, environ, args...); code != cli.ExitUsage || !strings.Contains(errs, want) {
			t.Errorf("%v: exit code %d, %s", args, code, errs)
		}
	}
}
