package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
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

// pictureQueries writes pictures of the samples as searches for their items.
func pictureQueries(t *testing.T, n int) string {
	t.Helper()
	var lines bytes.Buffer
	files := picturesOf(t)
	for _, id := range slices.Sorted(maps.Keys(files))[:n] {
		file, err := filepath.Abs(files[id])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.NewEncoder(&lines).Encode(map[string]any{"image": file, "relevant": []string{id}}); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "views.jsonl")
	if err := os.WriteFile(path, lines.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestEvalPictures: searches by picture have a row of each depth, whose second
// look read titles. A picture of the catalogue is nearest to itself, and its
// title is not always the likeliest.
func TestEvalPictures(t *testing.T) {
	environ := clitest.Environ(t)
	args := []string{"eval", "--queries", pictureQueries(t, 12), "--depths", "10,50", "--data", data(t, environ, "auto"), "--model", model(t)}
	out, errs, code := searchd(t, environ, append(args, "--json")...)
	if code != cli.ExitOK {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	var r eval.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil || len(r.Rows) != 3 || r.Queries != 12 || r.Reliability == nil {
		t.Fatalf("%v: %s", err, out)
	}
	for i, depth := range []int{0, 10, 50} {
		if row := r.Rows[i]; row.Depth != depth || row.Cut != 0 || row.R10 < 0.5 || depth == 0 && row.R1 != 1 {
			t.Errorf("%+v", row)
		}
	}
	if r.Reliability.Pairs != 12*50 {
		t.Errorf("%d titles were read, want %d", r.Reliability.Pairs, 12*50)
	}
	for _, flag := range [][]string{{"--calibrate"}, {"--fit", filepath.Join(t.TempDir(), "w.json")}} {
		if _, errs, code := searchd(t, environ, append(args, flag...)...); code != cli.ExitUsage || !strings.Contains(errs, "take queries with text") {
			t.Errorf("%v: exit code %d, %s", flag, code, errs)
		}
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
