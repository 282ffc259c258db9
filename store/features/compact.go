package features

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"sightline/store"
	"sightline/store/internal/folder"
)

// Compaction moves the records that still count from a sealed segment to the
// end of the last one, like any Put, syncs it, and removes the old file. Thus a
// kill at any moment leaves at worst two copies of a record, or half of one at
// the end of the last segment, and Open copes with both; and a Delete that
// meets the move is behind it in the files as it is in time.
//
// A tombstone moves along while an older segment still holds a dead record of
// its picture.

const (
	// calm is how many bytes a second compaction in the background writes at
	// most: a tenth of what a plain SSD does.
	calm = 64 << 20
	// rest is the least time between two looks for something to compact.
	rest = 200 * time.Millisecond
)

var errStopped = errors.New("stopped")

// pace slows a compaction down and stops it.
type pace struct {
	done  <-chan struct{}
	bytes int64 // a second; 0 for no limit
}

// step returns errStopped when it is time to stop, else nil when n bytes took
// the time that they should.
func (p pace) step(n int64) error {
	select {
	case <-p.done:
		return errStopped
	default:
	}
	if p.bytes == 0 || n == 0 {
		return nil
	}
	return p.wait(time.Duration(float64(n) / float64(p.bytes) * float64(time.Second)))
}

func (p pace) wait(d time.Duration) error {
	select {
	case <-p.done:
		return errStopped
	case <-time.After(d):
		return nil
	}
}

// Compact rewrites every segment of which an eighth or more is dead space, at
// full speed. Compaction goes on by itself in the background where half of a
// segment is dead or the budget is short; Compact is for getting the space
// back now. One runs at a time; a second waits.
func (s *Store) Compact(ctx context.Context) error {
	select {
	case s.compacting <- struct{}{}:
		defer func() { <-s.compacting }()
	case <-s.done:
		return store.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	fast := pace{done: ctx.Done()}
	want := func(c candidate) bool { return 8*c.waste >= c.size }
	err := s.compact(fast, want) // before sealing, which needs the room that this makes on a full disk
	if err == nil {
		err = s.sealWasteful()
	}
	if err == nil {
		err = s.compact(fast, want)
	}
	if errors.Is(err, errStopped) {
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("compact patch states: %w", err)
	}
	return nil
}

// sealWasteful begins a new segment if an eighth of the last one is dead.
func (s *Store) sealWasteful() error {
	s.appending.Lock()
	defer s.appending.Unlock()
	if err := s.alive(); err != nil {
		return err
	}
	n := len(s.segments)
	if n == 0 {
		return nil
	}
	last := s.segments[n-1]
	s.mu.Lock()
	wasteful := len(last.ghosts) > 0 && 8*last.live <= 7*last.size
	s.mu.Unlock()
	if wasteful {
		_, err := s.rotate()
		return err
	}
	return nil
}

// compactLater compacts in the background when something woke it.
func (s *Store) compactLater() {
	for {
		select {
		case <-s.done:
			return
		case <-s.wake:
		}
		select {
		case <-s.done:
			return
		case s.compacting <- struct{}{}:
		}
		slow := pace{done: s.done, bytes: calm}
		err := s.compact(slow, s.wasteful)
		<-s.compacting
		if err != nil && s.alive() == nil && s.options.Failed != nil {
			s.options.Failed(fmt.Errorf("compact patch states: %w", err))
		}
		if slow.wait(rest) != nil {
			return
		}
	}
}

// nudge has the background look for something to compact.
func (s *Store) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// wasteful tells whether to rewrite a segment in the background. With a budget
// the records that count fill at most four fifths of it, so that while the
// files exceed it, some sealed segment has a sixteenth of waste.
func (s *Store) wasteful(c candidate) bool {
	if 2*c.waste >= c.size {
		return true
	}
	return s.options.Budget > 0 && c.files > s.options.Budget && 16*c.waste >= c.size
}

// candidate is a sealed segment that could be rewritten.
type candidate struct {
	*segment
	size, waste int64 // bytes of it, and those that rewriting gives back
	files       int64 // bytes of all segments
	ghosts      []uint64
	stones      []uint64
}

// compact rewrites the segments that want says, the most wasteful first, until
// there is none.
func (s *Store) compact(p pace, want func(candidate) bool) error {
	for {
		var best *candidate
		all := s.candidates()
		for i := range all {
			if want(all[i]) && (best == nil || all[i].waste*best.size > best.waste*all[i].size) {
				best = &all[i]
			}
		}
		if best == nil {
			return nil
		}
		if err := s.rewrite(p, *best, all); err != nil {
			return err
		}
	}
}

// candidates lists the sealed segments by number, with what each would give
// back: everything but the records that count and the tombstones that older
// segments still need.
func (s *Store) candidates() []candidate {
	s.mu.Lock()
	all := make([]candidate, 0, len(s.segments))
	var files int64
	for i, g := range s.segments {
		files += g.size
		if i < len(s.segments)-1 {
			all = append(all, candidate{segment: g, size: g.size, waste: g.size - g.live, ghosts: g.ghosts, stones: g.stones})
		}
	}
	s.mu.Unlock()
	older := make(map[uint64]struct{}) // ghosts and stones only grow, so that reading them needs no lock
	for i := range all {
		all[i].files = files
		for _, stone := range all[i].stones {
			if _, needed := older[stone]; needed {
				all[i].waste -= headerSize
			}
		}
		for _, ghost := range all[i].ghosts {
			older[ghost] = struct{}{}
		}
	}
	return all
}

// rewrite moves what counts out of a segment and removes it.
func (s *Store) rewrite(p pace, c candidate, all []candidate) error {
	older := make(map[uint64]struct{})
	for i := 0; all[i].segment != c.segment; i++ {
		for _, ghost := range all[i].ghosts {
			older[ghost] = struct{}{}
		}
	}
	survey, err := scanSegment(c.file, c.size)
	if err != nil {
		return fmt.Errorf("segment %d: %w", c.number, err)
	}
	for _, f := range survey.records {
		moved, err := s.salvage(place{seg: c.segment, found: f}, older)
		if err == nil {
			err = p.step(moved)
		}
		if err != nil {
			return err
		}
	}
	return s.remove(c)
}

// salvage appends a record again if it still counts, and returns its bytes, or
// 0 if it does not.
func (s *Store) salvage(at place, older map[uint64]struct{}) (int64, error) {
	if at.form == formGone {
		if _, needed := older[at.key.short()]; !needed {
			return 0, nil
		}
		s.appending.Lock()
		defer s.appending.Unlock()
		s.owed = append(s.owed, at.key)
		return headerSize, s.pay()
	}
	if !s.current(at) {
		return 0, nil
	}
	record, err := at.seg.read(at.at, at.bytes())
	if err == nil {
		_, err = verify(at.header, record[headerSize:])
	}
	if err != nil {
		if errors.Is(err, errGone) {
			return 0, err
		}
		s.damaged.Add(1)
		s.forget(at)
		return 0, nil
	}
	return at.bytes(), s.relocate(at, record)
}

// current tells whether a record is the one that counts for its picture.
func (s *Store) current(at place) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.index.entries[at.key]
	return ok && e.place() == at
}

