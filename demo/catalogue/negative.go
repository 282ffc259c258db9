package catalogue

import (
	"slices"
	"strings"
)

// change is one way to make a Spec false.
type change struct {
	kind string
	spec Spec
}

// negatives makes up to n texts in the same wording that are not true of r.
func (w *World) negatives(d dice, s Split, r Record, spec Spec, how wording, n int) []Text {
	exchanges, others := exchanges(spec), edits(d, spec)
	shuffle(d, exchanges)
	shuffle(d, others)
	if keep := max(n-1, 1); len(exchanges) > keep { // leave room for a changed attribute
		exchanges = exchanges[:keep]
	}
	var out []Text
	for _, c := range append(exchanges, others...) {
		if len(out) == n {
			break
		}
		if t, ok := w.negative(s, r, c, how); ok && !slices.ContainsFunc(out, func(o Text) bool { return o.Text == t.Text }) {
			out = append(out, t)
		}
	}
	return out
}

// negative says a change, if it is false and may be said.
func (w *World) negative(s Split, r Record, c change, how wording) (Text, bool) {
	text := how.say(c.spec)
	if Matches(c.spec, r) || len(strings.Fields(text)) > maxWords {
		return Text{}, false
	}
	for i, g := range c.spec.Groups {
		if !w.combos.names(s, g) || slices.ContainsFunc(c.spec.Groups[:i], func(h Group) bool { return h.Type == g.Type }) {
			return Text{}, false
		}
	}
	return Text{c.kind, text, c.spec}, true
}

// exchanges lists every exchange of two things that a Spec names.
func exchanges(s Spec) []change {
	var out []change
	add := func(kind string, do func(Spec)) {
		t := s.clone()
		do(t)
		if !t.equal(s) {
			out = append(out, change{kind, t})
		}
	}
	for i, g := range s.Groups {
		for p, c := range g.Parts {
			if g.Color >= 0 && c >= 0 {
				add("colour", func(t Spec) { t.Groups[i].Color, t.Groups[i].Parts[p] = c, g.Color })
			}
		}
		if g.Parts[0] >= 0 && g.Parts[1] >= 0 {
			add("colour", func(t Spec) { t.Groups[i].Parts = [2]int{g.Parts[1], g.Parts[0]} })
		}
		for j, h := range s.Groups[:i] {
			if g.Color >= 0 && h.Color >= 0 {
				add("colour", func(t Spec) { t.Groups[i].Color, t.Groups[j].Color = h.Color, g.Color })
			}
			if !kinds[g.Type].plain && !kinds[h.Type].plain {
				add("pattern", func(t Spec) { t.Groups[i].Pattern, t.Groups[j].Pattern = h.Pattern, g.Pattern })
			}
		}
	}
	if len(s.Relations) == 1 && s.Relations[0].Kind == LeftOf {
		add("left_right", func(t Spec) { t.Relations[0].A, t.Relations[0].B = t.Relations[0].B, t.Relations[0].A })
	}
	return out
}

// edits draws changes of single attributes, numbers and relations.
func edits(d dice, s Spec) []change {
	var out []change
	edit := func(kind string, i int, do func(*Group)) {
		t := s.clone()
		do(&t.Groups[i])
		out = append(out, change{kind, t})
	}
	for i, g := range s.Groups {
		if g.Color >= 0 {
			edit("attribute", i, func(h *Group) { h.Color = other(d, len(hues), g.Color) })
		}
		if g.Pattern >= 0 && !kinds[g.Type].plain {
			edit("attribute", i, func(h *Group) { h.Pattern = other(d, len(patterns), g.Pattern) })
		}
		if g.Size >= 0 {
			edit("attribute", i, func(h *Group) { h.Size = large - g.Size })
		}
		for p, c := range g.Parts {
			if c >= 0 {
				edit("attribute", i, func(h *Group) { h.Parts[p] = other(d, len(hues), c) })
			}
		}
		if g.Parts == [2]int{-1, -1} {
			edit("attribute", i, func(h *Group) { h.Type = like(d, g) })
			if g.Count > 0 {
				edit("count", i, func(h *Group) { h.Count = otherCount(d, g.Count) })
			}
		}
	}
	if len(s.Relations) == 1 && (s.Relations[0].Kind == On || s.Relations[0].Kind == Inside) {
		t := s.clone()
		t.Relations[0].Kind = Beside
		out = append(out, change{"relation", t})
	}
	return out
}

// like draws another type that can be counted, and patterned, the same way.
func like(d dice, g Group) int {
	for {
		t := other(d, len(kinds), g.Type)
		if (g.Count == 0 || kinds[t].plural != "") && (g.Pattern <= plain || !kinds[t].plain) {
			return t
		}
	}
}

func otherCount(d dice, n int) int {
	switch n {
	case 1:
		return 2
	case 2:
		return pick(d, 1, 3)
	}
	return 2
}
