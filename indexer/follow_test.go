package indexer_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"
	"time"

	"sightline/indexer"
	"sightline/store"
)

// TestFollow goes through every kind of change, after the first pass and again
// with a Follower that knows nothing.
func TestFollow(t *testing.T) {
	b := newBeside(t)
	for _, step := range []struct {
		name                      string
		change                    func()
		written, encoded, deleted int
	}{
		{"nothing", func() {}, 0, 0, 0},
		{"new items", func() {
			b.write(itemOf("a", "", 5), "picture 1")
			b.write(itemOf("b", "", 0), "picture 2", "picture 3", "picture 4")
			b.write(itemOf("c", "", 0), "picture 2")
		}, 3, 5, 0},
		{"nothing again", func() {}, 0, 0, 0},
		{"another title", func() { b.write(itemOf("a", "new", 5), "picture 1") }, 1, 0, 0},
		{"a version", func() { b.write(itemOf("a", "new", 6), "picture 1") }, 1, 0, 0},
		{"a time", func() {
			b.write(store.Item{ID: "c", UpdatedAt: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}, "picture 2")
		}, 1, 0, 0},
		{"another picture", func() { b.write(itemOf("a", "new", 6), "picture 5") }, 1, 1, 0},
		{"one more view", func() { b.write(itemOf("c", "", 0), "picture 2", "picture 6") }, 1, 1, 0},
		{"views in another order", func() { b.write(itemOf("b", "", 0), "picture 2", "picture 4", "picture 3") }, 1, 0, 0},
		{"a deletion and an insertion", func() {
			b.delete("b")
			b.write(itemOf("d", "", 0), "picture 7")
		}, 1, 1, 1},
		{"back with an older version, after a full sync", func() {
			b.delete("a")
			if _, err := b.old.ForgetDeleted(t.Context(), time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			b.write(itemOf("a", "older", 1), "picture 5")
		}, 1, 0, 0},
		{"the same with another picture", func() {
			b.delete("a")
			if _, err := b.old.ForgetDeleted(t.Context(), time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			b.write(itemOf("a", "older", 0), "picture 8")
		}, 1, 1, 0},
		{"everything gone", func() { b.delete("a", "c", "d") }, 0, 0, 3},
		{"back after a deletion that came over", func() {
			if _, err := b.old.ForgetDeleted(t.Context(), time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			b.write(itemOf("a", "", 0), "picture 1")
		}, 1, 1, 0},
	} {
		t.Run(step.name, func(t *testing.T) {
			b.t = t
			step.change()
			look := b.look()
			b.pass(step.written, step.encoded, step.deleted)
			if got := look.Embed + look.Rewrite; got != step.written || look.Remove != step.deleted || look.Items != look.Embed+look.Rewrite+look.UpToDate {
				t.Errorf("the look before: %+v", look)
			}
			b.pass(0, 0, 0)
			b.follower = indexer.NewFollower(b.parts, indexer.Options{}, b.live)
			b.pass(0, 0, 0)
		})
	}
}

func (b *beside) look() indexer.Work {
	b.t.Helper()
	w, err := indexer.Look(b.t.Context(), b.live, b.new, string(newModel), 3)
	if err != nil {
		b.t.Fatal(err)
	}
	return w
}

// TestFollowManyPages: neighbours that changed are read across pages, and only
// they are written.
func TestFollowManyPages(t *testing.T) {
	b := newBeside(t)
	const items = 703
	var entries []store.Entry
	for i := range items {
		entries = append(entries, b.entry(itemOf(fmt.Sprintf("item-%04d", i), "", 0), fmt.Sprintf("picture %d", i%7)))
	}
	b.upsert(entries...)
	b.follower.Expect = items
	if w := b.look(); w.Embed != items || w.EmbedPictures != items || w.NewPictures != 7 || len(w.Sample) < 2 || len(w.Sample) > 3 {
		t.Errorf("look: %+v", w)
	}
	b.pass(items, items, 0)
	for _, i := range []int{0, 498, 499, 500, 501, 502, 600, 702} {
		b.write(itemOf(fmt.Sprintf("item-%04d", i), "changed", 0), fmt.Sprintf("picture %d", i%7))
	}
	b.delete("item-0001", "item-0497", "item-0701")
	b.pass(8, 0, 3)
}

// TestFollowFailures: an item without its picture fails, whatever is there of it
// stays, and the next pass tries again.
func TestFollowFailures(t *testing.T) {
	b := newBeside(t)
	b.write(itemOf("a", "", 0), "picture 1")
	b.pass(1, 1, 0)
	b.write(itemOf("a", "", 0), "broken")
	b.write(itemOf("b", "", 0), "picture 2")
	sum, err := b.follower.Pass(t.Context())
	if err != nil || sum.Failed != 1 || sum.Written != 1 || len(sum.Failures) != 1 || sum.Failures[0].ID != "a" {
		t.Fatalf("%v, %+v", err, sum)
	}
	if sum, err := b.follower.Pass(t.Context()); err != nil || sum.Failed != 1 || sum.Written != 0 {
		t.Fatalf("again: %v, %+v", err, sum)
	}
	b.write(itemOf("a", "", 0), "picture 3")
	b.pass(1, 1, 0)
}

// TestFollowLeavesOut: an item without one of its views is written, said to be
// incomplete and tried again.
func TestFollowLeavesOut(t *testing.T) {
	b := newBeside(t)
	b.write(itemOf("a", "", 0), "picture 1", "broken view", "picture 2")
	for _, written := range []int{1, 0} {
		sum, err := b.follower.Pass(t.Context())
		if err != nil || sum.LeftOut != 1 || sum.Written != written {
			t.Fatalf("%v, %+v", err, sum)
		}
	}
}

// TestFollowStopped: a pass that ctx ends deletes nothing, and another goes on.
func TestFollowStopped(t *testing.T) {
	b := newBeside(t)
	for i := range 20 {
		b.write(itemOf(fmt.Sprintf("item-%02d", i), "", 0), fmt.Sprintf("picture %d", i))
	}
	ctx, cancel := context.WithCancel(t.Context())
	b.follower = indexer.NewFollower(b.parts, indexer.Options{Batch: 1, Observe: func(indexer.Outcome, indexer.Progress) { cancel() }}, b.live)
	if sum, err := b.follower.Pass(ctx); !errors.Is(err, context.Canceled) || !sum.Stopped || sum.Deleted != 0 {
		t.Fatalf("%v, %+v", err, sum)
	}
	if sum, err := b.follower.Pass(t.Context()); err != nil || sum.Deleted != 0 || sum.Failed != 0 {
		t.Fatalf("%v, %+v", err, sum)
	}
	b.equal()
}

// TestFollowBroken: an error of either catalogue ends the pass.
func TestFollowBroken(t *testing.T) {
	b := newBeside(t)
	b.write(itemOf("a", "", 0), "picture 1")
	if err := b.new.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.follower.Pass(t.Context()); !errors.Is(err, store.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if _, err := indexer.Look(t.Context(), b.live, b.new, string(newModel), 0); !errors.Is(err, store.ErrClosed) {
		t.Errorf("look: %v", err)
	}
}

// TestMarked: marks of entries are as good as those of a Reader.
func TestMarked(t *testing.T) {
	b := newBeside(t)
	b.follower = indexer.NewFollower(b.parts, indexer.Options{}, indexer.Marked{Scanner: b.old})
	b.write(itemOf("a", "", 1), "picture 1", "picture 2")
	b.write(itemOf("b", "", 1), "picture 1")
	b.pass(2, 3, 0)
	b.pass(0, 0, 0)
	b.write(itemOf("a", "", 1), "picture 1", "picture 3")
	b.write(itemOf("b", "", 2), "picture 1")
	b.pass(2, 1, 0)
	b.delete("b")
	b.pass(0, 0, 1)
}

// TestMeasure embeds what is stored and writes nothing.
func TestMeasure(t *testing.T) {
	b := newBeside(t)
	for i := range 50 {
		b.write(itemOf(fmt.Sprintf("item-%02d", i), "", 0), fmt.Sprintf("picture %d", i))
	}
	speed, err := indexer.Measure(t.Context(), newModel, b.pictures, indexer.Options{Batch: 4}, entriesOf(t, b.old))
	if err != nil || speed.Pictures < 8 || speed.Pictures > 50 || speed.PerSecond() <= 0 {
		t.Errorf("%+v, %v", speed, err)
	}
	if n := len(entriesOf(t, b.new)); n > 0 {
		t.Errorf("%d items were written", n)
	}
	lost := sha256.Sum256(nil)
	gone := []store.Entry{{Item: itemOf("x", "", 0), Picture: hex.EncodeToString(lost[:])}}
	if speed, err := indexer.Measure(t.Context(), newModel, b.pictures, indexer.Options{}, gone); err != nil || speed.PerSecond() != 0 {
		t.Errorf("of a lost picture: %+v, %v", speed, err)
	}
}
