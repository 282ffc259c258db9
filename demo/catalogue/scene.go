package catalogue

import (
	"fmt"
	"image"
	"slices"
)

// Renderer draws pictures of one size. It reuses its memory: one goroutine at
// a time, and what Draw returns lasts until the next Draw.
type Renderer struct {
	*canvas
	layers [][]layer
	boxes  []image.Rectangle
}

// NewRenderer makes a renderer for pictures of size × size pixels, 64 to 256.
func NewRenderer(size int) (*Renderer, error) {
	if size < 64 || size > 256 {
		return nil, fmt.Errorf("pictures are 64 to 256 pixels wide, not %d", size)
	}
	r := &Renderer{canvas: newCanvas(size)}
	for _, k := range kinds {
		layers, err := parseLayers(k.draw)
		if err != nil {
			return nil, fmt.Errorf("drawing of %s: %w", k.word, err)
		}
		for _, l := range layers {
			if _, _, err := (palette{}).paint(l.paint); err != nil {
				return nil, fmt.Errorf("drawing of %s: %w", k.word, err)
			}
		}
		r.layers = append(r.layers, layers)
	}
	return r, nil
}

// Draw paints what rec says. Pose, cut, light and backdrop come from seed
// alone, so one record and two seeds are two photographs of the same things.
// The result is RGB, 3 bytes a pixel, row by row. Pixels are computed with
// integers only, so they are the same on every platform.
func (r *Renderer) Draw(rec Record, seed uint64) []uint8 {
	d := roll(seed, 1)
	r.backdrop(d)
	poses := arrange(d, rec)
	r.boxes = make([]image.Rectangle, len(rec.Objects))
	for _, i := range paintOrder(rec, poses) {
		r.product(d, rec, poses, i)
	}
	r.grain(d)
	return r.rgb
}

// Boxes are the smallest rectangles around the objects of the last picture
// drawn, in pixels, in the order of its record. What hides behind another
// object counts as if it showed.
func (r *Renderer) Boxes() []image.Rectangle { return r.boxes }

// product draws object i, and what is inside it between its back and its front.
func (r *Renderer) product(d dice, rec Record, poses []pose, i int) {
	o := rec.Objects[i]
	period := 105
	if len(rec.Objects) > 1 {
		period = 92
	}
	b := r.brush(d, o, poses[i], period)
	b.draw(r.layers[o.Type], false)
	if k := slices.IndexFunc(rec.Relations, func(x Relation) bool { return x.Kind == Inside && x.B == i }); k >= 0 {
		in := rec.Relations[k].A
		c := r.brush(d, rec.Objects[in], poses[in], period)
		c.draw(r.layers[rec.Objects[in].Type], false)
		c.draw(r.layers[rec.Objects[in].Type], true)
		r.boxes[in] = c.done()
	}
	b.draw(r.layers[o.Type], true)
	r.boxes[i] = b.done()
	r.settle(r.size*d.between(-28, 28)/mille, r.size*d.between(14, 42)/mille, max(r.size/32, 1), int32(d.between(56, 96)))
}

// paintOrder leaves out what is inside something, and puts supports first.
func paintOrder(rec Record, poses []pose) []int {
	var order []int
	for i := range rec.Objects {
		if !slices.ContainsFunc(rec.Relations, func(x Relation) bool { return x.Kind == Inside && x.A == i }) {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		if slices.ContainsFunc(rec.Relations, func(x Relation) bool { return x.Kind == On && x.A == a && x.B == b }) {
			return 1
		}
		if slices.ContainsFunc(rec.Relations, func(x Relation) bool { return x.Kind == On && x.A == b && x.B == a }) {
			return -1
		}
		return poses[a].y - poses[b].y
	})
	return order
}

// arrange places the objects of a record.
func arrange(d dice, rec Record) []pose {
	switch n := len(rec.Objects); {
	case n == 1:
		return []pose{alone(d, rec.Objects[0])}
	case rec.Relations[0].Kind != LeftOf:
		return stacked(d, rec)
	default:
		return row(d, n)
	}
}

// halves are what 100 units become for small, medium and large products.
var halves = [...]int{275, 370, 455}

func alone(d dice, o Object) pose {
	p := free(d)
	p.half = halves[o.Size] * d.between(960, 1040) / mille
	room := max(500-p.half-20, 10)
	p.x, p.y = 500+d.between(-room, room)*3/4, 500+d.between(-room, room)*3/4
	return p
}

// free turns a product by up to 20 degrees and cuts it in its own way.
func free(d dice) pose {
	const most = turn * 20 / 360
	a := (d.between(-most, most) + d.between(-most, most)) / 2 // small angles more often
	return pose{angle: a, shear: d.between(-70, 70), warp: d.warp(100)}
}

// row sets two side by side, or three in a V or an A, from left to right.
func row(d dice, n int) []pose {
	out := make([]pose, n)
	up := d.percent(50)
	for i := range out {
		p := free(d)
		if n == 2 {
			p.half, p.x, p.y = d.between(214, 232), 258+484*i+d.between(-10, 10), 500+d.between(-100, 100)
		} else {
			p.half, p.x, p.y = d.between(185, 200), 200+300*i+d.between(-10, 10), 320+d.between(-20, 20)
			if (i == 1) != up {
				p.y = mille - p.y
			}
		}
		out[i] = p
	}
	return out
}

// stacked puts object A on or in object B.
func stacked(d dice, rec Record) []pose {
	rel := rec.Relations[0]
	a, b := kinds[rec.Objects[rel.A].Type].use, kinds[rec.Objects[rel.B].Type].use
	tilt := func() pose { return pose{angle: d.between(-25, 25), shear: d.between(-20, 20), warp: d.warp(35)} }
	below, above := tilt(), tilt()
	above.warp.high, below.warp.high = 0, 0
	below.half = d.between(285, 310)
	below.x, below.y = 500+d.between(-60, 60), 960-below.half*b.base/100-d.between(0, 30)
	if rel.Kind == On {
		above.half = d.between(200, 225)
		above.x = below.x + d.between(-50, 50)
		above.y = below.y + below.half*b.top/100 + below.half*6/100 - above.half*a.base/100
	} else {
		above.half = d.between(205, 225)
		above.x = below.x + d.between(-20, 20)
		above.y = below.y + below.half*b.mouth/100 - above.half*42/100
	}
	out := make([]pose, 2)
	out[rel.A], out[rel.B] = above, below
	return out
}
