package eval

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sightline/api"
	"sightline/rerank/blend"
)

func sigmoid(z float64) float64 { return 1 / (1 + math.Exp(-z)) }

// sampled are points whose relevance has the probability that the weights give.
func sampled(n int, logit, cosine, bias float64) []point {
	rng := rand.New(rand.NewPCG(3, 4))
	points := make([]point, n)
	for i := range points {
		p := point{logit: 4*rng.NormFloat64() - 1, cosine: 0.3 + 0.1*rng.NormFloat64()}
		p.relevant = rng.Float64() < sigmoid(logit*p.logit+cosine*p.cosine+bias)
		points[i] = p
	}
	return points
}

func TestLogisticFindsTheTruth(t *testing.T) {
	for _, truth := range []vector{{1, 1, 0}, {0.5, 10, -4}, {2, -6, 1}, {0, 8, -2}} {
		logit, cosine, bias, err := logistic(sampled(30_000, truth[0], truth[1], truth[2]))
		if err != nil || math.Abs(logit-truth[0]) > 0.08 || math.Abs(cosine-truth[1]) > 0.8 || math.Abs(bias-truth[2]) > 0.3 {
			t.Errorf("%v: %.3f, %.3f, %.3f, %v", truth, logit, cosine, bias, err)
		}
	}
}

// TestLogisticStationary holds the outcome to what it minimises: no small step
// of any weight lowers the loss.
func TestLogisticStationary(t *testing.T) {
	f := regression{strength: 1}
	for _, p := range sampled(500, 1, 5, -1) {
		f.points = append(f.points, standard{vector{p.logit, p.cosine, 1}, p.relevant})
	}
	w, err := f.fit()
	if err != nil {
		t.Fatal(err)
	}
	least := f.loss(w)
	for i := range w {
		for _, step := range []float64{-1e-3, 1e-3} {
			next := w
			if next[i] += step; f.loss(next) < least {
				t.Errorf("weight %d: %g lowers the loss by %g", i, step, least-f.loss(next))
			}
		}
	}
}

// TestLogisticSeparable has a logit that decides: only the penalty keeps the
// weights finite.
func TestLogisticSeparable(t *testing.T) {
	var points []point
	for i := range 100 {
		points = append(points, point{5 + float64(i%7), 0.4, true}, point{-5 - float64(i%5), 0.4, false})
	}
	logit, cosine, bias, err := logistic(points)
	if err != nil || !(logit > 0.1) || logit > 10 || math.Abs(cosine) > 1e-9 || sigmoid(5*logit+bias) < 0.9 {
		t.Errorf("%g, %g, %g, %v", logit, cosine, bias, err)
	}
	if _, _, _, err := logistic([]point{{math.Inf(1), 0, true}, {0, 0, false}}); err == nil {
		t.Error("fitted to an infinite logit")
	}
}

func TestSolve(t *testing.T) {
	a, want := [3]vector{{4, 2, -1}, {2, 5, 1}, {-1, 1, 3}}, vector{1, -2, 3}
	b := vector{a[0].dot(want), a[1].dot(want), a[2].dot(want)}
	x, ok := solve(a, b)
	for i := range x {
		if !ok || math.Abs(x[i]-want[i]) > 1e-12 {
			t.Errorf("%v, %t; want %v", x, ok, want)
		}
	}
	if _, ok := solve([3]vector{{1, 2, 0}, {2, 1, 0}, {0, 0, 1}}, b); ok {
		t.Error("solved with a matrix that is not positive")
	}
}

// shopper answers with ten candidates of which the one of the query's number is
// relevant. Cosines say which, logits say little: BLIP's sum is the wrong one.
type shopper struct{ api.SearchResponse }

func (s shopper) Search(_ context.Context, req api.SearchRequest) (api.SearchResponse, error) {
	res := s.SearchResponse
	var number uint64
	fmt.Sscanf(req.Text, "query %d", &number)
	rng := rand.New(rand.NewPCG(number, 5))
	for i := range uint64(10) {
		h := api.Hit{ID: fmt.Sprint(number, "-", i), ITC: 0.1 * rng.Float64()}
		if i == number%10 {
			h.ITC += 0.12
		}
		if req.Rerank && i < 9 {
			logit := float32(rng.NormFloat64())
			h.ITMLogit = &logit
		}
		res.Hits = append(res.Hits, h)
	}
	res.Model = "m"
	return res, nil
}

