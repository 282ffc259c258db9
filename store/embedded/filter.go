package embedded

import (
	"context"

	"github.com/RoaringBitmap/roaring/v2"

	"sightline/store/filter"
)

// chunkIndex answers filters for one full chunk without looking at its items.
// The slots of a full chunk never change, so neither does its index: a
// snapshot needs no copy, and compaction drops the index with its chunk. The
// one chunk that is still being filled has none; its items, fewer than 4096,
// are matched one by one.
//
// The writer makes it after the write that opened the next chunk has become
// visible, so no search waits for it. A chunk without an index is matched item
// by item, and what a search finds does not depend on when the index appears.
type chunkIndex struct {
	every   *roaring.Bitmap // all slots
	records []*record
	fields  map[string]*fieldIndex
	partial bool // there are fields that are not in fields
}

// fieldIndex is one field in one chunk. An attribute may have another type in
// every item.
type fieldIndex struct {
	present *roaring.Bitmap
	types   map[filter.Type]values
}

// maxFields bounds the fields that a chunk indexes: 544 of 4096 slots. A shop
// that gives every item attributes of its own would otherwise make the index
// larger than the items. Conditions on the fields left out are matched item by
// item.
func maxFields(slots int) int { return 32 + slots/8 }

func newChunkIndex(records []*record) *chunkIndex {
	x := &chunkIndex{every: roaring.New(), records: records, fields: make(map[string]*fieldIndex)}
	x.every.AddRange(0, uint64(len(records)))
	for slot, rec := range records {
		for name, v := range rec.item.Fields() {
			x.add(name, uint32(slot), v)
		}
	}
	for _, f := range x.fields {
		for _, c := range f.types {
			c.finish()
		}
	}
	return x
}

func (x *chunkIndex) add(name string, slot uint32, v filter.Value) {
	f := x.fields[name]
	if f == nil {
		if len(x.fields) == maxFields(len(x.records)) {
			x.partial = true
			return
		}
		f = &fieldIndex{present: roaring.New(), types: make(map[filter.Type]values)}
		x.fields[name] = f
	}
	f.present.Add(slot)
	c := f.types[v.Type]
	if c == nil {
		c = newColumn(v.Type)
		f.types[v.Type] = c
	}
	if v.Type != filter.List {
		c.add(slot, v)
	}
	for _, text := range v.List {
		c.add(slot, filter.Value{Type: filter.String, Text: text})
	}
}

// match returns the slots whose items match. The set may belong to the index
// and must not be changed.
func (x *chunkIndex) match(e filter.Expr) *roaring.Bitmap {
	switch e := e.(type) {
	case filter.And:
		return x.matchAll(e.Kids)
	case filter.Or:
		sets := make([]*roaring.Bitmap, len(e.Kids))
		for i, kid := range e.Kids {
			sets[i] = x.match(kid)
		}
		return roaring.FastOr(sets...)
	case filter.Not:
		return roaring.AndNot(x.every, x.match(e.Kid))
	case filter.Exists:
		return x.ask(e, e.Field, func(f *fieldIndex) *roaring.Bitmap { return f.present })
	case filter.In:
		return x.ask(e, e.Field, func(f *fieldIndex) *roaring.Bitmap { return f.in(e) })
	case filter.Compare:
		return x.ask(e, e.Field, func(f *fieldIndex) *roaring.Bitmap { return f.compare(e) })
	case filter.Prefix:
		return x.ask(e, e.Field, func(f *fieldIndex) *roaring.Bitmap { return f.prefix(e) })
	case filter.Contains:
		return x.ask(e, e.Field, func(f *fieldIndex) *roaring.Bitmap { return f.contains(e) })
	}
	return x.every
}

func (x *chunkIndex) matchAll(kids []filter.Expr) *roaring.Bitmap {
	set := x.every
	for _, kid := range kids {
		if set = roaring.And(set, x.match(kid)); set.IsEmpty() {
			break
		}
	}
	return set
}

// ask answers one condition on one field.
func (x *chunkIndex) ask(e filter.Expr, field string, answer func(*fieldIndex) *roaring.Bitmap) *roaring.Bitmap {
	f, ok := x.fields[field]
	switch {
	case ok:
		return answer(f)
	case x.partial:
		return matchEach(x.records, e)
	}
	return roaring.New()
}

func (f *fieldIndex) in(e filter.In) *roaring.Bitmap {
	c := f.types[e.Values[0].Type]
	if c == nil {
		return roaring.New()
	}
	var sets []*roaring.Bitmap
	for _, v := range e.Values {
		if at, found := c.find(v); found {
			sets = append(sets, c.span(at, at+1))
		}
	}
	if e.Not {
		return roaring.AndNot(c.every(), roaring.FastOr(sets...))
	}
	return roaring.FastOr(sets...)
}

func (f *fieldIndex) compare(e filter.Compare) *roaring.Bitmap {
	c := f.types[e.Value.Type]
	if c == nil {
		return roaring.New()
	}
	at, found := c.find(e.Value)
	behind := at
	if found {
		behind++
	}
	switch e.Op {
	case filter.Less:
		return c.span(0, at)
	case filter.LessEqual:
		return c.span(0, behind)
	case filter.Greater:
		return c.span(behind, c.len())
	default:
		return c.span(at, c.len())
	}
}

func (f *fieldIndex) prefix(e filter.Prefix) *roaring.Bitmap {
	if c, ok := f.types[filter.String].(*column[string]); ok {
		return prefixed(c, e.Text)
	}
	return roaring.New()
}

func (f *fieldIndex) contains(e filter.Contains) *roaring.Bitmap {
	c := f.types[filter.List]
	if c == nil {
		return roaring.New()
	}
	sets := make([]*roaring.Bitmap, len(e.Values))
	for i, text := range e.Values {
		sets[i] = roaring.New()
		if at, found := c.find(filter.Value{Type: filter.String, Text: text}); found {
			sets[i] = c.span(at, at+1)
		}
	}
	if e.All {
		return roaring.FastAnd(sets...)
	}
	return roaring.FastOr(sets...)
}

// matchEach is match without an index.
func matchEach(records []*record, e filter.Expr) *roaring.Bitmap {
	set := roaring.New()
	for slot, rec := range records {
		if rec.item.Matches(e) {
			set.Add(uint32(slot))
		}
	}
	return set
}

// visit calls do for each item of a chunk that matches, in the order of slots.
// The index of a chunk that filled up later knows slots that the snapshot must
// not see.
func (s *snapshot) visit(i int, e filter.Expr, do func(location)) {
	c, filled := s.chunks[i], s.filled(i)
	var set *roaring.Bitmap
	if x := c.index.Load(); x != nil {
		set = x.match(e)
	} else {
		set = matchEach(c.records[:filled], e)
	}
	for slot := range roaring.Values(set) {
		if int(slot) >= filled {
			break
		}
		if at := (location{chunk: c, slot: int(slot)}); s.has(at) {
			do(at)
		}
	}
}

// visitAll calls do for each item that matches.
func (s *snapshot) visitAll(ctx context.Context, e filter.Expr, do func(location)) error {
	for i := range s.chunks {
		if err := ctx.Err(); err != nil {
			return err
		}
		s.visit(i, e, do)
	}
	return nil
}
