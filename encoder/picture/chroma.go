package picture

import "image"

// chroma widens one subsampled plane to the size of the picture, row by row.
//
// Models of this family were trained on pictures that libjpeg(-turbo) decoded.
// It interpolates ("fancy upsampling", jdsample.c: a triangle filter, the
// nearer sample weighing 3/4 in each direction), where Go repeats samples,
// which moves strong colour edges by tens of levels. libwebp has the same
// filter for 4:2:0 and differs in rounding only. Beyond the last sample that
// the picture uses, both repeat it: the padding of the blocks is not read.
type chroma struct {
	ratio  image.YCbCrSubsampleRatio
	stride int
	w, h   int // samples in use, not counting the padding to whole blocks
	odd    int // 4:2:0: added before >>4 to every second sample; libjpeg 7 (an ordered dither), libwebp 8
	blunt  bool
}

// newChroma describes the Cb and Cr planes of m. libjpeg repeats samples of a
// plane at most two wide, where the filter has no inner sample; libwebp does
// not make that exception.
func newChroma(m *image.YCbCr, odd int, bluntIfNarrow bool) chroma {
	c := chroma{ratio: m.SubsampleRatio, stride: m.CStride, w: m.Rect.Dx(), h: m.Rect.Dy(), odd: odd}
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio420:
		c.w, c.h = (c.w+1)/2, (c.h+1)/2
	case image.YCbCrSubsampleRatio422:
		c.w = (c.w + 1) / 2
	case image.YCbCrSubsampleRatio440:
		c.h = (c.h + 1) / 2
	case image.YCbCrSubsampleRatio411:
		c.w = (c.w + 3) / 4
	case image.YCbCrSubsampleRatio410:
		c.w, c.h = (c.w+3)/4, (c.h+1)/2
	}
	c.blunt = bluntIfNarrow && c.w <= 2
	return c
}

// row gives the samples for picture row y, at least as many as the picture is
// wide. The result is dst (4·w samples) or, where nothing has to be widened,
// the plane itself.
func (c chroma) row(dst, plane []uint8, y int) []uint8 {
	switch {
	case c.ratio == image.YCbCrSubsampleRatio444:
		return c.samples(plane, y)
	case c.ratio == image.YCbCrSubsampleRatio440:
		near, far := c.samples(plane, y/2), c.samples(plane, neighbour(y))
		return mixRows(dst[:c.w], near, far, 1+y&1)
	case c.ratio == image.YCbCrSubsampleRatio411:
		return repeat(dst, c.samples(plane, y), 4)
	case c.ratio == image.YCbCrSubsampleRatio410:
		return repeat(dst, c.samples(plane, y/2), 4)
	case c.ratio == image.YCbCrSubsampleRatio422 && c.blunt:
		return repeat(dst, c.samples(plane, y), 2)
	case c.ratio == image.YCbCrSubsampleRatio422:
		return widen(dst[:2*c.w], c.samples(plane, y))
	case c.blunt:
		return repeat(dst, c.samples(plane, y/2), 2)
	default:
		return widenBoth(dst[:2*c.w], c.samples(plane, y/2), c.samples(plane, neighbour(y)), c.odd)
	}
}

// samples is row y of the plane, rows outside it being its first or last.
func (c chroma) samples(plane []uint8, y int) []uint8 {
	y = min(max(y, 0), c.h-1)
	return plane[y*c.stride:][:c.w]
}

// neighbour is the second nearest chroma row of picture row y at 2 : 1.
func neighbour(y int) int { return y/2 - 1 + 2*(y&1) }

// repeat is libjpeg's box filter, which it keeps for 4:1:1 and 4:1:0.
func repeat(dst, src []uint8, times int) []uint8 {
	for i, v := range src {
		for j := range times {
			dst[times*i+j] = v
		}
	}
	return dst[:times*len(src)]
}

// mixRows is h1v2_fancy_upsample: 3/4 near + 1/4 far, bias 1 upwards, 2 downwards.
func mixRows(dst, near, far []uint8, bias int) []uint8 {
	near, far = near[:len(dst)], far[:len(dst)]
	for i := range dst {
		dst[i] = uint8((3*int(near[i]) + int(far[i]) + bias) >> 2)
	}
	return dst
}

// widen is h2v1_fancy_upsample. len(dst) is 2·len(src).
func widen(dst, src []uint8) []uint8 {
	this := int(src[0])
	dst[0] = src[0]
	out := dst[1:]
	for _, s := range src[1:] {
		next := int(s)
		pair := out[:2:2]
		pair[0] = uint8((3*this + next + 2) >> 2)
		pair[1] = uint8((3*next + this + 1) >> 2)
		this, out = next, out[2:]
	}
	out[0] = uint8(this)
	return dst
}

// widenBoth is h2v2_fancy_upsample for one output row: columns are first mixed
// 3 : 1 from the near and far row, then the sums again 3 : 1 along the row.
// len(dst) is 2·len(near).
func widenBoth(dst, near, far []uint8, odd int) []uint8 {
	far = far[:len(near)]
	this := 3*int(near[0]) + int(far[0])
	dst[0] = uint8((4*this + 8) >> 4)
	out := dst[1:]
	for i := 1; i < len(near); i++ {
		next := 3*int(near[i]) + int(far[i])
		pair := out[:2:2]
		pair[0] = uint8((3*this + next + odd) >> 4)
		pair[1] = uint8((3*next + this + 8) >> 4)
		this, out = next, out[2:]
	}
	out[0] = uint8((4*this + odd) >> 4)
	return dst
}
