package main

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"sightline/cmd/internal/clitest"
)

// reference is expected.json of the samples: what transformers answers.
type reference struct {
	Summary struct {
		Depth    int
		ITC      struct{ R1 float64 }
		Reranked struct{ R1 float64 }
	}
	Queries []referenceQuery
}

type referenceQuery struct {
	Text     string
	Relevant []string
	ITC      []scored `json:"itc_top10"`
	Reranked []scored `json:"reranked_top10"`
}

// scored is ["p0194", score, itc, logit], the last two after re-ranking only.
type scored struct {
	id                string
	score, itc, logit float64
}

// UnmarshalJSON reads the list.
func (s *scored) UnmarshalJSON(data []byte) error {
	list := []any{&s.id, &s.score, &s.itc, &s.logit}
	return json.Unmarshal(data, &list)
}

func readReference(t *testing.T) reference {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(samples, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	var ref reference
	if err := json.Unmarshal(data, &ref); err != nil {
		t.Fatal(err)
	}
	if len(ref.Queries) != 50 || len(ref.Queries[0].Reranked) != 10 || ref.Queries[0].Reranked[0].logit == 0 {
		t.Fatalf("%d queries; first %+v", len(ref.Queries), ref.Queries[0])
	}
	return ref
}

// spread measures differences.
type spread struct {
	max, squares float64
	n            int
}

func (s *spread) add(d float64) {
	s.max = max(s.max, math.Abs(d))
	s.squares += d * d
	s.n++
}

func (s *spread) rms() float64 { return math.Sqrt(s.squares / float64(max(s.n, 1))) }

// allowed is how far a service's numbers may be from transformers': the
// largest difference and, for the logit, the root mean square.
type allowed struct{ cosine, logit, logitRMS float64 }

// Measured: with exact patch states cosines within 7e-7 and logits within 9e-6;
// with int8 states logits within 0.069 (rms 0.013) in the top 10, and within
// 0.114 (rms 0.008) over all candidates. What rounding does is of one kind on
// all processors but not equal, so int8 has room for half as much again.
var (
	exactTop10 = allowed{cosine: 1e-5, logit: 1e-4, logitRMS: 1e-4}
	int8Top10  = allowed{cosine: 1e-5, logit: 0.1, logitRMS: 0.02}
	int8All    = allowed{logit: 0.17, logitRMS: 0.012}
)

// TestSamples asks the 50 queries of the samples, converted and imported by the
// real indexd, and compares with transformers: with exact patch states, which
// is what "auto" is for this model, and with int8 ones.
func TestSamples(t *testing.T) {
	environ, ref := clitest.Environ(t), readReference(t)
	for states, limit := range map[string]allowed{"auto": exactTop10, "int8": int8Top10} {
		t.Run(states, func(t *testing.T) {
			s := serve(t, environ, "--data", data(t, environ, states), "--model", model(t))
			m := measurement{limit: limit}
			for _, q := range ref.Queries {
				m.itc(t, q, s.search(t, map[string]any{"text": q.Text, "limit": 10, "rerank": map[string]any{"enabled": false}}))
				m.reranked(t, q, s.search(t, map[string]any{
					"text": q.Text, "limit": 10, "deadline_ms": 30_000, "rerank": map[string]any{"depth": ref.Summary.Depth},
				}), ref.Summary.Depth)
			}
			n := float64(len(ref.Queries))
			t.Logf("%s: cosine within %.1e (rms %.1e), match logit within %.1e (rms %.1e), %d places swapped; R@1 %.2f by ITC, %.2f re-ranked",
				states, m.cosine.max, m.cosine.rms(), m.logit.max, m.logit.rms(), m.swapped, float64(m.firstITC)/n, float64(m.firstReranked)/n)
			if m.logit.rms() > limit.logitRMS {
				t.Errorf("match logits differ by %.1e rms, at most %.1e is expected", m.logit.rms(), limit.logitRMS)
			}
			if r := float64(m.firstITC) / n; r != ref.Summary.ITC.R1 {
				t.Errorf("R@1 by ITC is %.2f, transformers' %.2f", r, ref.Summary.ITC.R1)
			}
			if r := float64(m.firstReranked) / n; r != ref.Summary.Reranked.R1 {
				t.Errorf("R@1 re-ranked is %.2f, transformers' %.2f", r, ref.Summary.Reranked.R1)
			}
		})
	}
}

// measurement compares answers with the reference and keeps the differences.
type measurement struct {
	limit                   allowed
	cosine, logit           spread
	swapped                 int
	firstITC, firstReranked int
}

func (m *measurement) itc(t *testing.T, q referenceQuery, res answer) {
	t.Helper()
	if res.Rerank.Of != 0 || res.Rerank.Stopped != "disabled" {
		t.Errorf("%q: rerank %+v", q.Text, res.Rerank)
	}
	for i, h := range res.Hits {
		if h.Logit != nil || h.Probability != nil || h.Score != h.ITC || h.ITCRank != i+1 {
			t.Errorf("%q: hit %+v without a second look", q.Text, h)
		}
	}
	m.ranking(t, q.Text+" by ITC", res.Hits, q.ITC, m.limit.cosine)
	for i, h := range res.Hits {
		if k := find(q.ITC, h.ID); k >= 0 {
			m.cosine.add(h.ITC - q.ITC[k].score)
		}
		if i == 0 && slices.Contains(q.Relevant, h.ID) {
			m.firstITC++
		}
	}
}

func (m *measurement) reranked(t *testing.T, q referenceQuery, res answer, depth int) {
	t.Helper()
	if res.Rerank.Scored != depth || res.Rerank.Of != depth || res.Rerank.Stopped != "" {
		t.Fatalf("%q: rerank %+v", q.Text, res.Rerank)
	}
	m.ranking(t, q.Text+" re-ranked", res.Hits, q.Reranked, m.limit.cosine+m.limit.logit)
	for i, h := range res.Hits {
		if h.Logit == nil || h.Probability == nil || math.Abs(*h.Logit+h.ITC-h.Score) > 1e-5 {
			t.Fatalf("%q: hit %+v", q.Text, h)
		}
		if i == 0 && slices.Contains(q.Relevant, h.ID) {
			m.firstReranked++
		}
		k := find(q.Reranked, h.ID)
		if k < 0 {
			continue
		}
		dc, dl := h.ITC-q.Reranked[k].itc, *h.Logit-q.Reranked[k].logit
		m.cosine.add(dc)
		m.logit.add(dl)
		if math.Abs(dc) > m.limit.cosine || math.Abs(dl) > m.limit.logit {
			t.Errorf("%q: %s has itc %g, logit %g; transformers says %g, %g", q.Text, h.ID, h.ITC, *h.Logit, q.Reranked[k].itc, q.Reranked[k].logit)
		}
	}
}

// ranking holds the order to the reference's. Where every score is within
// tolerance, scores place by place are too, and two items change places only
// if theirs are less than twice the tolerance apart.
func (m *measurement) ranking(t *testing.T, what string, got []hit, want []scored, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d hits, want %d", what, len(got), len(want))
		return
	}
	for i, h := range got {
		if h.Rank != i+1 || math.Abs(h.Score-want[i].score) > tolerance {
			t.Errorf("%s: place %d is %+v, want %+v", what, i+1, h, want[i])
		}
		if h.ID == want[i].id {
			continue
		}
		m.swapped++
		expected := want[len(want)-1].score // at most that, for one from outside the list
		if k := find(want, h.ID); k >= 0 {
			expected = want[k].score
		}
		if math.Abs(expected-want[i].score) > 2*tolerance {
			t.Errorf("%s: place %d is %s (%g), want %s (%g)", what, i+1, h.ID, h.Score, want[i].id, want[i].score)
		}
	}
}

