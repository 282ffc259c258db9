// Package features keeps the patch states of pictures, so that re-ranking need
// not run the vision tower at query time. Records lie in append-only segment
// files, each with a checksum; an index in memory is rebuilt from the record
// headers at open. Everything here can be computed again from the stored
// pictures, so damage costs time, never data.
package features

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"sightline/store"
	"sightline/store/internal/folder"
)

// segmentSize is when a new file is begun: small enough to rewrite one while
// serving, large enough that 100,000 pictures (ViT-B/16-384 in int8)
// are 170 files.
const segmentSize = 256 << 20

// Store holds patch states by picture key. All methods may be called at the
// same time. The folder is locked: one program at a time.
type Store struct {
	dir       string
	lock      *folder.Lock
	limit     int64 // bytes of a segment
	recovered Recovery

	mu     sync.RWMutex // guards what follows; never held while reading or writing files
	index  map[key]place
	closed bool

	appending sync.Mutex // one append at a time; guards what follows
	segments  []*segment // by number; appends go to the last
	broken    bool       // the last segment may end in an unfinished record
}

type segment struct {
	file   *os.File
	number int
	size   int64
}

type place struct {
	file *os.File
	found
}

// Recovery says what opening a store found wrong.
type Recovery struct {
	Cut     int64 // bytes of an unfinished record removed from the end of the last segment: the program was killed while it wrote
	Skipped int64 // bytes that are no valid record, left in place: the disk lost or changed data
}

// Open opens or creates the store in dir for the model with that fingerprint.
// States of another model are refused with store.ErrFingerprint.
func Open(dir, fingerprint string) (*Store, error) { return open(dir, fingerprint, segmentSize) }

func open(dir, fingerprint string, limit int64) (*Store, error) {
	lock, err := folder.Acquire(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{dir: dir, lock: lock, limit: limit, index: make(map[key]place)}
	if err := s.load(fingerprint); err != nil {
		return nil, errors.Join(fmt.Errorf("open patch states: %w", err), s.Close())
	}
	return s, nil
}

// Recovered tells what Open had to repair.
func (s *Store) Recovered() Recovery { return s.recovered }

// Len returns the number of pictures with patch states.
func (s *Store) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.index)
}

// Has tells whether patch states of the picture are stored. They may still
// turn out damaged when read.
func (s *Store) Has(picture string) bool {
	k, err := parseKey(picture)
	if err != nil {
		return false
	}
	_, ok, err := s.lookup(k)
	return ok && err == nil
}

func (s *Store) lookup(k key) (place, bool, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return place{}, false, store.ErrClosed
	}
	at, ok := s.index[k]
	return at, ok, nil
}

// Get returns the patch states of a picture (key: sha256 hex), false when
// there are none. An error with false also means that there are none to use:
// damaged states are forgotten, so that Put can store them anew.
func (s *Store) Get(ctx context.Context, picture string) (Record, bool, error) {
	k, err := parseKey(picture)
	if err != nil {
		return Record{}, false, err
	}
	if err := ctx.Err(); err != nil {
		return Record{}, false, err
	}
	at, ok, err := s.lookup(k)
	if err != nil || !ok {
		return Record{}, false, err
	}
	r, err := readRecord(at.file, at.found)
	if err == nil {
		return r, true, nil
	}
	if errors.Is(err, os.ErrClosed) {
		return Record{}, false, store.ErrClosed
	}
	if errors.Is(err, errDamaged) || errors.Is(err, io.EOF) {
		s.forget(k, at)
	}
	return Record{}, false, err
}

func (s *Store) forget(k key, damaged place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.index[k] == damaged { // else it was stored anew meanwhile
		delete(s.index, k)
	}
}

// Sync makes every finished Put survive a power cut. Without it they survive
// the end of the process only.
func (s *Store) Sync() error {
	s.appending.Lock()
	var active *os.File
	if n := len(s.segments); n > 0 {
		active = s.segments[n-1].file // earlier ones were synced when they were left
	}
	s.appending.Unlock()
	if _, _, err := s.lookup(key{}); err != nil || active == nil {
		return err
	}
	if err := active.Sync(); err != nil {
		return fmt.Errorf("sync patch states: %w", err)
	}
	return nil
}

// Close syncs and closes the files. Calls under way end with store.ErrClosed.
func (s *Store) Close() error {
	s.appending.Lock()
	defer s.appending.Unlock()
	s.mu.Lock()
	again := s.closed
	s.closed = true
	s.mu.Unlock()
	if again {
		return nil
	}
	var errs []error
	for i, seg := range s.segments {
		if i == len(s.segments)-1 {
			errs = append(errs, seg.file.Sync())
		}
		errs = append(errs, seg.file.Close())
	}
	if err := errors.Join(append(errs, s.lock.Close())...); err != nil {
		return fmt.Errorf("close patch states: %w", err)
	}
	return nil
}
