package catalogue

import (
	"image"
	"image/draw"

	"golang.org/x/image/vector"
)

// mask is how much of each pixel a shape covers, within box of a canvas.
type mask struct {
	box image.Rectangle
	pix []uint8 // box.Dx() a row
}

// rasterizer fills outlines. It keeps to straight lines on canvases of at most
// 512 px: there x/image/vector works in fixed point, and its few float32 steps
// (a division, a product that is truncated at once) leave a compiler nothing
// to fuse, so the same outline gives the same bytes everywhere.
type rasterizer struct {
	size int
	z    *vector.Rasterizer
	free [][]uint8
}

func newRasterizer(size int) *rasterizer {
	return &rasterizer{size: size, z: vector.NewRasterizer(size, size)}
}

// fill covers the union of outlines that all run the same way around.
func (r *rasterizer) fill(of ...outline) mask {
	box := bounds(of).Intersect(image.Rect(0, 0, r.size, r.size))
	if box.Empty() {
		return mask{}
	}
	r.z.Reset(box.Dx(), box.Dy())
	r.z.DrawOp = draw.Src
	for _, o := range of {
		r.add(o.points, box.Min)
	}
	m := mask{box, r.take(box.Dx() * box.Dy())}
	to := &image.Alpha{Pix: m.pix, Stride: box.Dx(), Rect: image.Rect(0, 0, box.Dx(), box.Dy())}
	r.z.Draw(to, to.Rect, image.Opaque, image.Point{})
	return m
}

func (r *rasterizer) add(points []point, origin image.Point) {
	at := func(p point) (x, y float32) {
		return float32(p.x-origin.X*sub) / sub, float32(p.y-origin.Y*sub) / sub
	}
	r.z.MoveTo(at(points[0]))
	for _, p := range points[1:] {
		r.z.LineTo(at(p))
	}
	r.z.ClosePath()
}

// take and give reuse the memory of masks.
func (r *rasterizer) take(n int) []uint8 {
	if last := len(r.free) - 1; last >= 0 && cap(r.free[last]) >= n {
		pix := r.free[last][:n]
		r.free = r.free[:last]
		return pix
	}
	return make([]uint8, n, r.size*r.size)
}

func (r *rasterizer) give(m mask) {
	if m.pix != nil {
		r.free = append(r.free, m.pix)
	}
}

// bounds is the smallest rectangle of whole pixels around all points.
func bounds(of []outline) image.Rectangle {
	first := of[0].points[0]
	lo, hi := first, first
	for _, o := range of {
		for _, p := range o.points {
			lo = point{min(lo.x, p.x), min(lo.y, p.y)}
			hi = point{max(hi.x, p.x), max(hi.y, p.y)}
		}
	}
	return image.Rect(lo.x>>6, lo.y>>6, hi.x>>6+1, hi.y>>6+1)
}

// line draws along an outline: one quad a segment, and a disc at every corner
// when the line is thick enough for its ends to show. Width is in 64ths of a
// pixel.
func line(o outline, width int) []outline {
	n := len(o.points)
	var out []outline
	segments := n - 1
	if o.closed {
		segments = n
	}
	thick := width >= 2*sub
	for i := range segments {
		if q := quad(o.points[i], o.points[(i+1)%n], width/2, thick); q.points != nil {
			out = append(out, q)
		}
	}
	if thick {
		for _, p := range o.points {
			out = append(out, outline{ellipse(p, width/2, width/2, 12), true})
		}
	}
	return out
}

// quad is a segment as wide as its line; thin ones reach a little further, to
// close the gaps at corners.
func quad(a, b point, half int, thick bool) outline {
	dx, dy := b.x-a.x, b.y-a.y
	length := root(dx*dx + dy*dy)
	if length == 0 {
		return outline{}
	}
	nx, ny := -dy*half/length, dx*half/length
	ex, ey := 0, 0
	if !thick {
		ex, ey = dx*half/length/2, dy*half/length/2
	}
	return outline{[]point{
		{a.x - ex - nx, a.y - ey - ny},
		{b.x + ex - nx, b.y + ey - ny},
		{b.x + ex + nx, b.y + ey + ny},
		{a.x - ex + nx, a.y - ey + ny},
	}, true}
}