func find(list []scored, id string) int {
	return slices.IndexFunc(list, func(s scored) bool { return s.id == id })
}

// TestInt8AgainstFloat measures what int8 patch states change over the 100
// nearest pictures of each query. Cosines do not depend on them, so both
// services read the same candidates.
func TestInt8AgainstFloat(t *testing.T) {
	const depth = 100
	environ, ref := clitest.Environ(t), readReference(t)
	var logits [2][]map[string]float64 // by query, by id
	for i, states := range []string{"auto", "int8"} {
		t.Run(states, func(t *testing.T) {
			s := serve(t, environ, "--data", data(t, environ, states), "--model", model(t))
			for _, q := range ref.Queries {
				logits[i] = append(logits[i], s.logits(t, q.Text, depth))
			}
		})
	}
	var d spread
	for i, exact := range logits[0] {
		for id, logit := range exact {
			rounded, ok := logits[1][i][id]
			if !ok {
				t.Fatalf("%q: int8 lacks %s", ref.Queries[i].Text, id)
			}
			d.add(rounded - logit)
		}
	}
	t.Logf("int8 patch states move the match logit by %.4f at most, %.4f rms, over %d pairs", d.max, d.rms(), d.n)
	if d.n != depth*len(ref.Queries) || d.max > int8All.logit || d.rms() > int8All.logitRMS || d.max == 0 {
		t.Errorf("want %d pairs, some difference, and at most %+v", depth*len(ref.Queries), int8All)
	}
}

// logits asks for the first depth candidates of a text on one page.
func (s *server) logits(t *testing.T, text string, depth int) map[string]float64 {
	t.Helper()
	found := map[string]float64{}
	for _, h := range s.search(t, map[string]any{
		"text": text, "limit": depth, "deadline_ms": 30_000, "rerank": map[string]any{"depth": depth},
	}).Hits {
		if h.Logit == nil {
			t.Fatalf("%q: hit %+v", text, h)
		}
		found[h.ID] = *h.Logit
	}
	return found
}