func (s *Store) relocate(at place, record []byte) error {
	s.appending.Lock()
	defer s.appending.Unlock()
	if !s.current(at) { // deleted or evicted meanwhile
		return nil
	}
	seg, offset, err := s.append(record)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.index.entries[at.key]; ok && e.place() == at { // a reader may have found it damaged
		s.index.move(e, seg, offset)
	}
	return nil
}

// remove takes away a segment of which nothing counts any more. What was moved
// out of it is synced first, and its own name is gone for good before any
// tombstone may be dropped because of that.
func (s *Store) remove(c candidate) error {
	if err := s.syncLast(); err != nil {
		return err
	}
	s.unlist(c.segment)
	if err := c.retire(); err != nil {
		return fmt.Errorf("close segment: %w", err)
	}
	if err := os.Remove(c.file.Name()); err != nil {
		return fmt.Errorf("remove segment: %w", err)
	}
	s.reclaimed.Add(c.waste)
	return folder.SyncDir(s.dir)
}

// unlist takes a segment out of the store, and out of the index what could not
// be moved, because the file was changed by someone else.
func (s *Store) unlist(g *segment) {
	s.appending.Lock()
	defer s.appending.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.segments = slices.DeleteFunc(slices.Clone(s.segments), func(other *segment) bool { return other == g })
	if g.live == 0 {
		return
	}
	for k, e := range s.index.entries {
		if e.seg == g {
			s.index.drop(k)
		}
	}
}
