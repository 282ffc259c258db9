package bundle_test

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sightline/encoder/bundle"
)

func TestCalibrate(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, bundle.ManifestFile)
	m := base(t)
	if err := os.WriteFile(path, encode(t, m), 0o600); err != nil {
		t.Fatal(err)
	}
	c := bundle.Calibration{Slope: 0.5, Intercept: -3, Fingerprint: m.Fingerprint, Queries: 7, Pairs: 350}
	if err := bundle.Calibrate(dir, c); err != nil {
		t.Fatal(err)
	}
	got, err := bundle.Read(dir)
	if err != nil || got.Calibration == nil || *got.Calibration != c || got.Fingerprint != m.Fingerprint {
		t.Errorf("%+v %v", got.Calibration, err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(*bundle.Calibration){
		"another model": func(c *bundle.Calibration) { c.Fingerprint = "other" },
		"slope":         func(c *bundle.Calibration) { c.Slope = 0 },
		"slope is":      func(c *bundle.Calibration) { c.Slope = math.NaN() },
		"intercept":     func(c *bundle.Calibration) { c.Intercept = math.Inf(-1) },
	} {
		bad := c
		edit(&bad)
		if err := bundle.Calibrate(dir, bad); err == nil {
			t.Errorf("%s: accepted %+v", name, bad)
		}
	}
	after, err := os.ReadFile(path)
	if err != nil || string(after) != string(before) {
		t.Errorf("a refused calibration changed the manifest: %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v %v", entries, err)
	}
}

func TestCalibrationProbability(t *testing.T) {
	c := bundle.Calibration{Slope: 2, Intercept: -1}
	for margin, want := range map[float64]float64{0.5: 0.5, 1e9: 1, -1e9: 0} {
		if got := c.Probability(margin); math.Abs(got-want) > 1e-12 {
			t.Errorf("margin %g: %g, want %g", margin, got, want)
		}
	}
}

func TestReadCalibration(t *testing.T) {
	dir := t.TempDir()
	if c, err := bundle.ReadCalibration(dir); c != nil || err != nil {
		t.Errorf("%v %v", c, err)
	}
	for text, want := range map[string]string{
		`{"slope":0.5,"intercept":-3,"fingerprint":"f"}`: "",
		`{"slope":-1}`: "slope",
		`{`:            "calibration.json",
	} {
		if err := os.WriteFile(filepath.Join(dir, bundle.CalibrationFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := bundle.ReadCalibration(dir)
		if want == "" && (err != nil || c.Slope != 0.5) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v %v", text, c, err)
		}
	}
}
