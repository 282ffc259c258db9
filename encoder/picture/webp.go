package picture

import (
	"encoding/binary"
	"image"
	"iter"
)

// fromWebP converts the planes of a lossy WebP, with an alpha plane or nil, to
// RGB on white as libwebp does (upsampling.c, yuv.h). image.YCbCr's own
// conversion would be wrong: it takes luma as full range, VP8 has 16 to 235.
func fromWebP(m *image.YCbCr, alpha []uint8, alphaStride int) *image.NRGBA {
	img := fromClearWebP(m, alpha, alphaStride)
	if alpha != nil {
		onWhite(img.Pix)
	}
	return img
}

// fromClearWebP is fromWebP without the white.
func fromClearWebP(m *image.YCbCr, alpha []uint8, alphaStride int) *image.NRGBA {
	img := fromPlanes(m, newChroma(m, 8, false), webpRow)
	if alpha == nil {
		return img
	}
	w := m.Rect.Dx()
	for y := range m.Rect.Dy() {
		row := img.Pix[y*img.Stride:]
		for x, a := range alpha[y*alphaStride:][:w] {
			row[4*x+3] = a
		}
	}
	return img
}

// webpRow converts video-range BT.601 to opaque RGB with libwebp's constants:
// 14-bit fixed point of which each product drops 8 bits and the sum 6.
func webpRow(dst, luma, cb, cr []uint8) {
	cb, cr = cb[:len(luma)], cr[:len(luma)]
	for i, l := range luma {
		y, u, v := int32(l)*19077>>8, int32(cb[i]), int32(cr[i])
		p := dst[4*i : 4*i+4 : 4*i+4]
		p[0] = level((y + v*26149>>8 - 14234) >> 6)
		p[1] = level((y - u*6419>>8 - v*13320>>8 + 8708) >> 6)
		p[2] = level((y + u*33050>>8 - 17685) >> 6)
		p[3] = 255
	}
}

// animatedWebP reports whether the extended header announces animation.
func animatedWebP(data []byte) bool {
	const animation = 1 << 1
	for id, body := range webpChunks(data) {
		if id == "ANIM" || id == "ANMF" || id == "VP8X" && len(body) > 0 && body[0]&animation != 0 {
			return true
		}
	}
	return false
}

// webpChunks walks the chunks behind the RIFF header; it ends at the first that
// the data does not hold whole.
func webpChunks(data []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		const riffHeader = 12
		for rest := data[min(riffHeader, len(data)):]; len(rest) >= 8; {
			n := uint64(binary.LittleEndian.Uint32(rest[4:]))
			if n > uint64(len(rest)-8) || !yield(string(rest[:4]), rest[8:8+n]) {
				return
			}
			rest = rest[min(8+n+n&1, uint64(len(rest))):]
		}
	}
}
