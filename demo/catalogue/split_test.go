package catalogue

import (
	"slices"
	"testing"
)

// namedPairs lists the colour pairs of one product that a group or object has.
func namedPairs(body int, parts [2]int) [][2]int {
	var out [][2]int
	for _, p := range [][2]int{{body, parts[0]}, {body, parts[1]}, {parts[0], parts[1]}} {
		if p[0] >= 0 && p[1] >= 0 && p[0] != p[1] {
			out = append(out, p)
		}
	}
	return out
}

// heldOut gathers the pairs that pictures of the other splits bind to their
// types, straight from their records.
func heldOut(w *World, s Split, n int) map[[3]int]bool {
	out := map[[3]int]bool{}
	for _, p := range w.Plan(s, n, 77) {
		for _, o := range p.Record.Objects {
			out[[3]int{o.Type, min(o.Color, o.Parts[0]), max(o.Color, o.Parts[0])}] = true
		}
	}
	return out
}

func TestTrainingNeverSeesHeldOutPairs(t *testing.T) {
	w := NewWorld()
	held := heldOut(w, Test, 4000)
	for pair := range heldOut(w, Val, 4000) {
		if held[pair] {
			t.Errorf("%v is in val and in test", pair)
		}
		held[pair] = true
	}
	for pair := range heldOut(w, Demo, 2000) {
		held[pair] = true
	}
	if want := len(kinds) * (heldTest + heldVal); len(held) < want*9/10 || len(held) > want {
		t.Errorf("%d held-out pairs were met, there are %d", len(held), want)
	}
	check := func(what string, kind, body int, parts [2]int) {
		for _, p := range namedPairs(body, parts) {
			if held[[3]int{kind, min(p[0], p[1]), max(p[0], p[1])}] {
				t.Errorf("training: %s has the held-out pair %v of %s", what, p, kinds[kind].word)
			}
		}
	}
	for _, p := range w.Plan(Train, 4000, 5) {
		for _, o := range p.Record.Objects {
			check("picture "+p.ID, o.Type, o.Color, o.Parts)
		}
		for _, c := range w.Captions(Train, p, 4, 4) {
			for _, text := range append(c.Negatives, c.Text) {
				for _, g := range text.Spec.Groups {
					check(text.Text, g.Type, g.Color, g.Parts)
				}
			}
		}
	}
}

func TestTestSetsComeWithTheirExchanges(t *testing.T) {
	w := NewWorld()
	pictures := w.Plan(Test, 5000, 1)
	sets, full := 0, 0
	families := map[int][]Picture{}
	for _, p := range pictures {
		families[p.Family] = append(families[p.Family], p)
		if len(p.Record.Objects) > 1 {
			sets++
		}
	}
	for _, f := range families {
		base := f[0].Record
		if len(base.Objects) != 2 || base.Relations[0].Kind != LeftOf || base.Objects[0] == base.Objects[1] {
			continue
		}
		if slices.ContainsFunc(f[1:], func(p Picture) bool { return p.Record.equal(base) }) {
			t.Errorf("family %d holds its base twice", f[0].Family)
		}
		if len(f) == 4 {
			full++
		}
	}
	if sets < 2300 || sets > 2700 {
		t.Errorf("%d of 5000 pictures are sets", sets)
	}
	if full < 300 {
		t.Errorf("%d rows have all three exchanges", full)
	}
}

func TestDistribution(t *testing.T) {
	w := NewWorld()
	types, colors, looks := map[int]int{}, map[int]int{}, map[int]int{}
	objects := 0
	for _, p := range w.Plan(Train, 6000, 2) {
		for _, o := range p.Record.Objects {
			objects++
			types[o.Type]++
			colors[o.Color]++
			looks[o.Pattern]++
			if kinds[o.Type].plain && o.Pattern != plain {
				t.Fatalf("a patterned %s", kinds[o.Type].word)
			}
			if o.Color == o.Parts[0] || o.Color == o.Parts[1] || (o.Parts[1] < 0) != (len(kinds[o.Type].parts) == 1) {
				t.Fatalf("%+v: parts have their own colours", o)
			}
		}
	}
	for i := range kinds {
		if n := types[i]; n < objects/len(kinds)/3 || n > objects/len(kinds)*4 {
			t.Errorf("%d of %d objects are %s", n, objects, kinds[i].plural)
		}
	}
	for i := range hues {
		if n := colors[i]; n < objects/len(hues)*3/4 || n > objects/len(hues)*4/3 {
			t.Errorf("%d of %d objects are %s", n, objects, hues[i].word)
		}
	}
	for i := range patterns {
		if n := looks[i]; n < objects/9 {
			t.Errorf("%d of %d objects are %s", n, objects, patterns[i].word)
		}
	}
}

func TestLayersRefuseWhatTheyCannotDraw(t *testing.T) {
	for _, line := range []string{"", "m", "m L0,0 1,1", "m M0,0", "m M0,0 1", "m M0,0 X4", "m/x M0,0 L1,1", "m M0,a", "m 1,2"} {
		if _, err := parseLayers([]string{line}); err == nil {
			t.Errorf("%q was taken", line)
		}
	}
}

func FuzzLayer(f *testing.F) {
	for _, k := range kinds {
		f.Add(k.draw[0])
	}
	f.Fuzz(func(t *testing.T, line string) {
		layers, err := parseLayers([]string{line})
		if err != nil {
			return
		}
		for _, l := range layers {
			for _, o := range l.outlines {
				if len(o.points) < 2 {
					t.Fatalf("%q: %d points", line, len(o.points))
				}
			}
		}
	})
}
