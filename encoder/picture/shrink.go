package picture

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"

	"github.com/disintegration/imaging"
)

// shrunkQuality is that of the JPEGs that Shrink makes: 320 px of a photograph
// are 10 to 20 KB.
const shrunkQuality = 85

// Shrink makes a picture that is wider than so many pixels that wide, upright
// and in its proportions: a JPEG, or a PNG where anything of it is transparent.
// One that is not wider is left alone, which nil says: nothing is enlarged. The
// width counts as the picture is shown, after its EXIF orientation. Limits,
// errors and memory are Decode's, besides one picture of width × its height.
func Shrink(data []byte, width int, lim Limits) ([]byte, error) {
	lim = lim.orDefault()
	format, ok := Sniff(data)
	if !ok {
		return nil, refusal(data)
	}
	cfg, err := admit(format, data, lim)
	if err != nil {
		return nil, err
	}
	turn := orientation(format, data)
	shown := cfg.Width
	if turn >= sideways {
		shown = cfg.Height
	}
	if shown <= width {
		return nil, nil
	}
	img, err := decodeAs(format, data, lim, translucent)
	if err != nil {
		return nil, err
	}
	return encode(imaging.Resize(upright(img, turn), width, 0, imaging.CatmullRom))
}

// sideways is the first of the EXIF orientations that exchange width and height.
const sideways = 5

// translucent is flat, but for what is transparent: that stays so.
func translucent(format Format, src image.Image) (*image.NRGBA, error) {
	switch m := src.(type) {
	case *image.NYCbCrA:
		return fromClearWebP(&m.YCbCr, m.A, m.AStride), nil
	case *image.NRGBA:
		return m, nil
	case *image.NRGBA64:
		return &image.NRGBA{Pix: highBytes(m.Pix), Stride: m.Stride / 2, Rect: m.Rect}, nil
	case *image.Paletted:
		return lookUp(m, paletteTable(m))
	}
	return flat(format, src)
}

// encode writes a JPEG, or a PNG where there is transparency.
func encode(img *image.NRGBA) ([]byte, error) {
	var out bytes.Buffer
	var err error
	if img.Opaque() {
		// Opaque pixels are the same bytes premultiplied, which the encoder reads faster.
		err = jpeg.Encode(&out, &image.RGBA{Pix: img.Pix, Stride: img.Stride, Rect: img.Rect}, &jpeg.Options{Quality: shrunkQuality})
	} else {
		err = png.Encode(&out, img)
	}
	if err != nil {
		return nil, fmt.Errorf("encode picture: %w", err)
	}
	return out.Bytes(), nil
}
