package catalogue

// motif is a pattern as outlines around the origin of a canvas, in up to two
// tones.
type motif struct {
	first, second []outline
	soft          bool // both tones at half strength, so that crossings are darker
}

// weave lays out a pattern wide enough to cover a product. Period is the width
// of one repeat and reach half the extent, both in 64ths of a pixel.
func weave(pattern, period, reach int) motif {
	switch pattern {
	case striped:
		return motif{first: bars(period*13/10, period*11/20, reach, false)}
	case dotted:
		return motif{first: lattice(period, reach, func(c point) []outline {
			return []outline{{ellipse(c, period*29/100, period*29/100, 14), true}}
		})}
	case checked:
		return motif{bars(period*13/10, period*13/20, reach, false), bars(period*13/10, period*13/20, reach, true), true}
	case floral:
		return flowers(period*17/10, reach)
	case zigzag:
		return motif{first: zigzags(period, reach)}
	}
	return motif{}
}

func bars(period, width, reach int, across bool) []outline {
	var out []outline
	for at := -reach / period * period; at <= reach; at += period {
		a, b := at-width/2, at+width/2
		if across {
			out = append(out, outline{[]point{{a, -reach}, {b, -reach}, {b, reach}, {a, reach}}, true})
		} else {
			out = append(out, outline{[]point{{-reach, a}, {reach, a}, {reach, b}, {-reach, b}}, true})
		}
	}
	return out
}

// lattice repeats a drawing in rows, every other row shifted by half.
func lattice(period, reach int, draw func(point) []outline) []outline {
	var out []outline
	step := period * 87 / 100
	for row := -reach / step; row*step <= reach; row++ {
		shift := row & 1 * period / 2
		for x := -reach/period*period + shift; x <= reach; x += period {
			out = append(out, draw(point{x, row * step})...)
		}
	}
	return out
}

func flowers(period, reach int) motif {
	var m motif
	m.first = lattice(period, reach, func(c point) []outline {
		var petals []outline
		for i := range 5 {
			a := turn*i/5 + c.x%turn
			at := point{c.x + period*23/100*cosine(a)/trig, c.y + period*23/100*sine(a)/trig}
			petals = append(petals, outline{ellipse(at, period*15/100, period*15/100, 10), true})
		}
		return petals
	})
	m.second = lattice(period, reach, func(c point) []outline {
		return []outline{{ellipse(c, period*13/100, period*13/100, 10), true}}
	})
	return m
}

func zigzags(period, reach int) []outline {
	var out []outline
	step, wave, width := period*15/10, period*9/10, period*55/100
	for y := -reach / step * step; y <= reach; y += step {
		for x := -reach / wave * wave; x <= reach; x += wave {
			rise := wave / 2
			if x/wave&1 == 0 {
				rise = -rise
			}
			// Slanted bars, cut off upright: neighbours share their ends exactly.
			out = append(out, outline{turned([]point{
				{x, y - rise - width/2}, {x + wave, y + rise - width/2}, {x + wave, y + rise + width/2}, {x, y - rise + width/2},
			}), true})
		}
	}
	return out
}
