// Package features keeps the patch states of pictures, so that re-ranking need
// not run the vision tower at query time. Records lie in append-only segment
// files, each with a checksum; an index in memory is rebuilt from the record
// headers at open. Everything here can be computed again from the stored
// pictures, so damage costs time, never data, and a byte budget may drop what
// was not used for longest.
//
// [Store] is a folder of one machine; [Bucket] keeps the records of several
// machines in an object store, with a Store in front.
package features

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"sightline/store"
	"sightline/store/internal/folder"
)

// Options of a Store; zero values mean the defaults.
type Options struct {
	// Budget bounds the bytes of the segment files; 0 sets no bound. A fifth
	// of it is room for records that no longer count until they are compacted
	// away; the pictures used least recently go when the others fill the rest.
	// For a moment, while compaction makes room, the files may exceed it by one
	// segment, an eighth of the Budget.
	Budget int64
	// Grid is which patch states are asked for: a folder that holds another kind
	// is refused with ErrGrid. The zero value takes it as it is.
	Grid Grid
	// Failed is told when compaction in the background fails, by one goroutine
	// at a time. It is tried again later.
	Failed func(error)
}

// minBudget keeps a Budget given in the wrong unit from dropping everything.
const minBudget = 1 << 20

// segmentSize is when a new file is begun: small enough to rewrite one while
// serving, large enough that 100,000 pictures (ViT-B/16-384 in int8)
// are 170 files.
const segmentSize = 256 << 20

// Store holds patch states by picture key. All methods may be called at the
// same time. The folder is locked: one program at a time.
type Store struct {
	dir       string
	lock      *folder.Lock
	options   Options
	limit     int64 // bytes of a segment
	recovered Recovery
	grid      Grid // set by Open

	mu       sync.Mutex // guards what follows; never held while reading or writing files
	index    index
	segments []*segment // by number; appends go to the last. Changed with appending held too
	closed   bool

	appending sync.Mutex // one append at a time; taken before mu; guards what follows
	broken    bool       // the last segment may end in an unfinished record
	owed      []key      // dropped pictures whose tombstones are not written yet

	compacting chan struct{} // holds one value while a compaction runs
	wake       chan struct{} // holds one value when there may be something to compact
	done       chan struct{} // closed by Close
	background sync.WaitGroup

	hits, misses, evictions, damaged, reclaimed atomic.Int64
}

// Recovery says what opening a store found wrong.
type Recovery struct {
	Cut     int64 // bytes of an unfinished record removed from the end of the last segment: the program was killed while it wrote
	Skipped int64 // bytes that are no valid record, left in place: the disk lost or changed data
}

// Open opens or creates the store in dir for the model with that fingerprint,
// with the default Options. States of another model are refused with
// store.ErrFingerprint.
func Open(dir, fingerprint string) (*Store, error) { return OpenWith(dir, fingerprint, Options{}) }

// OpenWith is Open with Options. A Budget smaller than what is stored drops
// what exceeds it at once.
func OpenWith(dir, fingerprint string, o Options) (*Store, error) {
	if o.Budget < 0 || o.Budget > 0 && o.Budget < minBudget {
		return nil, fmt.Errorf("%w options: a budget of %d bytes for patch states; give 0 for no bound, or at least %d", store.ErrInvalid, o.Budget, int64(minBudget))
	}
	return open(dir, fingerprint, o, segmentSize)
}

func open(dir, fingerprint string, o Options, limit int64) (*Store, error) {
	lock, err := folder.Acquire(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{
		dir: dir, lock: lock, options: o, limit: limit, index: index{entries: make(map[key]*entry)},
		compacting: make(chan struct{}, 1), wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	if o.Budget > 0 {
		s.limit = min(limit, o.Budget/8)
	}
	if err := s.load(fingerprint); err != nil {
		return nil, errors.Join(fmt.Errorf("open patch states: %w", err), s.shut())
	}
	s.background.Go(s.compactLater)
	return s, nil
}

// Recovered tells what Open had to repair.
func (s *Store) Recovered() Recovery { return s.recovered }

// Len returns the number of pictures with patch states.
func (s *Store) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.index.entries)
}

