package labels_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"sightline/indexer/labels"
)

// drawPoints have few different scores, so that many are equal.
func drawPoints(t *rapid.T) []labels.Point {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) labels.Point {
		p := labels.Point{Score: float64(rapid.IntRange(-6, 6).Draw(t, "score")) / 2, True: rapid.Bool().Draw(t, "true")}
		if rapid.IntRange(0, 9).Draw(t, "beaten") == 0 {
			p.Score = math.Inf(-1)
		}
		return p
	}), 0, 60).Draw(t, "points")
}

// cuts are all thresholds that differ in what they give.
func cuts(points []labels.Point) []float64 {
	var all []float64
	for _, p := range points {
		if !math.IsInf(p.Score, -1) {
			all = append(all, p.Score)
		}
	}
	return all
}

// TestFit: no threshold with the precision finds more, and none has a better F1.
func TestFit(t *testing.T) {
	f1 := func(q labels.Quality) float64 { return 2 * float64(q.Right) / float64(q.Given+q.True) }
	rapid.Check(t, func(t *rapid.T) {
		points := drawPoints(t)
		aim := float64(rapid.IntRange(0, 10).Draw(t, "precision")) / 10
		threshold, ok := labels.Fit(points, aim)
		got := labels.Rate(points, threshold)
		if ok && (got.Right == 0 || float64(got.Right) < aim*float64(got.Given)) {
			t.Fatalf("threshold %g gives %+v", threshold, got)
		}
		for _, cut := range cuts(points) {
			q := labels.Rate(points, cut)
			if q.Right == 0 || float64(q.Right) < aim*float64(q.Given) {
				continue
			}
			if !ok || aim > 0 && q.Right > got.Right || aim == 0 && f1(q) > f1(got) {
				t.Fatalf("%g gives %+v, and %g was chosen: %v %+v", cut, q, threshold, ok, got)
			}
		}
	})
}

// TestFitBetween: a threshold stands halfway, so that a little noise changes nothing.
func TestFitBetween(t *testing.T) {
	points := []labels.Point{{3, true}, {2, true}, {1, false}, {math.Inf(-1), true}}
	if threshold, ok := labels.Fit(points, 1); !ok || threshold != 1.5 {
		t.Errorf("%g %v", threshold, ok)
	}
	next := math.Nextafter(1, 2)
	if threshold, ok := labels.Fit([]labels.Point{{next, true}, {1, false}}, 1); !ok || threshold != next {
		t.Errorf("neighbours: %g %v", threshold, ok)
	}
	if threshold, ok := labels.Fit([]labels.Point{{math.MaxFloat64, true}, {-math.MaxFloat64, false}}, 1); !ok || threshold != 0 {
		t.Errorf("extremes: %g %v", threshold, ok)
	}
	if _, ok := labels.Fit([]labels.Point{{1, false}, {math.Inf(-1), true}}, 0); ok {
		t.Error("what a label of the group beats was found")
	}
}

// TestShare: the interval holds the share, narrows with more, and has known values.
func TestShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 5000).Draw(t, "n")
		k := rapid.IntRange(0, n).Draw(t, "k")
		s, more := labels.ShareOf(k, n), labels.ShareOf(4*k, 4*n)
		const rounding = 1e-12
		if *s.Value < s.Low-rounding || *s.Value > s.High+rounding || s.Low < 0 || s.High > 1 || more.High-more.Low >= s.High-s.Low {
			t.Fatalf("%d of %d: %+v, four times that: %+v", k, n, s, more)
		}
	})
	// Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
	for _, c := range []struct {
		k, n      int
		low, high float64
	}{{81, 263, 0.2553, 0.3662}, {15, 148, 0.0624, 0.1605}, {0, 20, 0, 0.1611}, {1, 29, 0.0061, 0.1718}} {
		if s := labels.ShareOf(c.k, c.n); math.Abs(s.Low-c.low) > 5e-5 || math.Abs(s.High-c.high) > 5e-5 {
			t.Errorf("%d of %d: %.4f to %.4f, want %.4f to %.4f", c.k, c.n, s.Low, s.High, c.low, c.high)
		}
	}
	if s := labels.ShareOf(0, 0); s.Value != nil || s.Low != 0 || s.High != 1 || s.String() != "–" {
		t.Errorf("nothing of nothing: %+v", s)
	}
}
