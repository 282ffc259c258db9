package picture

import (
	"fmt"
	"image"
	"image/color"
)

// flat converts what a decoder gave to opaque 8-bit RGB in our own NRGBA,
// transparency composited on white. imaging never sees the decoder's picture:
// with a Paletted one it panics in a goroutine of its own, where no recover
// reaches (CVE-2023-36308). Of 16-bit samples the high byte is kept, as Pillow
// does. Pixels are reused where the layout allows.
func flat(format Format, src image.Image) (*image.NRGBA, error) {
	switch m := src.(type) {
	case *image.YCbCr:
		if format == FormatWebP {
			return fromWebP(m, nil, 0), nil
		}
		return fromJPEG(m), nil
	case *image.NYCbCrA:
		return fromWebP(&m.YCbCr, m.A, m.AStride), nil
	case *image.RGBA: // opaque: the decoders give it for RGB without alpha only
		return &image.NRGBA{Pix: m.Pix, Stride: m.Stride, Rect: m.Rect}, nil
	case *image.NRGBA:
		onWhite(m.Pix)
		return m, nil
	case *image.Gray:
		return fromGrey(m.Pix, m.Stride, m.Rect), nil
	case *image.Gray16:
		return fromGrey(highBytes(m.Pix), m.Stride/2, m.Rect), nil
	case *image.RGBA64: // opaque, as RGBA
		return &image.NRGBA{Pix: highBytes(m.Pix), Stride: m.Stride / 2, Rect: m.Rect}, nil
	case *image.NRGBA64:
		pix := highBytes(m.Pix)
		onWhite(pix)
		return &image.NRGBA{Pix: pix, Stride: m.Stride / 2, Rect: m.Rect}, nil
	case *image.Paletted:
		return fromPalette(m)
	case *image.CMYK:
		return fromCMYK(m), nil
	}
	return nil, fmt.Errorf("unexpected pixel layout %T", src)
}

// highBytes keeps the first byte of each big-endian 16-bit sample, in place.
func highBytes(pix []uint8) []uint8 {
	n := len(pix) / 2
	for i := range n {
		pix[i] = pix[2*i]
	}
	return pix[:n:n]
}

// onWhite composites non-premultiplied RGBA pixels on white, in place, with the
// rounding of Pillow's alpha_composite (AlphaComposite.c): the weighted sum
// keeps 7 more bits and is divided by 255 with shifts.
func onWhite(pix []uint8) {
	for i := 0; i+4 <= len(pix); i += 4 {
		p := pix[i : i+4 : i+4]
		a := uint32(p[3])
		if a == 255 {
			continue
		}
		for c, v := range p[:3] {
			t := (uint32(v)*a+255*(255-a))<<7 + 0x80<<7
			p[c] = uint8((t>>8 + t) >> 8 >> 7)
		}
		p[3] = 255
	}
}

func fromGrey(pix []uint8, stride int, r image.Rectangle) *image.NRGBA {
	img := image.NewNRGBA(r)
	for y := range r.Dy() {
		dst := img.Pix[y*img.Stride:][:4*r.Dx()]
		for x, v := range pix[y*stride:][:r.Dx()] {
			p := dst[4*x : 4*x+4 : 4*x+4]
			p[0], p[1], p[2], p[3] = v, v, v, 255
		}
	}
	return img
}

// fromPalette looks colours up. An index past the palette makes the picture
// broken: which colour was meant is not known.
func fromPalette(m *image.Paletted) (*image.NRGBA, error) {
	table := paletteTable(m)
	onWhite(table)
	return lookUp(m, table)
}

func paletteTable(m *image.Paletted) []uint8 {
	table := make([]uint8, 0, 4*256)
	for _, c := range m.Palette {
		n := color.NRGBAModel.Convert(c).(color.NRGBA)
		table = append(table, n.R, n.G, n.B, n.A)
	}
	return table
}

func lookUp(m *image.Paletted, table []uint8) (*image.NRGBA, error) {
	img := image.NewNRGBA(m.Rect)
	for y := range m.Rect.Dy() {
		dst := img.Pix[y*img.Stride:]
		for x, index := range m.Pix[y*m.Stride:][:m.Rect.Dx()] {
			at := 4 * int(index)
			if at >= len(table) {
				return nil, fmt.Errorf("palette index %d of %d", index, len(m.Palette))
			}
			copy(dst[4*x:4*x+4], table[at:at+4])
		}
	}
	return img, nil
}

// fromCMYK converts ink to light as Pillow does (Convert.c cmyk2rgb): white
// minus black ink, minus that share of the colour ink. The JPEG decoder has
// already undone Adobe's inversion (and converted YCCK), as Pillow does; it
// repeats YCCK's chroma samples instead of interpolating, and refuses CMYK
// without an Adobe marker.
func fromCMYK(m *image.CMYK) *image.NRGBA {
	img := &image.NRGBA{Pix: m.Pix, Stride: m.Stride, Rect: m.Rect}
	for i := 0; i+4 <= len(img.Pix); i += 4 {
		p := img.Pix[i : i+4 : i+4]
		light := 255 - uint32(p[3])
		for c, ink := range p[:3] {
			t := uint32(ink)*light + 128
			p[c] = uint8(light - (t>>8+t)>>8)
		}
		p[3] = 255
	}
	return img
}
