package features

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"sightline/store/internal/folder"
)

// Put stores the patch states of a picture (key: sha256 hex). States follow
// from picture and model, so a key that is stored already is left as it is.
func (s *Store) Put(ctx context.Context, picture string, r Record) error {
	k, err := parseKey(picture)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, ok, err := s.lookup(k); err != nil || ok {
		return err
	}
	bytes, h, err := encode(k, r) // outside the lock: checksum and copy are the larger part
	if err != nil {
		return fmt.Errorf("picture %s: %w", picture, err)
	}
	s.appending.Lock()
	defer s.appending.Unlock()
	if _, ok, err := s.lookup(k); err != nil || ok { // closed or stored while it waited
		return err
	}
	at, err := s.append(bytes, h)
	if err != nil {
		return fmt.Errorf("store patch states of %s: %w", picture, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index[k] = at
	return nil
}

// append writes one record to the end of the last segment.
func (s *Store) append(record []byte, h header) (place, error) {
	seg, err := s.active(int64(len(record)))
	if err != nil {
		return place{}, err
	}
	if _, err := seg.file.WriteAt(record, seg.size); err != nil {
		// A later record must not follow half of this one. If even cutting
		// fails, the segment is left and the next record begins a new one.
		s.broken = seg.file.Truncate(seg.size) != nil
		return place{}, fmt.Errorf("write segment: %w", err)
	}
	at := place{file: seg.file, found: found{header: h, at: seg.size}}
	seg.size += int64(len(record))
	return at, nil
}

// active returns the segment with room for n more bytes; a record larger than
// a segment gets one of its own.
func (s *Store) active(n int64) (*segment, error) {
	number := 1
	if len(s.segments) > 0 {
		last := s.segments[len(s.segments)-1]
		if !s.broken && (last.size+n <= s.limit || last.size == int64(len(fileMagic))) {
			return last, nil
		}
		if err := last.file.Sync(); err != nil {
			return nil, fmt.Errorf("sync full segment: %w", err)
		}
		number = last.number + 1
	}
	seg, err := createSegment(s.dir, number)
	if err != nil {
		return nil, err
	}
	s.segments = append(s.segments, seg)
	s.broken = false
	return seg, nil
}

func segmentPath(dir string, number int) string {
	return filepath.Join(dir, fmt.Sprintf("%06d.seg", number))
}

func createSegment(dir string, number int) (*segment, error) {
	path := segmentPath(dir, number)
	// Written aside and renamed, so that a segment without its first bytes
	// never exists, whatever is interrupted.
	if err := folder.WriteFile(dir, path, []byte(fileMagic)); err != nil {
		return nil, fmt.Errorf("create segment: %w", err)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open segment: %w", err)
	}
	return &segment{file: file, number: number, size: int64(len(fileMagic))}, nil
}
