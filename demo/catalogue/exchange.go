package catalogue

import "slices"

// relatives are the pictures that one exchange makes of a base: the bodies'
// colours, their patterns, the places in a row, the number of the same. All
// that are possible within the split are returned; for rows of two, in Test,
// either all three or none.
func (w *World) relatives(s Split, base Record) []Picture {
	var out []Picture
	add := func(variant string, r Record) {
		if !r.equal(base) && w.allAllowed(s, r) {
			out = append(out, Picture{Record: r, Variant: variant})
		}
	}
	first, second := 0, len(base.Objects)-1
	if base.Objects[first] != base.Objects[second] {
		add("colour", exchanged(base, first, second, func(a, b *Object) { a.Color, b.Color = b.Color, a.Color }))
		if !kinds[base.Objects[first].Type].plain && !kinds[base.Objects[second].Type].plain {
			add("pattern", exchanged(base, first, second, func(a, b *Object) { a.Pattern, b.Pattern = b.Pattern, a.Pattern }))
		}
		if base.Relations[0].Kind == LeftOf {
			r := base.clone()
			slices.Reverse(r.Objects)
			add("left_right", r)
		}
	}
	if r, ok := fewer(base); ok {
		add("count", r)
	}
	if s == Test && len(base.Objects) == 2 && base.Relations[0].Kind == LeftOf && base.Objects[0] != base.Objects[1] && len(out) < 3 {
		return nil
	}
	return out
}

func (w *World) allAllowed(s Split, r Record) bool {
	for _, o := range r.Objects {
		if o.Color == o.Parts[0] || o.Color == o.Parts[1] || !w.combos.allows(s, o) {
			return false
		}
	}
	return true
}

// exchanged changes all objects equal to the a-th and the b-th, so that equal
// ones stay equal.
func exchanged(r Record, a, b int, swap func(a, b *Object)) Record {
	x, y := r.Objects[a], r.Objects[b]
	swap(&x, &y)
	out := r.clone()
	for i, o := range r.Objects {
		switch o {
		case r.Objects[a]:
			out.Objects[i] = x
		case r.Objects[b]:
			out.Objects[i] = y
		}
	}
	return out
}

// fewer takes one of several equal objects away.
func fewer(r Record) (Record, bool) {
	for i := 1; i < len(r.Objects); i++ {
		if r.Objects[i] == r.Objects[i-1] {
			objects := slices.Delete(slices.Clone(r.Objects), i, i+1)
			return Record{objects, rowOf(len(objects))}, true
		}
	}
	return Record{}, false
}
