package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"sightline/bench/report"
)

// gpuFolder has the newest call of bench/gpu: two rounds of each side, on a card that
// cannot be asked for again at will. docs/gpu.md says what the calls were.
const gpuFolder = "bench/gpu/results/2026-11-26-h100/call-3"

// card is what one H100 took for 128 candidates of an 8-token query, in ms, and how many
// times longer transformers took: of each round.
type card struct{ ours, ratio []float64 }

func (b *book) readCard() error {
	for _, round := range []string{"1", "2"} {
		ours, err := b.cardRow("fp16-"+round, "match, pieces")
		theirs, err2 := b.cardRow("transformers-"+round, "match host")
		if err := errors.Join(err, err2); err != nil {
			return err
		}
		b.card.ours, b.card.ratio = append(b.card.ours, ours), append(b.card.ratio, theirs/ours)
	}
	return nil
}

func (b *book) cardRow(file, pass string) (float64, error) {
	raw, err := os.ReadFile(filepath.Join(b.root, gpuFolder, file+".json")) // #nosec G304 -- the project's own
	if err != nil {
		return 0, fmt.Errorf("read raw results of bench/gpu: %w", err)
	}
	var r struct {
		Records []struct {
			Pass    string  `json:"pass"`
			Length  int     `json:"length"`
			Batch   int     `json:"batch"`
			Callers int     `json:"callers"`
			P50     float64 `json:"p50_ms"`
		} `json:"records"`
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return 0, fmt.Errorf("read %s of bench/gpu: %w", file, err)
	}
	for _, x := range r.Records {
		if x.Pass == pass && x.Length == 8 && x.Batch == 128 && x.Callers <= 1 {
			return x.P50, nil
		}
	}
	return 0, fmt.Errorf("%s of bench/gpu has no pass %q", file, pass)
}

func between(all []float64) string {
	return report.Digits(slices.Min(all)) + "–" + report.Digits(slices.Max(all))
}
