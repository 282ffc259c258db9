package catalogue_test

import (
	"cmp"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"sightline/demo/catalogue"
)

// sorted puts a Spec's groups in the order of their types, which are different.
func sorted(s catalogue.Spec) catalogue.Spec {
	order := make([]int, len(s.Groups))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(s.Groups[a].Type, s.Groups[b].Type) })
	var out catalogue.Spec
	for _, i := range order {
		out.Groups = append(out.Groups, s.Groups[i])
	}
	for _, r := range s.Relations {
		r.A, r.B = slices.Index(order, r.A), slices.Index(order, r.B)
		if r.Kind == catalogue.Beside && r.A > r.B {
			r.A, r.B = r.B, r.A
		}
		out.Relations = append(out.Relations, r)
	}
	return out
}

// asPart gives the other meaning of a sorted Spec whose words have two: "a white cap
// on a grey lantern" and "a grey lantern with a red handle and a white cap" name two
// things, or a lantern whose cap is white. They have one only if the cap has a colour
// and nothing else, the lantern's own cap is not named, and the words put the cap on
// it or end in a list of its parts.
func asPart(s catalogue.Spec) (catalogue.Spec, bool) {
	const capType, lantern, itsCap = 9, 31, 0
	c := slices.IndexFunc(s.Groups, func(g catalogue.Group) bool { return g.Type == capType })
	l := slices.IndexFunc(s.Groups, func(g catalogue.Group) bool { return g.Type == lantern })
	if c < 0 || l < 0 || s.Groups[c].Color < 0 || s.Groups[c].Pattern >= 0 || s.Groups[c].Size >= 0 || s.Groups[l].Parts[itsCap] >= 0 {
		return s, false
	}
	on := len(s.Relations) == 1 && s.Relations[0].Kind == catalogue.On
	listed := len(s.Relations) == 0 && s.Groups[l].Parts[1-itsCap] >= 0
	out := catalogue.Spec{Groups: slices.Clone(s.Groups)}
	out.Groups[l].Parts[itsCap] = s.Groups[c].Color
	out.Groups = slices.Delete(out.Groups, c, c+1)
	return out, on || listed
}

// TestParseInvertsCaptions: every caption and every negative is read back as what it
// was made from.
func TestParseInvertsCaptions(t *testing.T) {
	w, p := catalogue.NewWorld(), catalogue.NewParser()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SampledFrom(splits).Draw(t, "split")
		for _, pic := range w.Plan(s, 12, rapid.Uint64().Draw(t, "seed")) {
			for _, c := range w.Captions(s, pic, 6, 3) {
				for _, text := range append(c.Negatives, c.Text) {
					got, err := p.Parse(text.Text)
					if err != nil {
						t.Fatal(err)
					}
					a, b := sorted(got), sorted(text.Spec)
					if other, ok := asPart(b); ok && slices.Equal(a.Groups, other.Groups) && len(a.Relations) == 0 {
						continue
					}
					if !slices.Equal(a.Groups, b.Groups) || !slices.Equal(a.Relations, b.Relations) {
						t.Fatalf("%q is read as %+v, want %+v", text.Text, a, b)
					}
				}
			}
		}
	})
}

func TestParseRefuses(t *testing.T) {
	p := catalogue.NewParser()
	for _, text := range []string{"", "a red", "red and blue", "a red mug with a", "a dog", "a red handle", "a red mug with a blue", "a mug with a red wheels", "a red mug and its handle is"} {
		if s, err := p.Parse(text); err == nil {
			t.Errorf("%q is read as %+v", text, s)
		}
	}
}