// Has tells whether patch states of the picture are stored. They may still
// turn out damaged when read. Asking is no use of them.
func (s *Store) Has(picture string) bool {
	k, err := parseKey(picture)
	if err != nil {
		return false
	}
	_, ok, err := s.lookup(k, false)
	return ok && err == nil
}

// lookup returns where the record of a picture lies, and notes its use.
func (s *Store) lookup(k key, use bool) (place, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return place{}, false, store.ErrClosed
	}
	e, ok := s.index.entries[k]
	if !ok {
		return place{}, false, nil
	}
	if use {
		s.index.touch(e)
	}
	return e.place(), true, nil
}

// Get returns the patch states of a picture (key: sha256 hex), false when
// there are none. The caller owns the record. An error with false also means
// that there are none to use: damaged states are forgotten, so that Put can
// store them anew.
func (s *Store) Get(ctx context.Context, picture string) (Record, bool, error) {
	k, err := parseKey(picture)
	if err != nil {
		return Record{}, false, err
	}
	for {
		if err := ctx.Err(); err != nil {
			return Record{}, false, err
		}
		at, ok, err := s.lookup(k, true)
		if err == nil && !ok {
			s.misses.Add(1)
		}
		if err != nil || !ok {
			return Record{}, false, err
		}
		r, err := s.read(at)
		if errors.Is(err, errGone) {
			continue // compacted away, or closed, since lookup
		}
		return r, err == nil, err
	}
}

// read returns the record at a place, which is forgotten when it is not what
// was written.
func (s *Store) read(at place) (Record, error) {
	payload, err := at.seg.read(at.at+headerSize, at.payload())
	if errors.Is(err, errGone) {
		return Record{}, err
	}
	var r Record
	if err != nil {
		err = fmt.Errorf("patch states of picture %s: %w", at.key, err)
	} else {
		r, err = verify(at.header, payload)
	}
	if err != nil {
		s.damaged.Add(1)
		s.forget(at)
		return Record{}, err
	}
	s.hits.Add(1)
	return r, nil
}

func (s *Store) forget(damaged place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.index.entries[damaged.key]; ok && e.place() == damaged { // else it was stored anew meanwhile
		s.index.drop(damaged.key)
	}
}

// Sync makes every finished Put and Delete survive a power cut. Without it
// they survive the end of the process only.
func (s *Store) Sync() error {
	s.appending.Lock()
	err := errors.Join(s.alive(), s.pay())
	s.appending.Unlock()
	if err == nil {
		err = s.syncLast()
	}
	if err != nil {
		return fmt.Errorf("sync patch states: %w", err)
	}
	return nil
}

// syncLast syncs the last segment; earlier ones were synced when they were
// left.
func (s *Store) syncLast() error {
	s.mu.Lock()
	segments := s.segments
	s.mu.Unlock()
	if len(segments) == 0 {
		return nil
	}
	return outOfSpace(segments[len(segments)-1].sync())
}

// alive tells whether the store is still open.
func (s *Store) alive() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return store.ErrClosed
	}
	return nil
}

// Close stops compaction, syncs and closes the files. It waits for calls under
// way; later ones get store.ErrClosed.
func (s *Store) Close() error {
	first, err := s.end()
	if !first {
		return nil
	}
	s.background.Wait()
	s.compacting <- struct{}{} // waits for a Compact under way, and keeps others out
	if err := errors.Join(err, unlessFull(s.saveUse()), s.shut()); err != nil {
		return fmt.Errorf("close patch states: %w", err)
	}
	return nil
}

// end makes later calls fail, and tells whether it is the first to do so.
func (s *Store) end() (first bool, err error) {
	s.appending.Lock()
	defer s.appending.Unlock()
	if s.alive() != nil {
		return false, nil
	}
	err = unlessFull(s.pay()) // what cannot be written comes back with the next Open
	close(s.done)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return true, err
}

// shut closes the files.
func (s *Store) shut() error {
	var errs []error
	for i, seg := range s.segments {
		if i == len(s.segments)-1 {
			errs = append(errs, seg.sync())
		}
		errs = append(errs, seg.retire())
	}
	return errors.Join(append(errs, s.lock.Close())...)
}

func segmentFile(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open segment: %w", err)
	}
	return file, nil
}
