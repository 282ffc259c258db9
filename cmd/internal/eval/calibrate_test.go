package eval

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"sightline/encoder/bundle"
)

// drawn are pairs whose relevance has the probability that slope and intercept give.
func drawn(n int, slope, intercept float64) []Pair {
	rng := rand.New(rand.NewPCG(1, 2))
	truth := bundle.Calibration{Slope: slope, Intercept: intercept}
	pairs := make([]Pair, n)
	for i := range pairs {
		m := 12*rng.Float64() - 6
		pairs[i] = Pair{Margin: m, Probability: bundle.Calibration{Slope: 1}.Probability(m), Relevant: rng.Float64() < truth.Probability(m)}
	}
	return pairs
}

func TestCalibrateFindsTheTruth(t *testing.T) {
	for _, truth := range [][2]float64{{1, 0}, {0.6, -2}, {2.5, 1.5}} {
		pairs := drawn(40_000, truth[0], truth[1])
		c, err := Calibrate(pairs, "f")
		if err != nil || math.Abs(c.Slope-truth[0]) > 0.08*truth[0] || math.Abs(c.Intercept-truth[1]) > 0.12 {
			t.Errorf("%v: slope %.3f, intercept %.3f, %v", truth, c.Slope, c.Intercept, err)
		}
		if c.LogLossAfter > c.LogLossBefore+1e-6 || c.Pairs != len(pairs) || c.Fingerprint != "f" {
			t.Errorf("%v: %+v", truth, c)
		}
		for i := range pairs {
			pairs[i].Probability = c.Probability(pairs[i].Margin)
		}
		if r := reliability(pairs); r.ECE > 0.01 {
			t.Errorf("%v: calibration error %.4f after the fit", truth, r.ECE)
		}
	}
}

// TestCalibrateSeparable has a margin that decides: without smoothed targets
// the slope would be infinite.
func TestCalibrateSeparable(t *testing.T) {
	var pairs []Pair
	for i := range 100 {
		pairs = append(pairs, Pair{Margin: 5 + float64(i%7), Relevant: true}, Pair{Margin: -5 - float64(i%5)})
	}
	c, err := Calibrate(pairs, "f")
	if err != nil || !(c.Slope > 0) || c.Slope > 10 || c.Probability(5) < 0.95 || c.Probability(-5) > 0.05 {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestCalibrateRefuses(t *testing.T) {
	for name, pairs := range map[string][]Pair{
		"none":     nil,
		"one kind": make([]Pair, 1000),
		"too few":  drawn(12, 1, 0),
	} {
		if _, err := Calibrate(pairs, "f"); err == nil || !strings.Contains(err.Error(), "at least 10") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestReliability(t *testing.T) {
	pairs := []Pair{{Probability: 1, Relevant: true}, {Probability: 0.95, Relevant: true}, {Probability: 0.05}, {Probability: 0.35, Relevant: true}}
	r := reliability(pairs)
	if r.Pairs != 4 || r.Relevant != 3 || len(r.Bins) != 3 || r.Bins[2].Pairs != 2 || r.Bins[2].High != 1 {
		t.Fatalf("%+v", r)
	}
	if want := (0 + 0.0025 + 0.0025 + 0.4225) / 4; math.Abs(r.Brier-want) > 1e-12 {
		t.Errorf("Brier %g, want %g", r.Brier, want)
	}
	if want := (0.025*2 + 0.05 + 0.65) / 4; math.Abs(r.ECE-want) > 1e-12 {
		t.Errorf("calibration error %g, want %g", r.ECE, want)
	}
	if reliability(nil) != nil {
		t.Error("a reliability of nothing")
	}
}
