package catalogue

import "image"

// canvas holds the picture and, above it, the product that is being drawn.
type canvas struct {
	*rasterizer
	rgb   []uint8 // the picture, 3 bytes a pixel
	ink   []uint8 // the product, 4 bytes a pixel, colour already times alpha
	blank []uint8 // scratch, a byte a pixel
	blur  []uint8
}

func newCanvas(size int) *canvas {
	n := size * size
	return &canvas{newRasterizer(size), make([]uint8, 3*n), make([]uint8, 4*n), make([]uint8, n), make([]uint8, n)}
}

// over paints one colour through a mask. alpha and light are 256 for opaque
// and unchanged; lights may be nil, else it holds 128 for unchanged, a byte
// for each pixel of m.
func (c *canvas) over(m mask, to rgb, alpha int32, lights []uint8) {
	w := m.box.Dx()
	for y := m.box.Min.Y; y < m.box.Max.Y; y++ {
		row := (y - m.box.Min.Y) * w
		ink := c.ink[4*(y*c.size+m.box.Min.X):]
		for x := range w {
			cover := int32(m.pix[row+x])
			if cover == 0 {
				continue
			}
			light := int32(128)
			if lights != nil {
				light = int32(lights[row+x])
			}
			blend(ink[4*x:4*x+4], to, cover*alpha>>8, light)
		}
	}
}

// blend lays a colour of the given coverage (of 255) over one pixel of ink.
func blend(ink []uint8, to rgb, cover, light int32) {
	keep := 255 - cover
	for i := range 3 {
		v := min(to[i]*light>>7, 255)
		ink[i] = uint8((int32(ink[i])*keep + v*cover + 127) / 255)
	}
	ink[3] = uint8((int32(ink[3])*keep + 255*cover + 127) / 255)
}

// through cuts a mask to what another covers.
func (m mask) through(by mask) {
	w := m.box.Dx()
	for y := m.box.Min.Y; y < m.box.Max.Y; y++ {
		for x := m.box.Min.X; x < m.box.Max.X; x++ {
			i := (y-m.box.Min.Y)*w + x - m.box.Min.X
			cut := 0
			if (image.Point{X: x, Y: y}).In(by.box) {
				cut = int(by.pix[(y-by.box.Min.Y)*by.box.Dx()+x-by.box.Min.X])
			}
			m.pix[i] = uint8(int(m.pix[i]) * cut / 255)
		}
	}
}

// relief lights a shape as if it were a cushion under a lamp at the upper
// left: brighter where its softened edge rises towards the lamp, darker where
// it falls. 128 is unchanged.
func (c *canvas) relief(m mask, depth, strength int) []uint8 {
	w, h := m.box.Dx(), m.box.Dy()
	soft := c.blur[:w*h]
	copy(soft, m.pix)
	boxBlur(soft, c.blank[:w*h], w, h, depth)
	out := c.take(w * h)
	at := func(x, y int) int {
		if x < 0 || y < 0 || x >= w || y >= h {
			return 0
		}
		return int(soft[y*w+x])
	}
	for y := range h {
		for x := range w {
			slope := at(x+depth, y+depth) - at(x-depth, y-depth)
			fall := 6 - 12*y/h // lamp light comes from above
			out[y*w+x] = uint8(min(max(128+fall+slope*strength/256, 0), 255))
		}
	}
	return out
}

// boxBlur averages over 2r+1 pixels along rows, then along columns; tmp is
// scratch of the same size.
func boxBlur(pix, tmp []uint8, w, h, r int) {
	for y := range h {
		blurLine(pix[y*w:], tmp[y*w:], w, 1, r)
	}
	for x := range w {
		blurLine(tmp[x:], pix[x:], h, w, r)
	}
}

func blurLine(from, to []uint8, n, stride, r int) {
	sum := 0
	for i := range min(r, n) {
		sum += int(from[i*stride])
	}
	for i := range n {
		if i+r < n {
			sum += int(from[(i+r)*stride])
		}
		if i-r-1 >= 0 {
			sum -= int(from[(i-r-1)*stride])
		}
		to[i*stride] = uint8(sum / (2*r + 1))
	}
}

// settle lays the ink over the picture, with a soft shadow below it, and
// clears it. The shadow falls dx, dy pixels away.
func (c *canvas) settle(dx, dy, softness int, dark int32) {
	for i := range c.blank {
		c.blank[i] = c.ink[4*i+3]
	}
	boxBlur(c.blank, c.blur, c.size, c.size, softness)
	boxBlur(c.blank, c.blur, c.size, c.size, softness)
	for y := range c.size {
		for x := range c.size {
			shade := int32(0)
			if sx, sy := x-dx, y-dy; sx >= 0 && sy >= 0 && sx < c.size && sy < c.size {
				shade = int32(c.blank[sy*c.size+sx]) * dark >> 8
			}
			i := y*c.size + x
			drop(c.rgb[3*i:3*i+3], c.ink[4*i:4*i+4], shade)
		}
	}
	clear(c.ink)
}

func drop(to, ink []uint8, shade int32) {
	keep := (255 - int32(ink[3])) * (255 - shade)
	for i := range 3 {
		to[i] = uint8(min(int32(ink[i])+(int32(to[i])*keep+32512)/65025, 255))
	}
}
