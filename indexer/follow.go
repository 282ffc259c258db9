package indexer

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"sightline/store"
	"sightline/store/filter"
)

// Live is a catalogue that others write to and a Follower reads.
type Live interface {
	Scanner

	// Marks returns the first limit ids behind one, in their order, and for each
	// a sum of what the catalogue holds of the item: an item whose sum is that
	// of an earlier call has not changed. Fewer than limit mean the end.
	Marks(ctx context.Context, after string, limit int) (ids []string, sums [][16]byte, err error)
}

// Marked makes a Live of a catalogue without marks: they are worked out from its
// entries, so that a pass reads all of it.
type Marked struct{ Scanner }

// Marks is that of Live.
func (m Marked) Marks(ctx context.Context, after string, limit int) (ids []string, sums [][16]byte, err error) {
	entries, err := m.Scan(ctx, after, limit, nil)
	for _, e := range entries {
		record, err := json.Marshal(e.Item)
		if err != nil {
			return nil, nil, fmt.Errorf("item %q: %w", e.Item.ID, err)
		}
		// Neither keys nor JSON contain the byte that joins them.
		sum := sha256.Sum256(append(record, "\x00"+strings.Join(keysOf(e), "\x00")...))
		ids, sums = append(ids, e.Item.ID), append(sums, [16]byte(sum[:16]))
	}
	return ids, sums, err
}

// Follower keeps the catalogue of one model equal to that of another: each Pass
// embeds what is new there or has other pictures, writes what changed
// otherwise, and deletes what is gone. Nobody else may write to its own
// catalogue meanwhile. It remembers what it has seen, about 100 bytes an item,
// so that the passes after the first look at marks only. One Pass at a time.
//
// Versions do not matter to it: what the live catalogue holds is right, also
// where it is of an older version. For that the tombstones of its own catalogue
// are dropped; whoever makes that catalogue the live one gives it the other's.
type Follower struct {
	parts   Parts
	options Options
	live    Live

	// Expect is the number of items that the next Pass embeds, for its progress;
	// 0 where it is not known.
	Expect int

	mu    sync.Mutex // guards what follows: a pass reads marks and learns of outcomes at once
	known map[string]known
	pass  int
}

// known is what a Follower remembers of an item in its catalogue.
type known struct {
	sum  [16]byte // the mark that it was written from; zero where that is not known
	pass int      // the last one that saw it in the live catalogue
}

// NewFollower returns a Follower that writes to p.Index what live holds, with the
// pictures that p.Pictures keeps. Options that say what a feed is to change, such
// as FullSync, are not for it.
func NewFollower(p Parts, o Options, live Live) *Follower {
	return &Follower{parts: p, options: o.withDefaults(), live: live}
}

// Pass brings over what changed since the last one and tells of it. Nothing
// written, deleted or dropped, no failure and no picture left out, means that the two catalogues are
// equal as of its start. Items that failed or go without one of their pictures
// are tried again by the next.
// Summary.Unchanged counts those whose marks are known too.
//
// Patch states are not looked for: with a budget too small for all of them no
// pass would ever find nothing to do.
func (f *Follower) Pass(ctx context.Context) (Summary, error) {
	if err := f.begin(ctx); err != nil {
		return Summary{Failures: []Outcome{}, Incomplete: []Outcome{}}, err
	}
	p := &pass{f: f, sums: make(map[string][16]byte)}
	o := f.options
	o.Observe = func(out Outcome, at Progress) {
		if mark := p.take(out.ID); out.State != Failed && len(out.Warnings) == 0 {
			f.remember(out.ID, mark)
		}
		f.options.Observe(out, at)
	}
	sum, err := New(f.parts, o).Run(ctx, p.feed(ctx))
	sum.Seen += p.unchanged + p.rewritten
	sum.Unchanged += p.unchanged
	sum.Written += p.rewritten
	sum.Dropped += p.missed
	if err != nil {
		return sum, err
	}
	deleted, err := f.removeGone(ctx)
	sum.Deleted += deleted
	return sum, err
}

// begin counts the pass, and before the first learns what is there.
func (f *Follower) begin(ctx context.Context) error {
	f.pass++
	if f.known != nil {
		return nil
	}
	if err := f.forgetDeleted(ctx); err != nil {
		return err
	}
	there := make(map[string]known)
	err := eachStored(ctx, f.parts.Index, func(e store.Entry) bool {
		there[e.Item.ID] = known{}
		return true
	})
	if err != nil {
		return fmt.Errorf("read what is there: %w", err)
	}
	f.known = there
	return nil
}

func (f *Follower) remember(id string, sum [16]byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.known[id] = known{sum: sum, pass: f.pass}
}

// seen notes that the live catalogue has an item, and says whether it may have
// changed.
func (f *Follower) seen(id string, sum [16]byte) (changed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	k, ok := f.known[id]
	if ok {
		f.known[id] = known{sum: k.sum, pass: f.pass}
	}
	return !ok || k.sum != sum
}

// removeGone deletes what the pass, which has come to its end, did not see.
func (f *Follower) removeGone(ctx context.Context) (deleted int, err error) {
	var gone []string
	for id, k := range f.known {
		if k.pass != f.pass {
			gone = append(gone, id)
		}
	}
	for batch := range slices.Chunk(gone, deleteBatch) {
		n, err := f.remove(ctx, batch)
		deleted += n
		if err != nil {
			return deleted, err
		}
		for _, id := range batch {
			delete(f.known, id)
		}
	}
	return deleted, nil
}

// remove deletes items as if they had never been there.
func (f *Follower) remove(ctx context.Context, ids []string) (int, error) {
	n, err := f.parts.Index.Delete(ctx, ids)
	if err != nil {
		return n, fmt.Errorf("delete items: %w", err)
	}
	return n, f.forgetDeleted(ctx)
}

// forgetDeleted drops all tombstones, which would keep items of older versions
// out.
func (f *Follower) forgetDeleted(ctx context.Context) error {
	x, ok := f.parts.Index.(interface {
		ForgetDeleted(ctx context.Context, before time.Time) (int, error)
	})
	if !ok {
		return nil
	}
	// A clock that was put back must not keep any.
	if _, err := x.ForgetDeleted(ctx, time.Now().AddDate(100, 0, 0)); err != nil {
		return fmt.Errorf("forget deleted items: %w", err)
	}
	return nil
}

// Entries is a Scanner of a few entries, which are in the order of their ids.
type Entries []store.Entry

// Scan is that of store.Index.
func (s Entries) Scan(_ context.Context, after string, limit int, e filter.Expr) ([]store.Entry, error) {
	from, found := slices.BinarySearchFunc(s, after, func(e store.Entry, id string) int { return strings.Compare(e.Item.ID, id) })
	if found {
		from++
	}
	var out []store.Entry
	for _, entry := range s[from:] {
		if len(out) < limit && entry.Item.Matches(e) {
			out = append(out, entry)
		}
	}
	return out, nil
}
