package main

import (
	"encoding/json"
	"flag"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sightline/cmd/internal/clitest"
)

var update = flag.Bool("update", false, "write testdata anew")

// goldenRank is a line of testdata/golden.jsonl: where the wanted item stands
// before and after the second look at the first 50; 0 is not among 100.
type goldenRank struct {
	Query  string `json:"query"`
	Kind   string `json:"kind"`
	Wanted string `json:"wanted"`
	Before int    `json:"before"`
	After  int    `json:"after"`
}

// TestGoldenRankings searches a rendered shop with the model that is shipped,
// as a user would. A place may move where kernels of other processors round
// otherwise; more than a neighbour's place is a change of ranking.
func TestGoldenRankings(t *testing.T) {
	environ := clitest.Environ(t)
	dir := t.TempDir()
	catalogue, modelDir, dataDir := filepath.Join(dir, "catalogue"), filepath.Join(dir, "model"), filepath.Join(dir, "data")
	if out, err := exec.CommandContext(t.Context(), "go", "run", "sightline/demo/render", "--split=test", "--n=1000", "--seed=7", "--out="+catalogue).CombinedOutput(); err != nil {
		t.Fatalf("render: %v\n%s", err, out)
	}
	runIndexd(t, nil, "model", "convert", "../../demo/model/retrieval", "--out", modelDir)
	runIndexd(t, environ, "import", filepath.Join(catalogue, "feed.jsonl"), "--model", modelDir, "--data", dataDir)
	s := serve(t, environ, "--model", modelDir, "--data", dataDir)

	golden := filepath.Join("testdata", "golden.jsonl")
	if *update {
		writeGolden(t, golden, rankAll(t, s, chosen(t, filepath.Join(catalogue, "queries.jsonl"))))
	}
	want := readJSONL[goldenRank](t, golden)
	better, firsts := 0, 0
	for i, got := range rankAll(t, s, want) {
		w := want[i]
		if off(got.Before, w.Before) || off(got.After, w.After) {
			t.Errorf("%q: %s stands at %d, after the second look at %d; want %d and %d", w.Query, w.Wanted, got.Before, got.After, w.Before, w.After)
		}
		better += got.Before - got.After
		if got.After == 1 {
			firsts++
		}
	}
	if len(want) < 20 || better <= 0 || firsts < len(want)*9/10 {
		t.Errorf("%d queries, places won %d, first after the second look %d", len(want), better, firsts)
	}
}

// off says whether a place is another one: near the top by more than one,
// further down by more than a tenth.
func off(got, want int) bool {
	return got == 0 != (want == 0) || max(got-want, want-got) > max(1, want/10)
}

// chosen are queries of one relevant item, eight of each kind, whatever the
// model makes of them.
func chosen(t *testing.T, path string) []goldenRank {
	t.Helper()
	type query struct {
		Text, Kind string
		Relevant   []string
	}
	var out []goldenRank
	count := map[string]int{}
	for _, q := range readJSONL[query](t, path) {
		if len(q.Relevant) == 1 && count[q.Kind] < 8 {
			count[q.Kind]++
			out = append(out, goldenRank{Query: q.Text, Kind: q.Kind, Wanted: q.Relevant[0]})
		}
	}
	return out
}

func rankAll(t *testing.T, s *server, queries []goldenRank) []goldenRank {
	t.Helper()
	out := make([]goldenRank, len(queries))
	for i, q := range queries {
		q.Before, q.After = 0, 0
		var res answer
		s.get(t, "/v1/search?limit=100&depth=50&deadline_ms=30000&q="+url.QueryEscape(q.Query), &res)
		for _, h := range res.Hits {
			if h.ID == q.Wanted {
				q.Before, q.After = h.ITCRank, h.Rank
			}
		}
		out[i] = q
	}
	return out
}

func readJSONL[T any](t *testing.T, path string) []T {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []T
	for line := range strings.Lines(string(data)) {
		var v T
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		out = append(out, v)
	}
	return out
}

func writeGolden(t *testing.T, path string, ranks []goldenRank) {
	t.Helper()
	var b strings.Builder
	for _, r := range ranks {
		line, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(line, '\n'))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
