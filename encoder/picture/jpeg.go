package picture

import "image"

// fromJPEG converts the planes of a JPEG to RGB as libjpeg-turbo 3 does:
// chroma.go for the chroma, then jdcolor.c's 16-bit fixed point. Go's inverse
// DCT and libjpeg's accurate one ("islow") are rounded differently: on the test
// pictures that leaves at most 3 levels of RGB, 0.05 on average, where repeated
// chroma samples leave up to 173 and 3 to 21 on average. Converting 12
// megapixels of 4:2:0 takes 60 ms, decoding them 125 ms.
func fromJPEG(m *image.YCbCr) *image.NRGBA {
	return fromPlanes(m, newChroma(m, 7, true), jpegRow)
}

// fromPlanes widens the chroma rows and hands each row of w samples to convert.
// It reads planes from their start: decoders give pictures that begin at (0,0).
func fromPlanes(m *image.YCbCr, c chroma, convert func(dst, y, cb, cr []uint8)) *image.NRGBA {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	cb, cr := make([]uint8, 4*c.w), make([]uint8, 4*c.w)
	for y := range h {
		convert(img.Pix[y*img.Stride:][:4*w], m.Y[y*m.YStride:][:w], c.row(cb, m.Cb, y), c.row(cr, m.Cr, y))
	}
	return img
}

// jpegRow converts full-range BT.601 (JFIF) to opaque RGB. The factors are
// 1.402, 0.34414, 0.71414 and 1.772 times 2^16, rounded, as in jdcolor.c.
func jpegRow(dst, luma, cb, cr []uint8) {
	cb, cr = cb[:len(luma)], cr[:len(luma)]
	for i, l := range luma {
		y, u, v := int32(l), int32(cb[i])-128, int32(cr[i])-128
		p := dst[4*i : 4*i+4 : 4*i+4]
		p[0] = level(y + (91881*v+32768)>>16)
		p[1] = level(y + (-22554*u-46802*v+32768)>>16)
		p[2] = level(y + (116130*u+32768)>>16)
		p[3] = 255
	}
}

func level(v int32) uint8 { return uint8(min(max(v, 0), 255)) }
