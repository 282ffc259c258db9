package catalogue

import "slices"

// Picture is one entry of a catalogue before it is drawn.
type Picture struct {
	ID     string
	Record Record
	Seed   uint64 // of its drawing and its texts
	// Family numbers what was made from one base: the base first, then its
	// exchanges, one after the other. Test pictures without relatives have one
	// of their own.
	Family int
	// Variant is how the picture came from the first of its family: "", or
	// "colour", "pattern", "left_right", "count", and in shops "hue": the same
	// design in other colours.
	Variant string
}

// World makes catalogues. It holds tables only: safe for concurrent use.
type World struct {
	combos                          combos
	standing, peeking, tops, places []int
}

// NewWorld prepares the tables.
func NewWorld() *World {
	return &World{
		combos:   newCombos(),
		standing: kindsWhere(func(u use) bool { return u.stands }),
		peeking:  kindsWhere(func(u use) bool { return u.peeks }),
		tops:     kindsWhere(func(u use) bool { return u.support }),
		places:   kindsWhere(func(u use) bool { return u.holds }),
	}
}

// Plan composes n pictures of a split. The plan depends on the split and the
// seed alone, and the first pictures do not depend on n.
//
// Train and Val: 45 % singles, the rest sets. Test: half singles, half sets,
// and every set with its exchanges. Demo: three quarters singles, most in
// several colours. Exchanges stay within what the split allows, so none of
// them is told apart by colours that training did not know.
func (w *World) Plan(s Split, n int, seed uint64) []Picture {
	d := roll(seed, mix(uint64(len(s)))^uint64(s[0]))
	var out []Picture
	singles, counts := 0, map[string]int{}
	for family := 0; len(out) < n; family++ {
		single := singles*100 < len(out)*singleShare(s)
		var members []Picture
		if single {
			members = w.singles(d, s)
			singles += len(members)
		} else {
			members = w.set(d, s)
		}
		for _, p := range members {
			p.Family, p.Seed = family, mix(seed)^mix(uint64(len(out))<<8|uint64(s[0]))
			p.ID = sku(p.Record, counts)
			out = append(out, p)
		}
	}
	return out[:n]
}

func singleShare(s Split) int {
	switch s {
	case Test:
		return 50
	case Demo:
		return 75
	}
	return 45
}

// singles makes a product, and sometimes the same with its first two colours
// exchanged, or, for a shop, in other colours.
func (w *World) singles(d dice, s Split) []Picture {
	o := w.combos.draw(d, s, d.below(len(kinds)))
	o.Size = d.weighted(18, 62, 20)
	out := []Picture{{Record: Record{Objects: []Object{o}}}}
	switch {
	case s == Demo:
		for range d.weighted(3, 3, 3, 1) {
			v := w.combos.draw(d, s, o.Type)
			v.Pattern, v.Size = o.Pattern, o.Size
			if !slices.ContainsFunc(out, func(p Picture) bool { return p.Record.Objects[0] == v }) {
				out = append(out, Picture{Record: Record{Objects: []Object{v}}, Variant: "hue"})
			}
		}
	case d.percent(45):
		v := o
		v.Color, v.Parts[0] = o.Parts[0], o.Color
		if v.Parts[1] == v.Color {
			v.Parts[1] = o.Color
		}
		if w.combos.allows(s, v) {
			out = append(out, Picture{Record: Record{Objects: []Object{v}}, Variant: "colour"})
		}
	}
	return out
}

// set makes a picture of several products, and its exchanges.
func (w *World) set(d dice, s Split) []Picture {
	var shape int
	switch s {
	case Test:
		shape = d.weighted(70, 8, 7, 15)
	default:
		shape = d.weighted(56, 13, 10, 21)
	}
	related := s == Test || s != Demo && d.percent(50)
	for {
		base, ok := w.base(d, s, shape)
		if !ok {
			continue
		}
		out := []Picture{{Record: base}}
		if !related {
			return out
		}
		if out = append(out, w.relatives(s, base)...); len(out) > 1 {
			return out
		}
	}
}

// base draws a set: a row, something on something, something inside something,
// or a row with a number of the same.
func (w *World) base(d dice, s Split, shape int) (Record, bool) {
	a, b := d.below(len(kinds)), d.below(len(kinds))
	relation := LeftOf
	switch shape {
	case 1:
		a, b, relation = w.standing[d.below(len(w.standing))], w.tops[d.below(len(w.tops))], On
	case 2:
		a, b, relation = w.peeking[d.below(len(w.peeking))], w.places[d.below(len(w.places))], Inside
	case 3:
		return w.counted(d, s)
	}
	if a == b {
		return Record{}, false
	}
	r := Record{[]Object{w.combos.draw(d, s, a), w.combos.draw(d, s, b)}, []Relation{{relation, 0, 1}}}
	if shape == 0 && s != Test && d.percent(18) {
		r.Objects = append(r.Objects, w.combos.draw(d, s, d.below(len(kinds))))
		r.Relations = rowOf(3)
	}
	return r, distinct(r)
}

// counted makes two or three of one product, or two of one and one of another.
func (w *World) counted(d dice, s Split) (Record, bool) {
	kind := d.below(len(kinds))
	if kinds[kind].plural == "" {
		return Record{}, false
	}
	o := w.combos.draw(d, s, kind)
	objects := []Object{o, o}
	switch d.weighted(25, 20, 55) {
	case 1:
		objects = append(objects, o)
	case 2:
		objects = append(objects, w.combos.draw(d, s, other(d, len(kinds), kind)))
		if d.percent(50) {
			slices.Reverse(objects)
		}
	}
	return Record{objects, rowOf(len(objects))}, true
}

// distinct says whether different objects have different types: then a caption
// that names types can mean one object only.
func distinct(r Record) bool {
	for i, o := range r.Objects {
		for _, p := range r.Objects[:i] {
			if o.Type == p.Type && o != p {
				return false
			}
		}
	}
	return true
}

// rowOf relates n objects that stand from left to right.
func rowOf(n int) []Relation {
	var out []Relation
	for i := range n {
		for j := i + 1; j < n; j++ {
			out = append(out, Relation{LeftOf, i, j})
		}
	}
	return out
}
