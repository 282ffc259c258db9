package embedded

import (
	"sync"

	"sightline/store/filter"
)

// chunkIndex answers filters for one full chunk without looking at its items.
// The slots of a full chunk never change, so neither does its index: a
// snapshot needs no copy, and compaction drops the index with its chunk. The
// one chunk that is still being filled has none; its items, fewer than 4096,
// are matched one by one.
//
// The writer makes it after the write that filled the chunk has become
// visible, so no search waits for it. A chunk without an index is matched item
// by item, and what a search finds does not depend on when the index appears.
// It knows slots that a snapshot must not see; what it answers is cut to those
// that are live there.
type chunkIndex struct {
	records []*record
	fields  map[string]*fieldIndex
	partial bool // there are fields that are not in fields
	// views are the slots that are not the first of their item, and are left out
	// of all else here; nil for none.
	views slotSet
}

// fieldIndex is one field in one chunk. An attribute may have another type in
// every item.
type fieldIndex struct {
	name    string
	present slotSet
	once    sync.Once
	types   map[filter.Type]values // after columns
}

// isLong tells fields that are seldom asked for anything but to exist, and whose
// values are long and all different: sorting them would take most of the time
// and memory that an index costs. Their columns are made when a condition first
// needs them: 1 ms a chunk.
func isLong(field string) bool {
	return field == "title" || field == "description" || field == "url" || field == "image"
}

// maxFields bounds the fields that a chunk indexes: 544 of 4096 slots. A shop
// that gives every item attributes of its own would otherwise make the index
// larger than the items. Conditions on the fields left out are matched item by
// item.
func maxFields(slots int) int { return 32 + slots/8 }

func newChunkIndex(records []*record) *chunkIndex {
	x := &chunkIndex{records: records, fields: make(map[string]*fieldIndex)}
	for slot, rec := range records {
		if isView(records, slot) {
			if x.views == nil {
				x.views = newSlotSet(len(records))
			}
			x.views.add(slot)
			continue
		}
		for name := range rec.item.Fields() {
			if f := x.field(name); f != nil {
				f.present.add(slot)
			}
		}
	}
	for name, f := range x.fields {
		if !isLong(name) {
			f.columns(records)
		}
	}
	return x
}

// field returns nil for a field that is one too many.
func (x *chunkIndex) field(name string) *fieldIndex {
	f := x.fields[name]
	switch {
	case f != nil:
	case len(x.fields) == maxFields(len(x.records)):
		x.partial = true
	default:
		f = &fieldIndex{name: name, present: newSlotSet(len(x.records))}
		x.fields[name] = f
	}
	return f
}

// columns returns the field's values by type.
func (f *fieldIndex) columns(records []*record) map[filter.Type]values {
	f.once.Do(func() {
		f.types = make(map[filter.Type]values)
		for slot := range f.present.all {
			v, _ := records[slot].item.Field(f.name)
			f.add(slot, v)
		}
		for _, c := range f.types {
			c.finish()
		}
	})
	return f.types
}

func (f *fieldIndex) add(slot int, v filter.Value) {
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

// texts returns the column of a field's texts, nil when it has none.
func (x *chunkIndex) texts(field string) *column[string] {
	f := x.fields[field]
	if f == nil {
		return nil
	}
	c, _ := f.columns(x.records)[filter.String].(*column[string])
	return c
}

// matcher evaluates filters on one chunk. Not safe for concurrent use.
type matcher struct {
	*chunkIndex
	spare *spareSets
}

// match adds the slots whose items match to an empty set.
func (m matcher) match(e filter.Expr, into slotSet) {
	switch e := e.(type) {
	case filter.And:
		into.fill(len(m.records))
		for _, kid := range e.Kids {
			if into.isEmpty() {
				break
			}
			m.with(kid, into, slotSet.and)
		}
	case filter.Or:
		for _, kid := range e.Kids {
			m.with(kid, into, slotSet.or)
		}
	case filter.Not:
		into.fill(len(m.records))
		m.with(e.Kid, into, slotSet.andNot)
	case filter.Exists:
		m.ask(e, e.Field, into, func(f *fieldIndex) { into.or(f.present) })
	case filter.In:
		m.ask(e, e.Field, into, func(f *fieldIndex) { m.in(f, e, into) })
	case filter.Compare:
		m.ask(e, e.Field, into, func(f *fieldIndex) { m.compare(f, e, into) })
	case filter.Prefix:
		m.ask(e, e.Field, into, func(f *fieldIndex) { m.prefix(f, e, into) })
	case filter.Contains:
		m.ask(e, e.Field, into, func(f *fieldIndex) { m.contains(f, e, into) })
	default:
		into.fill(len(m.records))
	}
}

// with joins a set with the slots that match another condition.
func (m matcher) with(e filter.Expr, set slotSet, join func(set, other slotSet)) {
	other := m.spare.take(len(set))
	m.match(e, other)
	join(set, other)
	m.spare.give(other)
}

// ask answers one condition on one field.
func (m matcher) ask(e filter.Expr, field string, into slotSet, answer func(*fieldIndex)) {
	switch f, ok := m.fields[field]; {
	case ok:
		answer(f)
	case m.partial:
		for slot, rec := range m.records {
			if rec.item.Matches(e) {
				into.add(slot)
			}
		}
	}
}

func (m matcher) in(f *fieldIndex, e filter.In, into slotSet) {
	c := f.columns(m.records)[e.Values[0].Type]
	if c == nil {
		return
	}
	named := into
	if e.Not {
		named = m.spare.take(len(into))
		defer m.spare.give(named)
	}
	for _, v := range e.Values {
		if at, found := c.find(v); found {
			c.span(at, at+1, named)
		}
	}
	if e.Not {
		c.span(0, c.len(), into)
		into.andNot(named)
	}
}

func (m matcher) compare(f *fieldIndex, e filter.Compare, into slotSet) {
	c := f.columns(m.records)[e.Value.Type]
	if c == nil {
		return
	}
	at, found := c.find(e.Value)
	behind := at
	if found {
		behind++
	}
	switch e.Op {
	case filter.Less:
		c.span(0, at, into)
	case filter.LessEqual:
		c.span(0, behind, into)
	case filter.Greater:
		c.span(behind, c.len(), into)
	default:
		c.span(at, c.len(), into)
	}
}

func (m matcher) prefix(f *fieldIndex, e filter.Prefix, into slotSet) {
	if c, ok := f.columns(m.records)[filter.String].(*column[string]); ok {
		from, to := prefixed(c, e.Text)
		c.span(from, to, into)
	}
}

func (m matcher) contains(f *fieldIndex, e filter.Contains, into slotSet) {
	c := f.columns(m.records)[filter.List]
	if c == nil {
		return
	}
	if e.All {
		into.fill(len(m.records))
	}
	for _, text := range e.Values {
		at, found := c.find(filter.Value{Type: filter.String, Text: text})
		switch {
		case !e.All && found:
			c.span(at, at+1, into)
		case e.All && !found:
			clear(into)
			return
		case e.All:
			m.narrow(c, at, into)
		}
	}
}

// narrow leaves of a set the slots that have one value.
func (m matcher) narrow(c values, place int, set slotSet) {
	have := m.spare.take(len(set))
	c.span(place, place+1, have)
	set.and(have)
	m.spare.give(have)
}
