package indexer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"sightline/store"
)

// pass is one Pass. All but sums belongs to the reader of the feed.
type pass struct {
	f         *Follower
	unchanged int
	rewritten int
	missed    int // changed, and not there any more when it was read
	yielded   int

	mu   sync.Mutex // guards sums
	sums map[string][16]byte
}

func (p *pass) take(id string) [16]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	sum := p.sums[id]
	delete(p.sums, id)
	return sum
}

// feed yields the items whose pictures are to be embedded.
func (p *pass) feed(ctx context.Context) Feed {
	return func(yield func(Record, error) bool) {
		for after, more := "", true; more; {
			ids, sums, err := p.f.live.Marks(ctx, after, storedPage)
			var todo []store.Entry
			if err == nil {
				todo, err = p.page(ctx, after, ids, sums)
			}
			if err != nil {
				yield(Record{}, fmt.Errorf("read the live catalogue: %w", err))
				return
			}
			if !p.yield(ctx, todo, yield) {
				return
			}
			if more = len(ids) == storedPage; more {
				after = ids[len(ids)-1]
			}
		}
	}
}

// yield hands on items as Stored does, numbered through the whole pass.
func (p *pass) yield(ctx context.Context, todo []store.Entry, yield func(Record, error) bool) bool {
	for record, err := range Stored(ctx, Entries(todo), len(todo)) {
		p.yielded++
		record.Row, record.At, record.Of = p.yielded, int64(p.yielded), int64(p.f.Expect)
		if p.yielded > p.f.Expect {
			record.Of = 0
		}
		if !yield(record, err) {
			return false
		}
	}
	return true
}

// page writes what needs no model and returns the rest.
func (p *pass) page(ctx context.Context, after string, ids []string, sums [][16]byte) ([]store.Entry, error) {
	changed := make([]bool, len(ids))
	sumOf := make(map[string][16]byte)
	for i, id := range ids {
		if changed[i] = p.f.seen(id, sums[i]); changed[i] {
			sumOf[id] = sums[i]
		}
	}
	p.unchanged += len(ids) - len(sumOf)
	entries, err := p.read(ctx, after, ids, changed)
	if err != nil || len(entries) == 0 {
		p.missed += len(sumOf)
		return nil, err
	}
	p.missed += len(sumOf) - len(entries)
	return p.sort(ctx, entries, sumOf)
}

// read returns the entries of the ids that changed, neighbours by one Scan. What
// was written between the marks and now is left to the next pass.
func (p *pass) read(ctx context.Context, after string, ids []string, changed []bool) ([]store.Entry, error) {
	var out []store.Entry
	for i := 0; i < len(ids); {
		end := i
		for end < len(ids) && changed[end] {
			end++
		}
		if end == i {
			after = ids[i]
			i++
			continue
		}
		found, err := p.f.live.Scan(ctx, after, end-i, nil)
		if err != nil {
			return nil, err
		}
		for _, e := range found {
			if _, ok := slices.BinarySearch(ids[i:end], e.Item.ID); ok {
				out = append(out, e)
			}
		}
		after, i = ids[end-1], end
	}
	return out, nil
}

// sort compares entries with what is there, writes those whose embeddings are
// there and returns those that are to be embedded.
func (p *pass) sort(ctx context.Context, entries []store.Entry, sumOf map[string][16]byte) (todo []store.Entry, err error) {
	there, err := p.there(ctx, entries)
	if err != nil {
		return nil, err
	}
	var rewrite []store.Entry
	var older []string
	for _, e := range entries {
		old := there[e.Item.ID]
		need, err := needOf(e, old, p.f.parts.Encoder.Fingerprint())
		if err != nil {
			return nil, err
		}
		switch need {
		case needsNothing:
			p.unchanged++
			p.f.remember(e.Item.ID, sumOf[e.Item.ID])
			continue
		case needsRecord:
			e.Embedding, e.Views = old.Embedding, old.Views
			rewrite = append(rewrite, e)
		case needsEmbedding:
			todo = append(todo, e)
		}
		if e.Item.Version < old.Item.Version {
			older = append(older, e.Item.ID)
		}
	}
	if len(older) > 0 { // not counted as deleted: they are written anew
		if _, err := p.f.remove(ctx, older); err != nil {
			return nil, err
		}
	}
	return p.write(ctx, todo, rewrite, sumOf)
}

func (p *pass) there(ctx context.Context, entries []store.Entry) (map[string]store.Entry, error) {
	ids := make([]string, len(entries))
	for i, e := range entries {
		ids[i] = e.Item.ID
	}
	stored, err := p.f.parts.Index.Get(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("look up %d items: %w", len(ids), err)
	}
	there := make(map[string]store.Entry, len(stored))
	for _, e := range stored {
		there[e.Item.ID] = e
	}
	return there, nil
}

// write writes entries with the embeddings that they had, and keeps the marks of
// the others until their outcomes come. Where the index refuses one of the
// former, the run is left to find out which.
func (p *pass) write(ctx context.Context, todo, rewrite []store.Entry, sumOf map[string][16]byte) ([]store.Entry, error) {
	err := p.rewrite(ctx, rewrite, sumOf)
	if errors.Is(err, store.ErrInvalid) {
		todo, err = append(todo, rewrite...), nil
		slices.SortFunc(todo, func(a, b store.Entry) int { return strings.Compare(a.Item.ID, b.Item.ID) })
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range todo {
		p.sums[e.Item.ID] = sumOf[e.Item.ID]
	}
	return todo, err
}

func (p *pass) rewrite(ctx context.Context, entries []store.Entry, sumOf map[string][16]byte) error {
	if len(entries) == 0 {
		return nil
	}
	for i, e := range entries {
		hash, err := e.Item.ContentHash(p.f.parts.Encoder.Fingerprint(), keysOf(e)...)
		if err != nil {
			return err
		}
		entries[i].ContentHash = hash
	}
	if err := p.f.parts.Index.Upsert(ctx, entries); err != nil {
		return fmt.Errorf("write to the index: %w", err)
	}
	for _, e := range entries {
		p.f.remember(e.Item.ID, sumOf[e.Item.ID])
	}
	p.rewritten += len(entries)
	return nil
}

// need is what an item lacks in another model's catalogue.
type need int

const (
	needsNothing   need = iota
	needsRecord         // its fields: the pictures are the same
	needsEmbedding      // its pictures are new or others
)

// needOf compares an item with what another model's catalogue holds of it, the
// zero Entry for nothing. Content hashes contain the model's fingerprint, so that
// of the live entry is worked out anew.
func needOf(live, old store.Entry, fingerprint string) (need, error) {
	if old.Item.ID == "" || len(old.Embedding) == 0 || !slices.Equal(keysOf(live), keysOf(old)) {
		return needsEmbedding, nil
	}
	hash, err := live.Item.ContentHash(fingerprint, keysOf(live)...)
	if err != nil {
		return needsNothing, err
	}
	if hash != old.ContentHash || live.Item.Version != old.Item.Version || !live.Item.UpdatedAt.Equal(old.Item.UpdatedAt) {
		return needsRecord, nil
	}
	return needsNothing, nil
}

// keysOf returns the keys of an entry's stored pictures, its own one first.
func keysOf(e store.Entry) []string {
	keys := make([]string, 0, 1+len(e.Views))
	keys = append(keys, e.Picture)
	for _, v := range e.Views {
		keys = append(keys, v.Picture)
	}
	return keys
}
