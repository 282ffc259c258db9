package eval

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"sightline/api"
)

// What is kept: a report has some kilobytes, and more only with hundreds of kinds
// of queries.
const (
	keptMost  = 20      // reports; older ones are removed
	keptBytes = 1 << 20 // of one report
	keptName  = "20060102T150405.000Z"
	keptDir   = "evaluations"
)

var keptNames = regexp.MustCompile(`^\d{8}T\d{6}\.\d{3}Z$`)

// Kept are the last reports of a data folder, one file each, named by when it was
// made. It is safe for concurrent use, by several programs too: files appear
// whole. Kept is an api.Evaluations.
type Kept struct{ dir string }

// KeptIn are the reports of a data folder, which need not be there yet.
func KeptIn(data string) Kept { return Kept{filepath.Join(data, keptDir)} }

// Saved is a report with what it was made over.
type Saved struct {
	Time  time.Time `json:"time"`  // when it ended, in UTC
	Items int       `json:"items"` // of the catalogue
	File  string    `json:"file"`  // of queries, its name without the folder
	Report
}

// Save writes a report, removes those beyond the last 20, and gives its name.
func (k Kept) Save(s Saved) (name string, err error) {
	body, err := json.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("keep evaluation: %w", err)
	}
	if len(body) > keptBytes {
		return "", fmt.Errorf("keep evaluation: the report has %d bytes and at most %d are kept: use fewer kinds of queries", len(body), keptBytes)
	}
	if err := os.MkdirAll(k.dir, 0o755); err != nil {
		return "", fmt.Errorf("keep evaluation: %w", err)
	}
	name = s.Time.UTC().Format(keptName)
	if err := replaceFile(k.path(name), body); err != nil {
		return "", fmt.Errorf("keep evaluation in %s: %w", k.dir, err)
	}
	return name, k.prune()
}

func (k Kept) path(name string) string { return filepath.Join(k.dir, name+".json") }

// names are sorted, the newest first: their order is that of time. Files of other
// names are not ours, and stay.
func (k Kept) names() ([]string, error) {
	files, err := os.ReadDir(k.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list evaluations: %w", err)
	}
	var names []string
	for _, f := range files {
		name := f.Name()
		if base := len(name) - len(".json"); base > 0 && name[base:] == ".json" && keptNames.MatchString(name[:base]) && f.Type().IsRegular() {
			names = append(names, name[:base])
		}
	}
	slices.Reverse(names)
	return names, nil
}

func (k Kept) prune() error {
	names, err := k.names()
	for _, name := range names[min(len(names), keptMost):] {
		if gone := os.Remove(k.path(name)); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, fmt.Errorf("remove an old evaluation: %w", gone))
		}
	}
	return err
}

// List tells of the kept reports, the newest first, at most 20. One that cannot
// be read is left out here, so that it does not hide the others; Get says why.
func (k Kept) List(ctx context.Context) ([]api.Evaluation, error) {
	names, err := k.names()
	if err != nil {
		return nil, err
	}
	var all []api.Evaluation
	for _, name := range names[:min(len(names), keptMost)] {
		body, err := k.Get(ctx, name)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var s Saved
		if err != nil || json.Unmarshal(body, &s) != nil {
			continue
		}
		all = append(all, api.Evaluation{Name: name, Time: s.Time, Model: s.Model, Items: s.Items, Queries: s.Queries, File: s.File})
	}
	return all, nil
}

// Get gives one report as JSON. Names that Save does not give are
// api.ErrNoEvaluation, before any file is looked for.
func (k Kept) Get(ctx context.Context, name string) ([]byte, error) {
	if !keptNames.MatchString(name) {
		return nil, api.ErrNoEvaluation
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := os.OpenInRoot(k.dir, name+".json") // a link that leads out is refused
	if errors.Is(err, fs.ErrNotExist) {
		return nil, api.ErrNoEvaluation
	}
	if err != nil {
		return nil, fmt.Errorf("read evaluation: %w", err)
	}
	defer f.Close()
	body, err := io.ReadAll(io.LimitReader(f, keptBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read evaluation %s: %w", name, err)
	case len(body) > keptBytes || !json.Valid(body):
		return nil, fmt.Errorf("evaluation %s in %s is damaged: remove the file, or run searchd eval again", name, k.dir)
	}
	return body, nil
}
