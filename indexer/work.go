package indexer

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"sightline/store"
	"sightline/store/features"
)

// Work is what a Follower's next Pass would do.
type Work struct {
	Items    int // of the live catalogue
	Pictures int // of these items, Entry.Views included

	UpToDate int // items that are there as they should be
	Rewrite  int // items whose fields changed: written with the embeddings that are there
	Embed    int // items to embed
	Remove   int // items that are there and not in the live catalogue

	EmbedPictures int // pictures of the items to embed, all of them
	NewPictures   int // the same, each counted once however many items show it
	EmbedText     int // bytes of the records of the items to embed, as JSON
	// Sample is at most the number of items that was asked for, spread over
	// those to embed. They have no vectors.
	Sample []store.Entry
}

// Look compares the live catalogue with that of the model with that fingerprint.
// It reads both once and writes nothing: 100,000 items take some 5 s.
func Look(ctx context.Context, live, there Scanner, fingerprint string, sample int) (Work, error) {
	l := look{fingerprint: fingerprint, pictures: make(map[idKey]struct{}), sample: sampler{limit: sample}}
	other := &walk{ctx: ctx, from: there}
	err := eachStored(ctx, live, func(e store.Entry) bool {
		old := other.to(e.Item.ID)
		if other.err == nil {
			other.err = l.add(e, old)
		}
		return other.err == nil
	})
	other.rest()
	if err == nil {
		err = other.err
	}
	if err != nil {
		return Work{}, fmt.Errorf("compare the catalogues: %w", err)
	}
	l.work.Remove, l.work.NewPictures, l.work.Sample = other.passed, len(l.pictures), l.sample.kept
	return l.work, nil
}

// walk goes through a catalogue in step with ids that are asked for in order.
type walk struct {
	ctx    context.Context
	from   Scanner
	page   []store.Entry
	after  string
	ended  bool
	passed int // entries that were not asked for
	err    error
}

// to returns the entry of an id, the zero Entry where there is none.
func (w *walk) to(id string) store.Entry {
	for w.fill(); len(w.page) > 0; w.fill() {
		first := w.page[0]
		if first.Item.ID > id {
			break
		}
		w.page = w.page[1:]
		if first.Item.ID == id {
			return first
		}
		w.passed++
	}
	return store.Entry{}
}

// rest passes all that is left.
func (w *walk) rest() {
	for w.fill(); len(w.page) > 0; w.fill() {
		w.passed += len(w.page)
		w.page = nil
	}
}

// fill reads the next page when one is needed.
func (w *walk) fill() {
	if len(w.page) > 0 || w.ended || w.err != nil {
		return
	}
	w.page, w.err = w.from.Scan(w.ctx, w.after, storedPage, nil)
	w.ended = len(w.page) < storedPage
	if len(w.page) > 0 {
		w.after = w.page[len(w.page)-1].Item.ID
	}
}

type look struct {
	fingerprint string
	work        Work
	pictures    map[idKey]struct{} // to embed: 40 bytes each
	sample      sampler
}

func (l *look) add(live, old store.Entry) error {
	keys := keysOf(live)
	l.work.Items++
	if live.Picture != "" {
		l.work.Pictures += len(keys)
	}
	need, err := needOf(live, old, l.fingerprint)
	if err != nil {
		return err
	}
	switch need {
	case needsNothing:
		l.work.UpToDate++
	case needsRecord:
		l.work.Rewrite++
	case needsEmbedding:
		return l.embed(live, keys)
	}
	return nil
}

func (l *look) embed(e store.Entry, keys []string) error {
	l.work.Embed++
	text, err := json.Marshal(e.Item)
	if err != nil {
		return fmt.Errorf("item %q: %w", e.Item.ID, err)
	}
	l.work.EmbedText += len(text)
	if e.Picture == "" {
		return nil
	}
	l.work.EmbedPictures += len(keys)
	for _, key := range keys {
		l.pictures[keyOfID(key)] = struct{}{}
	}
	l.sample.add(e)
	return nil
}

