package features

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"sightline/store"
	"sightline/store/internal/folder"
)

// formatVersion is that of segments and meta.json together. Format 2 added
// tombstones; a folder of format 1 is one without them. Format 3 is a folder of
// pooled states, so that programs which know of none refuse it.
const (
	formatVersion = 2
	formatPooled  = 3
)

type meta struct {
	Format      int    `json:"format"`
	Fingerprint string `json:"fingerprint"`
	Grid        Grid   `json:"grid,omitempty"` // Pooled, or not there
}

func (s *Store) load(fingerprint string) error {
	if fingerprint == "" {
		return fmt.Errorf("%w options: patch states need a model fingerprint", store.ErrInvalid)
	}
	numbers, err := listSegments(s.dir)
	if err != nil {
		return err
	}
	if err := s.claim(fingerprint, len(numbers)); err != nil {
		return err
	}
	for i, number := range numbers {
		if err := s.loadSegment(number, i == len(numbers)-1); err != nil {
			return fmt.Errorf("segment %s: %w", segmentPath(s.dir, number), err)
		}
	}
	return s.fitBudget()
}

// fitBudget makes the budget hold, which may be smaller than last time.
func (s *Store) fitBudget() error {
	if s.options.Budget == 0 {
		return nil
	}
	if err := s.loadUse(); err != nil {
		return err
	}
	s.appending.Lock()
	defer s.appending.Unlock()
	s.evict()
	s.nudge()
	return nil
}

// claim compares the folder's fingerprint with the model's, or writes it into
// a new folder before the first segment exists.
func (s *Store) claim(fingerprint string, segments int) error {
	path := filepath.Join(s.dir, "meta.json")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && segments == 0 {
		return s.name(path, meta{Fingerprint: fingerprint}, segments)
	}
	if err != nil {
		return fmt.Errorf("read which model the patch states are of: %w", err)
	}
	var m meta
	if err := json.Unmarshal(text, &m); err != nil {
		return fmt.Errorf("%s is damaged; delete the folder, its content is computed again: %w", path, err)
	}
	if m.Format > formatPooled {
		return fmt.Errorf("%s has format %d and this program knows up to %d; use a newer Sightline", s.dir, m.Format, formatPooled)
	}
	if m.Fingerprint != fingerprint {
		return fmt.Errorf("%s: %w: it holds states of %s and the model in use is %s; import again into a new --data folder with this model, or use the old --model",
			s.dir, store.ErrFingerprint, m.Fingerprint, fingerprint)
	}
	return s.name(path, m, segments)
}

// name writes meta.json where it has to change: in a new folder, and in one of
// format 1 before the first tombstone, which older programs take for damage.
func (s *Store) name(path string, m meta, segments int) error {
	changed, err := s.settle(&m, segments)
	if err != nil || !changed {
		return err
	}
	return s.writeMeta(path, m)
}

func (s *Store) writeMeta(path string, m meta) error {
	text, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	return folder.WriteFile(s.dir, path, append(text, '\n'))
}

// listSegments returns the numbers of the segment files in order, and removes
// what an interrupted folder.WriteFile left.
func listSegments(dir string) ([]int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list segments: %w", err)
	}
	var numbers []int
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "new-") {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return nil, fmt.Errorf("remove unfinished file: %w", err)
			}
		}
		digits, ok := strings.CutSuffix(e.Name(), ".seg")
		if n, err := strconv.Atoi(digits); ok && err == nil && n > 0 {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

func (s *Store) loadSegment(number int, last bool) error {
	file, err := segmentFile(segmentPath(s.dir, number))
	if err != nil {
		return err
	}
	seg := &segment{file: file, number: number}
	s.segments = append(s.segments, seg) // from here on Close closes it
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("read size: %w", err)
	}
	seg.size = info.Size()
	survey, err := scanSegment(file, seg.size)
	if err != nil {
		return err
	}
	for _, f := range survey.records {
		s.enter(seg, f)
	}
	s.recovered.Skipped += survey.skipped
	rest := seg.size - survey.end
	if !last {
		s.recovered.Skipped += rest
		seg.seal(seg.size)
		return nil
	}
	return s.cut(seg, rest)
}

// enter takes a record into the index; a later one of a key replaces or, as a
// tombstone, removes an earlier one.
func (s *Store) enter(seg *segment, f found) {
	if f.form != formGone {
		s.index.put(seg, f)
		return
	}
	s.index.drop(f.key)
	seg.stones = append(seg.stones, f.key.short())
}

// cut removes the record that was being written when the program was killed.
func (s *Store) cut(seg *segment, rest int64) error {
	if rest == 0 {
		return nil
	}
	if err := seg.file.Truncate(seg.size - rest); err != nil {
		return fmt.Errorf("cut unfinished record: %w", outOfSpace(err))
	}
	seg.size -= rest
	s.recovered.Cut += rest
	return nil
}
