package catalogue

// Lengths in pictures are counted in thousandths of the side, so that one
// scene is the same at every size; points on the canvas in 64ths of a pixel.
const (
	mille = 1000
	sub   = 64
)

// pose places a drawing in the picture.
type pose struct {
	x, y  int // centre, thousandths of the side
	half  int // what 100 units of the box become, thousandths of the side
	angle int
	shear int // thousandths
	warp  warp
}

// warp bends a shape a little, so that no two products of a type are cut
// alike: wider or narrower, towards one end, in the middle; all in thousandths.
type warp struct{ wide, high, taper, waist int }

func (d dice) warp(strength int) warp {
	s := func(n int) int { return d.between(-n*strength/100, n*strength/100) }
	return warp{s(80), s(80), s(70), s(50)}
}

func (w warp) bend(p point) point {
	const box = 100 * unit
	y := p.y * mille / box
	k := mille + w.wide + w.taper*y/mille + w.waist*y*y/(mille*mille)
	return point{p.x * k / mille, p.y * (mille + w.high) / mille}
}

// affine maps box units to canvas points: 16 fractional bits.
type affine struct{ xx, xy, yx, yy, dx, dy int }

func (p pose) affine(size int) affine {
	scale := p.half * size * sub / mille * 65536 / (100 * unit) // canvas points a unit
	c, s := cosine(p.angle), sine(p.angle)
	return affine{
		xx: scale * c / trig, xy: scale * (c*p.shear/mille - s) / trig,
		yx: scale * s / trig, yy: scale * (s*p.shear/mille + c) / trig,
		dx: p.x * size * sub / mille, dy: p.y * size * sub / mille,
	}
}

func (a affine) apply(p point) point {
	return point{(a.xx*p.x+a.xy*p.y)>>16 + a.dx, (a.yx*p.x+a.yy*p.y)>>16 + a.dy}
}

// place maps a shape into the picture.
func (p pose) place(in outline, a affine) outline {
	out := outline{make([]point, len(in.points)), in.closed}
	for i, q := range in.points {
		out.points[i] = a.apply(p.warp.bend(q))
	}
	return out
}
