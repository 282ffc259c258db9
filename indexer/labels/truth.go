package labels

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Truth is what people say of one item's first picture.
type Truth struct {
	ID     string   `json:"id"`
	Labels []string `json:"labels"` // those that apply
	// Judged are the labels that were looked for: of them, those that are not in
	// Labels do not apply. nil for all of the set.
	Judged []string `json:"judged,omitempty"`
}

// Limits of a truth file.
const (
	maxTruthLine = 1 << 20 // bytes
	maxTruths    = 1_000_000
	maxProblems  = 16
)

// ReadTruth reads a line of JSON for each item, strictly. Its error names all lines
// that are wrong, up to a bound.
func ReadTruth(r io.Reader, set Set) ([]Truth, error) {
	var all []Truth
	var errs []error
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxTruthLine)
	known, seen, n := set.names(), map[string]int{}, 1
	for ; lines.Scan() && len(errs) < maxProblems && len(all) < maxTruths; n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		t, err := readTruth(lines.Bytes(), known)
		if first := seen[t.ID]; err == nil && first > 0 {
			err = fmt.Errorf("item %q is in line %d too", t.ID, first)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("line %d: %w", n, err))
			continue
		}
		seen[t.ID] = n
		all = append(all, t)
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		errs = append(errs, fmt.Errorf("line %d: is longer than %d bytes", n, maxTruthLine))
	case err != nil:
		errs = append(errs, fmt.Errorf("line %d: %w", n, err))
	case len(errs) == 0 && len(all) == maxTruths && lines.Scan():
		errs = append(errs, fmt.Errorf("has more than %d lines", maxTruths))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return all, nil
}

func (s Set) names() []string {
	names := make([]string, len(s))
	for i, l := range s {
		names[i] = l.Name
	}
	return names
}

func readTruth(line []byte, known []string) (t Truth, err error) {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&t); err != nil {
		return t, fmt.Errorf(`must be as {"id": "p1", "labels": ["striped"]}: %w`, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return t, errors.New("has something behind its object")
	}
	if t.ID == "" {
		return t, errors.New("has no id")
	}
	if t.Labels == nil {
		return t, fmt.Errorf("item %q has no labels; write [] where none applies", t.ID)
	}
	for _, name := range slices.Concat(t.Labels, t.Judged) {
		if !slices.Contains(known, name) {
			return t, fmt.Errorf("item %q: there is no label %q in the settings", t.ID, name)
		}
	}
	for _, name := range t.Labels {
		if t.Judged != nil && !slices.Contains(t.Judged, name) {
			return t, fmt.Errorf("item %q: label %q is not among those judged", t.ID, name)
		}
	}
	return t, nil
}

// judges says whether the line tells about a label.
func (t Truth) judges(name string) bool { return t.Judged == nil || slices.Contains(t.Judged, name) }
