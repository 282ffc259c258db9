package eval

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"sightline/api"
)

func TestMeasure(t *testing.T) {
	log2 := math.Log2
	ten := strings.Split("a b c d e f g h i j k l", " ")
	tests := map[string]struct {
		relevant string
		want     Quality
	}{
		"first":         {"a", Quality{1, 1, 1, 1, 1, 1}},
		"third":         {"c", Quality{0, 1, 1, 1. / 3, 1 / log2(4), 1. / 3}},
		"sixth":         {"f", Quality{0, 0, 1, 1. / 6, 1 / log2(7), 1. / 6}},
		"eleventh":      {"k", Quality{0, 0, 0, 1. / 11, 0, 1. / 11}},
		"not there":     {"z", Quality{}},
		"first of two":  {"a z", Quality{1, 0.5, 0.5, 1, 1 / (1 + 1/log2(3)), 0.5}},
		"two":           {"b d", Quality{0, 1, 1, 0.5, (1/log2(3) + 1/log2(5)) / (1 + 1/log2(3)), (0.5 + 0.5) / 2}},
		"seven of them": {"a b c d e f g", Quality{1, 1, 1, 1, 1, 1}},
	}
	for name, test := range tests {
		relevant := map[string]bool{}
		for id := range strings.FieldsSeq(test.relevant) {
			relevant[id] = true
		}
		got := measure(ten, relevant)
		for i, pair := range [][2]float64{{got.R1, test.want.R1}, {got.R5, test.want.R5}, {got.R10, test.want.R10}, {got.MRR, test.want.MRR}, {got.NDCG, test.want.NDCG}, {got.MAP, test.want.MAP}} {
			if math.Abs(pair[0]-pair[1]) > 1e-12 {
				t.Errorf("%s: figure %d is %g, want %g", name, i, pair[0], pair[1])
			}
		}
	}
	if got := measure(nil, map[string]bool{"a": true}); got != (Quality{}) {
		t.Errorf("an empty ranking: %+v", got)
	}
	if got := mean([]Quality{{R1: 1, MAP: 0.5}, {MAP: 1}}); got != (Quality{R1: 0.5, MAP: 0.75}) || mean(nil) != (Quality{}) {
		t.Errorf("mean %+v", got)
	}
}

func TestQuantile(t *testing.T) {
	for p, want := range map[float64]float64{0: 1, 0.5: 3, 0.95: 5, 1: 5} {
		if got := quantile([]float64{5, 3, 1, 2, 4}, p); got != want {
			t.Errorf("quantile %g is %g, want %g", p, got, want)
		}
	}
	if quantile(nil, 0.5) != 0 {
		t.Error("a quantile of nothing")
	}
}

func TestReadQueries(t *testing.T) {
	got, err := ReadQueries(strings.NewReader("{\"text\":\"a\",\"relevant\":[\"1\"],\"spec\":{}}\n\n {\"text\":\"b\",\"kind\":\"k\",\"relevant\":[\"1\",\"2\"]}"))
	if err != nil || len(got) != 2 || got[1].Kind != "k" || len(got[1].Relevant) != 2 {
		t.Errorf("%+v %v", got, err)
	}
	for text, want := range map[string]string{
		"": "no queries", "{": "line 1", "{\"text\":\"a\",\"relevant\":[\"1\"]}\n{}": "line 2",
		"{\"text\":\"a\"}": "relevant", "{\"text\":\"a\",\"image\":\"b\",\"relevant\":[\"1\"]}": "line 1",
		"{\"text\":\"a\",\"relevant\":[\"1\"],\"swap\":{\"text\":\"b\"}}":               "picture",
		"{\"text\":\"a\",\"relevant\":[\"1\"]}\n{\"image\":\"b\",\"relevant\":[\"1\"]}": "two files",
		strings.Repeat("x", maxLine+1):                                                  "line 1",
	} {
		if _, err := ReadQueries(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.30q: error %v, want one with %q", text, err, want)
		}
	}
}

// scripted answers with the item that the text names, first at the depths
// where it is allowed to know.
type scripted struct{ fail error }

func (s scripted) Search(_ context.Context, req api.SearchRequest) (api.SearchResponse, error) {
	var res api.SearchResponse
	if s.fail != nil {
		return res, s.fail
	}
	res.Model = "m"
	res.Hits = []api.Hit{{ID: "other"}, {ID: req.Text}}
	if req.Rerank && req.Depth >= 20 {
		res.Hits[0], res.Hits[1] = res.Hits[1], res.Hits[0]
	}
	if req.Rerank {
		res.Rerank.Of, res.Rerank.Scored = req.Depth, min(req.Depth, 40)
	}
	return res, nil
}

func TestRun(t *testing.T) {
	queries := []Query{{Text: "x", Kind: "k", Relevant: []string{"x"}}, {Text: "y", Kind: "l", Relevant: []string{"y"}}}
	calls := 0
	r, err := Run(t.Context(), scripted{}, queries, []int{10, 20, 50}, func(done, total int) {
		calls++
		if done != calls || total != 8 {
			t.Errorf("progress %d of %d at call %d", done, total, calls)
		}
	})
	if err != nil || len(r.Rows) != 4 || r.Model != "m" || calls != 8 {
		t.Fatalf("%+v %v, %d calls", r, err, calls)
	}
	for i, want := range []struct {
		r1  float64
		cut int
	}{{0, 0}, {0, 0}, {1, 0}, {1, 2}} {
		if row := r.Rows[i]; row.R1 != want.r1 || row.Cut != want.cut || row.ByKind["k"].R1 != want.r1 {
			t.Errorf("row %+v, want R@1 %g and %d cut", row, want.r1, want.cut)
		}
	}
	var out strings.Builder
	if err := r.Print(&out); err != nil || !strings.Contains(out.String(), "none (ITC)") || !strings.Contains(out.String(), "2 searches at depth 50 left candidates unread") {
		t.Errorf("%v:\n%s", err, out.String())
	}
	broken := errors.New("broken")
	if _, err := Run(t.Context(), scripted{fail: broken}, queries, nil, nil); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

func FuzzReadQueries(f *testing.F) {
	f.Add([]byte(`{"text":"a","relevant":["1"]}`))
	f.Add([]byte("\xef\xbb\xbf{}\n[]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		queries, err := ReadQueries(strings.NewReader(string(data)))
		for _, q := range queries {
			if (q.Text == "") == (q.Image == "") || len(q.Relevant) == 0 {
				t.Errorf("accepted %+v (%v)", q, err)
			}
		}
	})
}