// asked runs n queries through a Recorder.
func asked(t *testing.T, n int) (*Recorder, []Query) {
	t.Helper()
	var queries []Query
	for i := range n {
		queries = append(queries, Query{Text: fmt.Sprint("query ", i), Relevant: []string{fmt.Sprint(i, "-", i%10)}})
	}
	r := &Recorder{Searcher: shopper{}, Depth: 20}
	if _, err := Run(t.Context(), r, queries, []int{10, 20}, nil); err != nil {
		t.Fatal(err)
	}
	return r, queries
}

func TestFitWeights(t *testing.T) {
	r, queries := asked(t, 200)
	got, err := FitWeights(r, queries, "m")
	if err != nil {
		t.Fatal(err)
	}
	if w := got.Weights; w.Model != "m" || !(w.Cosine > 10*math.Abs(w.Logit)) || w.Fitted.Pairs != 1800 || w.Fitted.Depth != 20 {
		t.Errorf("%+v %+v", w, w.Fitted)
	}
	if got.BLIP.R1 > 0.5 || got.Fitted.R1 < 0.85 || got.Better <= got.Worse {
		t.Errorf("held out: %+v, fitted %+v; better %d, worse %d", got.BLIP, got.Fitted, got.Better, got.Worse)
	}
	held := 0
	for _, f := range got.Folds {
		held += f.Queries
	}
	if held != 200 || len(got.Folds) != Folds {
		t.Errorf("%d queries held out in %d folds", held, len(got.Folds))
	}
	var out strings.Builder
	if err := got.Print(&out); err != nil || !strings.Contains(out.String(), "fold 5") || strings.Contains(out.String(), "do not use") {
		t.Errorf("%v:\n%s", err, out.String())
	}
	again, err := FitWeights(r, queries, "m")
	if err != nil || fmt.Sprint(again.Folds) != fmt.Sprint(got.Folds) {
		t.Errorf("another fit of the same: %+v, %v", again, err)
	}
}

func TestFitWeightsRefuses(t *testing.T) {
	r, queries := asked(t, 5)
	if _, err := FitWeights(r, queries, "m"); err == nil || !strings.Contains(err.Error(), "at least 10") {
		t.Errorf("5 queries: error %v", err)
	}
	if _, err := FitWeights(r, queries[:4], "m"); err == nil || !strings.Contains(err.Error(), "5 of 4") {
		t.Errorf("other queries: error %v", err)
	}
	broken := errors.New("broken")
	r = &Recorder{Searcher: scripted{fail: broken}, Depth: 20}
	if _, err := Run(t.Context(), r, queries, []int{20}, nil); !errors.Is(err, broken) || len(r.answers) > 0 {
		t.Errorf("error %v, %d answers", err, len(r.answers))
	}
}

// TestLabelFolds holds that two queries of one text are on one side, and that
// folds are as large as each other.
func TestLabelFolds(t *testing.T) {
	var queries []Query
	for i := range 60 {
		queries = append(queries, Query{Text: fmt.Sprint("text ", i/2), Relevant: []string{"a"}})
	}
	all := label(make([][]blend.Candidate, len(queries)), queries)
	sizes := make([]int, Folds)
	for i, q := range all {
		if q.fold != all[i/2*2].fold {
			t.Errorf("%q is in folds %d and %d", queries[i].Text, all[i/2*2].fold, q.fold)
		}
		sizes[q.fold]++
	}
	if slices.Min(sizes) != 12 || slices.Max(sizes) != 12 {
		t.Errorf("folds of %v queries", sizes)
	}
}

func TestSaveWeights(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weights.json")
	r := WeightsReport{Weights: blend.Weights{Model: "m", Logit: 2, Cosine: 3}}
	if err := r.SaveWeights(path); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if w, err := blend.ReadWeights(f, "m"); err != nil || w.Cosine != 3 {
		t.Errorf("%+v, %v", w, err)
	}
	r.Weights.Logit = math.NaN()
	if err := r.SaveWeights(path); err == nil {
		t.Error("saved a weight that is no number")
	}
	r.Weights.Logit = 1
	if err := r.SaveWeights(filepath.Join(path, "x")); err == nil || !strings.Contains(err.Error(), "write weights") {
		t.Errorf("error %v", err)
	}
}
