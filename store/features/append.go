package features

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"

	"sightline/store"
	"sightline/store/internal/folder"
)

// A full disk tears nothing: what is stored stays readable, and writing goes on
// when there is room again.

// outOfSpace adds store.ErrNoSpace to errors that mean it.
func outOfSpace(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return fmt.Errorf("%w: %w", store.ErrNoSpace, err)
	}
	return err
}

// unlessFull passes over a full disk where nothing is lost by it but what can be
// made again.
func unlessFull(err error) error {
	if errors.Is(err, store.ErrNoSpace) {
		return nil
	}
	return err
}

// Put stores the patch states of a picture (key: sha256 hex). States follow
// from picture and model, so a key that is stored already is left as it is,
// and counts as used. One that the whole budget has no room for is not kept. A
// full disk is store.ErrNoSpace.
func (s *Store) Put(ctx context.Context, picture string, r Record) error {
	k, err := parseKey(picture)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, ok, err := s.lookup(k, true); err != nil || ok {
		return err
	}
	bytes, h, err := encode(k, r) // outside the lock: checksum and copy are the larger part
	if err != nil {
		return fmt.Errorf("picture %s: %w", picture, err)
	}
	if most := s.mostLive(); most > 0 && h.bytes() > most {
		s.evictions.Add(1)
		return nil
	}
	s.appending.Lock()
	defer s.appending.Unlock()
	if _, ok, err := s.lookup(k, true); err != nil || ok { // closed or stored while it waited
		return err
	}
	seg, at, err := s.append(bytes)
	if err != nil {
		return fmt.Errorf("store patch states of %s: %w", picture, err)
	}
	s.mu.Lock()
	s.index.put(seg, found{header: h, at: at})
	s.mu.Unlock()
	s.evict()
	return nil
}

// Delete drops the patch states of pictures that nothing refers to any more;
// those that are not stored are passed over. An error that wraps store.ErrNoSpace
// means that they are gone and would come back with the next Open: they are
// written down with the next Put or Sync that finds room.
func (s *Store) Delete(ctx context.Context, pictures ...string) error {
	keys := make([]key, len(pictures))
	for i, picture := range pictures {
		var err error
		if keys[i], err = parseKey(picture); err != nil {
			return err
		}
	}
	s.appending.Lock()
	defer s.appending.Unlock()
	if err := errors.Join(ctx.Err(), s.alive()); err != nil {
		return err
	}
	for _, k := range keys { // one lock each, so that readers need not wait for many
		s.mu.Lock()
		if s.index.drop(k) {
			s.owed = append(s.owed, k)
		}
		s.mu.Unlock()
	}
	s.nudge()
	if err := s.pay(); err != nil {
		return fmt.Errorf("delete patch states: %w", err)
	}
	return nil
}

// payAtOnce is how many tombstones go into one write: 256 KB.
const payAtOnce = 4096

// pay writes the tombstones of dropped pictures, so that they do not come back
// with the next Open. A picture stored anew since then needs none, and must
// not get one behind its new record.
func (s *Store) pay() error {
	for len(s.owed) > 0 {
		batch := s.owed[:min(payAtOnce, len(s.owed))]
		var out []byte
		var stones []uint64
		s.mu.Lock()
		for _, k := range batch {
			if _, stored := s.index.entries[k]; !stored {
				out, stones = append(out, tombstone(k)...), append(stones, k.short())
			}
		}
		s.mu.Unlock()
		if err := s.bury(out, stones); err != nil {
			return err
		}
		s.owed = s.owed[len(batch):]
	}
	s.owed = nil
	return nil
}

func (s *Store) bury(tombstones []byte, stones []uint64) error {
	if len(stones) == 0 {
		return nil
	}
	seg, _, err := s.append(tombstones)
	if err != nil {
		return err
	}
	s.mu.Lock()
	seg.stones = append(seg.stones, stones...)
	s.mu.Unlock()
	return nil
}

// append writes records to the end of the last segment. s.appending is held.
func (s *Store) append(records []byte) (*segment, int64, error) {
	if err := s.alive(); err != nil {
		return nil, 0, err
	}
	seg, err := s.active(int64(len(records)))
	if err != nil {
		return nil, 0, err
	}
	at := seg.size // changed only here
	if _, err := seg.file.WriteAt(records, at); err != nil {
		// A later record must not follow half of this one. If even cutting
		// fails, the segment is left and the next record begins a new one.
		s.broken = seg.file.Truncate(at) != nil
		return nil, 0, fmt.Errorf("write segment: %w", outOfSpace(err))
	}
	s.mu.Lock()
	seg.size += int64(len(records))
	s.mu.Unlock()
	return seg, at, nil
}

// active returns the segment with room for n more bytes; a record larger than
// a segment gets one of its own.
func (s *Store) active(n int64) (*segment, error) {
	if len(s.segments) > 0 {
		last := s.segments[len(s.segments)-1]
		if !s.broken && (last.size+n <= s.limit || last.size == int64(len(fileMagic))) {
			return last, nil
		}
	}
	return s.rotate()
}

// rotate seals the last segment and begins a new one.
func (s *Store) rotate() (*segment, error) {
	number := 1
	var last *segment
	if n := len(s.segments); n > 0 {
		last = s.segments[n-1]
		if err := last.sync(); err != nil {
			return nil, fmt.Errorf("sync full segment: %w", outOfSpace(err))
		}
		number = last.number + 1
	}
	seg, err := createSegment(s.dir, number)
	if err != nil {
		return nil, outOfSpace(err)
	}
	if last != nil {
		last.seal(last.size)
	}
	s.mu.Lock()
	s.segments = append(s.segments, seg)
	s.mu.Unlock()
	s.broken = false
	s.nudge()
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
	file, err := segmentFile(path)
	if err != nil {
		return nil, err
	}
	return &segment{file: file, number: number, size: int64(len(fileMagic))}, nil
}
