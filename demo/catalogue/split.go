package catalogue

import "fmt"

// Split names a part of the world of products. For each type, 15 % of the
// unordered colour pairs never occur in Train, in whatever parts: 3 of 66 are
// left to Val, 7 to Test and Demo. A pair is held out in both orders, so what
// an exchange of the two colours gives is as new as the product itself.
type Split string

// The splits. Demo draws from the combinations of Test, but makes a pleasant
// shop instead of a hard test.
const (
	Train Split = "train"
	Val   Split = "val"
	Demo  Split = "demo"
	Test  Split = "test"
)

// ParseSplit reads the name of a split.
func ParseSplit(name string) (Split, error) {
	switch s := Split(name); s {
	case Train, Val, Demo, Test:
		return s, nil
	}
	return "", fmt.Errorf("unknown split %q: choose train, val, demo or test", name)
}

// combos knows which split each colour pair of each type belongs to.
type combos struct{ of [][len(hues)][len(hues)]Split }

const heldTest, heldVal = 7, 3 // of the 66 pairs of a type

// newCombos deals the pairs out by a fixed seed that no flag changes: a model
// and the pictures that test it must agree on what was held out.
func newCombos() combos {
	c := combos{make([][len(hues)][len(hues)]Split, len(kinds))}
	for k := range kinds {
		var pairs [][2]int
		for a := range hues {
			for b := range a {
				pairs = append(pairs, [2]int{a, b})
			}
		}
		shuffle(roll(20, uint64(k)), pairs)
		for i, p := range pairs {
			s := Train
			if i < heldTest {
				s = Test
			} else if i < heldTest+heldVal {
				s = Val
			}
			c.of[k][p[0]][p[1]], c.of[k][p[1]][p[0]] = s, s
		}
	}
	return c
}

// seen says whether training may show or name colours a and b on one product
// of this type; -1 and twice the same colour say nothing new.
func (c combos) seen(kind, a, b int) bool {
	return a < 0 || b < 0 || a == b || c.of[kind][a][b] == Train
}

// allows says whether o may stand in a picture of the split.
func (c combos) allows(s Split, o Object) bool {
	if s == Train {
		return c.seenAll(o.Type, o.Color, o.Parts)
	}
	if s == Demo {
		s = Test
	}
	return o.Color != o.Parts[0] && c.of[o.Type][o.Color][o.Parts[0]] == s
}

func (c combos) seenAll(kind, body int, parts [2]int) bool {
	return c.seen(kind, body, parts[0]) && c.seen(kind, body, parts[1]) && c.seen(kind, parts[0], parts[1])
}

// names says whether a text of the split may name what g names. Held-out pairs
// would appear in training as false captions only, and be learnt as false.
func (c combos) names(s Split, g Group) bool {
	return s != Train || c.seenAll(g.Type, g.Color, g.Parts)
}

// draw makes an object of the given type that the split allows.
func (c combos) draw(d dice, s Split, kind int) Object {
	for {
		o := Object{Type: kind, Color: d.below(len(hues)), Pattern: plain, Size: medium, Parts: [2]int{-1, -1}}
		for i := range kinds[kind].parts {
			o.Parts[i] = other(d, len(hues), o.Color)
		}
		if !kinds[kind].plain && d.percent(68) {
			o.Pattern = d.between(1, len(patterns)-1)
		}
		if c.allows(s, o) {
			return o
		}
	}
}

// other draws a number below n that is not the given one.
func other(d dice, n, not int) int {
	v := d.below(n - 1)
	if v >= not {
		v++
	}
	return v
}
