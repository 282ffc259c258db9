package catalogue

import (
	"fmt"
	"image"
)

// palette holds the paints of one product.
type palette struct {
	body  rgb
	parts [2]rgb
	tint  rgb
	heart rgb // of flowers
}

func newPalette(d dice, o Object) palette {
	p := palette{body: jittered(d, hues[o.Color].rgb, 9), tint: hues[o.Color].tint, heart: rgb{232, 150, 30}}
	for i, c := range o.Parts {
		if c >= 0 {
			p.parts[i] = jittered(d, hues[c].rgb, 9)
		}
	}
	if o.Color == 1 || o.Color == 2 { // an amber heart is lost on orange and yellow
		p.heart = rgb{150, 60, 40}
	}
	return p
}

// paint gives the colour and strength (of 256) of a layer: m and n the body
// with and without pattern, a and b the two parts, s shade, h highlight, and
// what has the same colour on every product: d dark, l linen, t metal, w wood,
// y flame, g glass.
func (p palette) paint(of byte) (rgb, int32, error) {
	switch of {
	case 'm', 'n':
		return p.body, 256, nil
	case 'a':
		return p.parts[0], 256, nil
	case 'b':
		return p.parts[1], 256, nil
	case 's':
		return rgb{20, 20, 40}, 52, nil
	case 'd':
		return rgb{52, 48, 54}, 256, nil
	case 'l':
		return rgb{244, 236, 222}, 256, nil
	case 't':
		return rgb{190, 194, 200}, 256, nil
	case 'w':
		return rgb{150, 112, 78}, 256, nil
	case 'y':
		return rgb{255, 190, 60}, 256, nil
	case 'g':
		return rgb{196, 226, 240}, 256, nil
	}
	return rgb{}, 0, fmt.Errorf("unknown paint %q", of)
}

// solid says whether a paint is a thing of its own, with an edge and a relief.
func solid(paint byte) bool { return paint != 's' && paint != 'h' && paint != 'd' }

// brush draws one product.
type brush struct {
	*canvas
	pose    pose
	map_    affine
	palette palette
	tones   [2]mask
	motif   motif
	box     image.Rectangle // of what it has drawn
}

func (r *Renderer) brush(d dice, o Object, p pose, period int) *brush {
	b := &brush{canvas: r.canvas, pose: p, map_: p.affine(r.size), palette: newPalette(d, o)}
	if o.Pattern != plain {
		b.weave(d, o.Pattern, period)
	}
	return b
}

// weave lays the pattern out along the product's own axes. Its period does not
// grow with the product: it has to be legible on small ones.
func (b *brush) weave(d dice, pattern, period int) {
	px := period * b.size * sub / mille * d.between(920, 1080) / mille
	reach := b.pose.half*b.size*sub/mille*3/2 + px
	b.motif = weave(pattern, px, reach)
	angle := b.pose.angle + d.between(-40, 40)
	if pattern == striped {
		angle += pick(d, 0, turn/4, turn/8)
	}
	c, s := cosine(angle), sine(angle)
	at := point{b.map_.dx + d.between(-px, px)/2, b.map_.dy + d.between(-px, px)/2}
	for i, of := range [][]outline{b.motif.first, b.motif.second} {
		for _, o := range of {
			for k, p := range o.points {
				o.points[k] = point{at.x + (p.x*c-p.y*s)/trig, at.y + (p.x*s+p.y*c)/trig}
			}
		}
		if len(of) > 0 {
			b.tones[i] = b.fill(of...)
		}
	}
}

// draw paints the layers that lie behind, or before, what is inside.
func (b *brush) draw(layers []layer, front bool) {
	for _, l := range layers {
		if l.front == front {
			b.layer(l)
		}
	}
}

func (b *brush) layer(l layer) {
	var shape, edge []outline
	thin := max(b.size*sub/110, sub*3/4)
	for _, o := range l.outlines {
		o = b.pose.place(o, b.map_)
		if l.stroke > 0 {
			width := l.stroke * b.pose.half * b.size * sub / mille / (100 * unit)
			shape = append(shape, line(o, max(width, sub))...)
			if solid(l.paint) {
				edge = append(edge, line(o, width+2*thin)...)
			}
			continue
		}
		shape = append(shape, o)
		if solid(l.paint) {
			edge = append(edge, line(o, thin*2)...)
		}
	}
	paint, alpha, _ := b.palette.paint(l.paint) // NewRenderer has tried every layer
	if edge != nil {
		m := b.fill(edge...)
		b.over(m, darker(paint), 225, nil)
		b.box = b.box.Union(m.box)
		b.give(m)
	}
	m := b.fill(shape...)
	b.box = b.box.Union(m.box)
	b.body(m, l.paint, paint, alpha)
	b.give(m)
}

// body fills a shape, with its relief and, where the paint has one, its
// pattern.
func (b *brush) body(m mask, name byte, paint rgb, alpha int32) {
	if m.pix == nil {
		return
	}
	if !solid(name) {
		b.over(m, paint, alpha, nil)
		return
	}
	light := b.relief(m, max(b.size/40, 1), 46)
	b.over(m, paint, alpha, light)
	if name == 'm' {
		for i, tone := range b.tones {
			b.tone(m, tone, i, light)
		}
	}
	b.free = append(b.free, light)
}

func (b *brush) tone(m, tone mask, i int, light []uint8) {
	if tone.pix == nil {
		return
	}
	cut := mask{m.box, b.take(len(m.pix))}
	copy(cut.pix, m.pix)
	cut.through(tone)
	to, alpha := b.palette.tint, int32(240)
	if b.motif.soft {
		alpha = 150
	} else if i == 1 {
		to = b.palette.heart
	}
	b.over(cut, to, alpha, light)
	b.give(cut)
}

// done gives the brush's memory back; it returns the box around what was drawn.
func (b *brush) done() image.Rectangle {
	for _, t := range b.tones {
		b.give(t)
	}
	return b.box
}

func darker(c rgb) rgb {
	for i := range c {
		c[i] = c[i] * 58 / 100
	}
	return c
}
