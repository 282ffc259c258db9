package bundle

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
)

// CalibrationFile may stand in a Hugging Face folder beside the weights; the
// conversion copies it into the manifest when it is of the same model.
const CalibrationFile = "calibration.json"

// Calibration turns ITM's margin (match logit - no-match logit) into the
// probability that a candidate matches its query:
//
//	p = 1 / (1 + exp(-(Slope*margin + Intercept)))
//
// Platt scaling. Slope 1 and intercept 0 are the softmax of the raw logits.
// Training shows ITM one false text for each true one; a search shows it many
// false candidates, so the raw softmax promises too much there.
type Calibration struct {
	Slope     float64 `json:"slope"`
	Intercept float64 `json:"intercept"`
	// Fingerprint is the model's that it was fitted on.
	Fingerprint string `json:"fingerprint"`
	// What it was fitted on, for people: queries, candidates of these, and the
	// mean log loss (nats) of the raw softmax and of the calibrated probability.
	Queries       int     `json:"queries"`
	Pairs         int     `json:"pairs"`
	LogLossBefore float64 `json:"log_loss_before"`
	LogLossAfter  float64 `json:"log_loss_after"`
}

// Probability of a match, 0 to 1.
func (c Calibration) Probability(margin float64) float64 {
	return 1 / (1 + math.Exp(-(c.Slope*margin + c.Intercept)))
}

func (c *Calibration) check() error {
	switch {
	case c == nil:
		return nil
	case !(c.Slope > 0) || math.IsInf(c.Slope, 0):
		return fmt.Errorf("calibration.slope is %g, must be above 0", c.Slope)
	case math.IsNaN(c.Intercept) || math.IsInf(c.Intercept, 0):
		return fmt.Errorf("calibration.intercept is %g, must be a number", c.Intercept)
	}
	return nil
}

// Calibrate stores c in the manifest of the bundle in dir, which is replaced in
// one step: a program that reads it meanwhile sees the old or the new one.
func Calibrate(dir string, c Calibration) error {
	m, err := Read(dir)
	if err != nil {
		return err
	}
	if c.Fingerprint != m.Fingerprint {
		return fmt.Errorf("calibration is for model %s, this one is %s: fit it anew", c.Fingerprint, m.Fingerprint)
	}
	m.Calibration = &c
	if err := m.check(); err != nil {
		return err
	}
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	return replaceFile(filepath.Join(dir, ManifestFile), append(data, '\n'))
}

// replaceFile writes beside path, syncs, and renames.
func replaceFile(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("write %s: %w", filepath.Base(path), err), os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(data)
	if err := errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// ReadCalibration reads dir/calibration.json; nil where there is none.
func ReadCalibration(dir string) (*Calibration, error) {
	data, err := os.ReadFile(filepath.Join(dir, CalibrationFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", CalibrationFile, err)
	}
	var c Calibration
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, fmt.Errorf("%s: %w", CalibrationFile, err)
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", CalibrationFile, err)
	}
	return &c, nil
}
