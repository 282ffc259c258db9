package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Spread is the median, lowest and highest of some figures.
type Spread struct{ Median, Lowest, Highest float64 }

// SpreadOf sorts the figures, of which there must be one at least.
func SpreadOf(all []float64) Spread {
	slices.Sort(all)
	n := len(all)
	return Spread{(all[(n-1)/2] + all[n/2]) / 2, all[0], all[n-1]}
}

var notSlug = regexp.MustCompile(`[^a-z0-9]+`)

// Write leaves raw results in a folder, which is made where it is not there. The
// file is named by time and processor, never by host.
func Write(dir string, at time.Time, m Machine, results any) (path string, err error) {
	cpu := strings.Trim(notSlug.ReplaceAllString(strings.ToLower(strings.ReplaceAll(m.CPU, "(R)", "")), "-"), "-")
	path = filepath.Join(dir, fmt.Sprintf("%s-%s-%d-cores.json", at.Format("2006-01-02T1504"), cmp.Or(cpu, "unknown"), m.Cores))
	text, err := json.MarshalIndent(results, "", " ")
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		err = os.WriteFile(path, append(text, '\n'), 0o644)
	}
	if err != nil {
		return "", fmt.Errorf("write results: %w", err)
	}
	return path, nil
}

// Read fills results with those of a file.
func Read(path string, results any) error {
	text, err := os.ReadFile(path) // #nosec G703 -- the user names it
	if err != nil {
		return fmt.Errorf("read results: %w", err)
	}
	if err := json.Unmarshal(text, results); err != nil {
		return fmt.Errorf("read results %s: %w", path, err)
	}
	return nil
}

// Source names raw results as the repository does: those of `make bench-NAME`.
func Source(name, path string) string {
	if path == "" {
		return "raw results not kept"
	}
	return fmt.Sprintf("raw results in `bench/%s/results/%s`", name, filepath.Base(path))
}