// sampler keeps every n-th, with n such that at most limit are kept.
type sampler struct {
	limit, seen, step int
	kept              []store.Entry
}

func (s *sampler) add(e store.Entry) {
	s.step = max(s.step, 1)
	if s.seen++; s.limit == 0 || (s.seen-1)%s.step != 0 {
		return
	}
	if len(s.kept) == s.limit {
		half := s.kept[:0]
		for i := 0; i < len(s.kept); i += 2 {
			half = append(half, s.kept[i])
		}
		s.kept, s.step = half, 2*s.step
		if (s.seen-1)%s.step != 0 {
			return
		}
	}
	e.Embedding, e.Views = nil, withoutVectors(e.Views)
	s.kept = append(s.kept, e)
}

func withoutVectors(views []store.View) []store.View {
	var out []store.View
	for _, v := range views {
		out = append(out, store.View{Picture: v.Picture})
	}
	return out
}

// Speed is what Measure found.
type Speed struct {
	Pictures int // that were embedded, without those that warmed up
	Seconds  float64
}

// PerSecond is 0 where nothing was measured.
func (s Speed) PerSecond() float64 {
	if s.Pictures == 0 || s.Seconds <= 0 {
		return 0
	}
	return float64(s.Pictures) / s.Seconds
}

// Measure embeds stored pictures of a sample and writes nothing. A batch before
// loads the model and warms it up, and decides how many are measured: 2 to 16
// batches, some 5 s. What writing costs is not in it: it goes on beside the model.
func Measure(ctx context.Context, enc ImageEncoder, from Pictures, o Options, sample []store.Entry) (Speed, error) {
	o.Observe, o.Rejected, o.FullSync, o.DryRun = nil, nil, false, false
	ix := New(Parts{Encoder: enc, Index: nowhere{}, Features: nowhereStates{}, Pictures: unwritten{from}}, o)
	begin := time.Now()
	warm := spread(sample, ix.options.Batch)
	if _, err := ix.Run(ctx, Stored(ctx, Entries(warm), len(warm))); err != nil {
		return Speed{}, fmt.Errorf("measure the model: %w", err)
	}
	batches := min(max(int(5*time.Second/max(time.Since(begin), time.Millisecond)), 2), 16)
	sample = spread(sample, batches*ix.options.Batch)
	begin = time.Now()
	sum, err := ix.Run(ctx, Stored(ctx, Entries(sample), len(sample)))
	if err != nil {
		return Speed{}, fmt.Errorf("measure the model: %w", err)
	}
	return Speed{Pictures: sum.Encoded, Seconds: time.Since(begin).Seconds()}, nil
}

// spread picks n of all, or all of fewer.
func spread(all []store.Entry, n int) []store.Entry {
	if len(all) <= n {
		return all
	}
	out := make([]store.Entry, n)
	for i := range out {
		out[i] = all[i*len(all)/n]
	}
	return out
}

// nowhere is a catalogue without items that keeps nothing.
type nowhere struct{ Entries }

// Get finds nothing.
func (nowhere) Get(context.Context, []string) ([]store.Entry, error) { return nil, nil }

// Upsert drops the entries.
func (nowhere) Upsert(context.Context, []store.Entry) error { return nil }

// Delete finds nothing.
func (nowhere) Delete(context.Context, []string) (int, error) { return 0, nil }

// nowhereStates keeps no patch states.
type nowhereStates struct{}

// Grid is the one that costs nothing to make.
func (nowhereStates) Grid() features.Grid { return features.Full }

// Has finds none.
func (nowhereStates) Has(string) bool { return false }

// Put drops them.
func (nowhereStates) Put(context.Context, string, features.Record) error { return nil }

// Sync has nothing to do.
func (nowhereStates) Sync() error { return nil }

// unwritten are pictures that are only read.
type unwritten struct{ Pictures }

// Put names the picture and drops it.
func (unwritten) Put(_ context.Context, data []byte) (string, error) { return keyOf(data), nil }
