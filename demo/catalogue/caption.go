package catalogue

import (
	"slices"
	"strings"
)

// maxWords keeps captions within 24 tokens, [CLS] and [SEP] included.
const maxWords = 22

// Kinds of caption and query.
const (
	KindShort    = "short"    // the product, its looks
	KindBinding  = "binding"  // and the colours of its parts
	KindSet      = "set"      // several products in any order
	KindRelation = "relation" // who stands where
	KindCount    = "count"    // how many
)

// Text is something said, and what it claims.
type Text struct {
	Kind string // of a caption: short … count; of a negative: what was exchanged
	Text string
	Spec Spec
}

// Caption is true of its picture; none of its negatives is.
type Caption struct {
	Text
	Negatives []Text
}

// few is how many captions are looked for longer: once in many thousand pictures the draws say
// the same two things again and again.
const few = 3

// Captions says n different true things of a picture, or fewer where it finds no
// more, each with up to negatives false ones in the same wording: exchanges first,
// then a changed attribute or number. In Train no text names a held-out combination.
func (w *World) Captions(s Split, p Picture, n, negatives int) []Caption {
	d := roll(p.Seed, 2)
	var out []Caption
	for tries := range 40 * n {
		if len(out) == n || tries >= 4*n && len(out) >= min(n, few) {
			break
		}
		kind := captionKind(d, p.Record)
		c, how, ok := w.caption(d, s, p.Record, kind)
		if !ok || slices.ContainsFunc(out, func(o Caption) bool { return o.Text.Text == c.Text.Text }) {
			continue
		}
		c.Negatives = w.negatives(d, s, p.Record, c.Spec, how, negatives)
		out = append(out, c)
	}
	return out
}

// captionKind draws what kind of thing to say.
func captionKind(d dice, r Record) string {
	groups := groupsOf(r)
	switch {
	case len(r.Objects) == 1:
		return []string{KindShort, KindBinding}[d.weighted(30, 70)]
	case len(groups) == 1:
		return []string{KindShort, KindBinding, KindCount}[d.weighted(12, 12, 76)]
	case len(groups) < len(r.Objects):
		return []string{KindShort, KindBinding, KindCount}[d.weighted(10, 10, 80)]
	}
	return []string{KindShort, KindBinding, KindSet, KindRelation}[d.weighted(10, 12, 36, 42)]
}

// caption draws one true text of the kind.
func (w *World) caption(d dice, s Split, r Record, kind string) (Caption, wording, bool) {
	spec, how := w.draft(d, r, kind)
	text := how.say(spec)
	ok := len(strings.Fields(text)) <= maxWords && Matches(spec, r)
	for _, g := range spec.Groups {
		ok = ok && w.combos.names(s, g)
	}
	return Caption{Text: Text{kind, text, spec}}, how, ok
}

// groupsOf gathers equal objects; Count is their number, nothing is named but
// the type.
func groupsOf(r Record) []Group {
	var out []Group
	for i, o := range r.Objects {
		if slices.Contains(r.Objects[:i], o) {
			continue
		}
		n := 0
		for _, p := range r.Objects {
			if p == o {
				n++
			}
		}
		out = append(out, Group{n, o.Type, -1, -1, -1, [2]int{-1, -1}})
	}
	return out
}

// draft chooses what to name, and how.
func (w *World) draft(d dice, r Record, kind string) (Spec, wording) {
	how := d.wording()
	groups := groupsOf(r)
	if kind == KindShort || kind == KindBinding {
		i := d.below(len(groups))
		g, m := w.alone(d, r, groups[i], kind)
		how.manners[0].tail = m
		return Spec{Groups: []Group{g}}, how
	}
	for i := range groups {
		groups[i] = w.among(d, r, groups[i])
	}
	s := Spec{Groups: groups}
	switch {
	case kind == KindRelation && len(groups) == 3:
		s.Relations = []Relation{{LeftOf, 0, 1}}
		drop := d.below(3)
		s.Groups = slices.Delete(slices.Clone(groups), drop, drop+1)
	case kind == KindRelation:
		s.Relations = []Relation{{r.Relations[0].Kind, 0, 1}}
	case len(groups) == 2 && r.Relations[0].Kind == LeftOf && d.percent(40):
		s.Relations = []Relation{{Beside, 0, 1}}
	case kind == KindCount && len(groups) == 2 && d.percent(30):
		s.Relations = []Relation{{LeftOf, 0, 1}}
	case len(groups) == 3 && d.percent(40):
		drop := d.below(3)
		s.Groups = slices.Delete(slices.Clone(groups), drop, drop+1)
	}
	return s, how
}

// object finds what a group of groupsOf stands for.
func object(r Record, g Group) Object {
	return r.Objects[slices.IndexFunc(r.Objects, g.fits)]
}

// alone names one product: its looks, for binding also its parts.
func (w *World) alone(d dice, r Record, g Group, kind string) (Group, int) {
	o := object(r, g)
	if g.Count > 1 || kinds[g.Type].plural == "" || d.percent(35) {
		g.Count = 0
	}
	tail := tailWith
	partsOnly := false
	if kind == KindBinding {
		tail = d.below(tailIn)
		partsOnly = d.percent(14)
		g = nameParts(d, r, g, o)
	} else if d.percent(18) {
		tail = tailIn
	}
	if g.Count == 0 && (tail == tailThat || tail == tailIts || tail == tailFirst) {
		tail = tailComma
	}
	if partsOnly && g.Parts != [2]int{-1, -1} {
		return g, tail
	}
	g = nameLooks(d, g, o)
	if g.Color < 0 && g.Pattern < 0 || d.percent(92) {
		g.Color = o.Color
	}
	if o.Size != medium && d.percent(40) {
		g.Size = o.Size
	}
	if kind == KindShort && d.percent(3) {
		g.Color, g.Pattern, g.Size = -1, -1, -1
	}
	return g, tail
}

// among names one product of several: shorter, so that captions stay short.
func (w *World) among(d dice, r Record, g Group) Group {
	o := object(r, g)
	if kinds[g.Type].plural == "" {
		g.Count = 0
	}
	g = nameLooks(d, g, o)
	if g.Pattern < 0 || d.percent(94) {
		g.Color = o.Color
	}
	if g.Count < 2 && d.percent(12) {
		g = nameParts(d, r, g, o)
	}
	return g
}

func nameLooks(d dice, g Group, o Object) Group {
	if o.Pattern != plain && d.percent(62) || o.Pattern == plain && !kinds[g.Type].plain && d.percent(14) {
		g.Pattern = o.Pattern
	}
	return g
}

// nameParts names one part or both, of those that can be seen.
func nameParts(d dice, r Record, g Group, o Object) Group {
	i := d.weighted(50, 25, 25)
	for p, c := range o.Parts {
		if i == p || i == 2 {
			g.Parts[p] = c
		}
	}
	if g.Parts[0] < 0 && g.Parts[1] < 0 {
		g.Parts[0] = o.Parts[0]
	}
	if hidesFirstPart(r, o) {
		g.Parts[0] = -1
	}
	return g
}

// hidesFirstPart says whether something inside o stands before its handle.
func hidesFirstPart(r Record, o Object) bool {
	return kinds[o.Type].parts[0].word == "handle" && slices.ContainsFunc(r.Relations, func(x Relation) bool {
		return x.Kind == Inside && r.Objects[x.B] == o
	})
}
