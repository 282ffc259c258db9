// Package picture turns untrusted bytes into the pixels that a vision tower
// reads: Decode (bytes to an upright, opaque picture), Resize (to the model's
// square) and Normalize (to floats).
//
// # What is matched
//
// The target is what Pillow and transformers feed these models. JPEG chroma is
// interpolated as libjpeg-turbo does it (jpeg.go), lossy WebP as libwebp does
// it (webp.go), and imaging's Catmull-Rom with antialiasing is Pillow's BICUBIC
// within one level. TestGolden reports every difference.
//
// Transparency and orientation, against transformers 5.23: both backends of
// BlipImageProcessor (BlipImageProcessorPil, and BlipImageProcessor on
// torchvision) hand a PIL picture to image_transforms.convert_to_rgb, which
// composites RGBA, LA and anything with a tRNS entry (palette, colour key) on
// white with PIL's alpha_composite and converts the rest with convert("RGB").
// Decode does the same, with alpha_composite's rounding. Both backends take an
// array or tensor of 4 channels as RGBA and blend it on white too (rounding may
// differ by one level), and neither turns a picture by its EXIF orientation.
// What differs: (1) transformers' load_image, used for paths and URLs, turns
// the picture by EXIF, as Decode does, but then calls convert("RGB"), so there
// the alpha channel is dropped and whatever colour lies under transparent
// pixels shows; older transformers, LAVIS and BLIP's own code also call
// convert("RGB"). (2) Pillow clips 16-bit grey at 255, which whitens the whole
// picture; Decode keeps the high byte, as Pillow does for 16-bit colour.
// (3) The torchvision backend resizes a uint8 tensor with its own bicubic,
// which was not compared. All resize straight to S×S, without a crop.
//
// # Bounds
//
// Format, byte count, sides and pixel count are checked before anything is
// allocated for pixels, so the peak follows from Limits. Per pixel: 4 bytes for
// the result, and beside it, while decoding, at most 1.5 (4:2:0 JPEG, lossy
// WebP), 3 (4:4:4 JPEG), 4 (CMYK JPEG, 16-bit grey PNG) or 8 (16-bit RGBA PNG)
// bytes; a progressive JPEG adds 4 bytes a sample for its coefficients (6 to
// 16) and a turned picture a second 4. At the default 40 megapixels: 220 MB for
// an ordinary JPEG, 480 MB for a 16-bit PNG, 960 MB for the worst file
// (progressive CMYK). Decoding cannot be cancelled; callers bound how many run
// at once. All functions are safe for concurrent use; the package starts no
// goroutine that outlives a call (imaging splits rows over GOMAXPROCS and waits).
package picture

import (
	"fmt"
	"image"
)

// Limits bound one picture before it is decoded. A field of 0 (or less) stands
// for its default.
type Limits struct {
	Bytes  int64 // of the file
	Pixels int64 // width × height
	Side   int   // pixels, width and height alike
}

// DefaultLimits are 20 MiB, 40 megapixels and 16,384 pixels a side: every phone
// and most cameras fit, and one decode stays within the memory that the package
// comment gives.
func DefaultLimits() Limits {
	return Limits{Bytes: 20 << 20, Pixels: 40_000_000, Side: 16384}
}

func (l Limits) orDefault() Limits {
	d := DefaultLimits()
	if l.Bytes <= 0 {
		l.Bytes = d.Bytes
	}
	if l.Pixels <= 0 {
		l.Pixels = d.Pixels
	}
	if l.Side <= 0 {
		l.Side = d.Side
	}
	return l
}

// Decode reads a JPEG, PNG or WebP within the limits. The result is upright
// (EXIF orientation applied), opaque (transparency composited on white) and
// starts at (0,0); colour profiles are ignored, as Pillow's convert("RGB")
// ignores them. Of an animated PNG it reads the default image; animated WebP is
// refused, as golang.org/x/image/webp has no animation. Every error is an
// *Error, and no input makes Decode panic. Data is neither kept nor changed.
func Decode(data []byte, lim Limits) (*image.NRGBA, error) {
	lim = lim.orDefault()
	if int64(len(data)) > lim.Bytes {
		return nil, &Error{Kind: KindTooLarge, Msg: fmt.Sprintf(
			"the file has %d bytes, more than the limit of %d; save it smaller or with stronger compression",
			len(data), lim.Bytes)}
	}
	format, ok := Sniff(data)
	if !ok {
		return nil, refusal(data)
	}
	img, err := decodeAs(format, data, lim, flat)
	if err != nil {
		return nil, err
	}
	return upright(img, orientation(format, data)), nil
}

// decodeAs checks, decodes and converts. It turns a panic of a decoder, none of
// which starts goroutines, into an error.
func decodeAs(format Format, data []byte, lim Limits, convert func(Format, image.Image) (*image.NRGBA, error)) (img *image.NRGBA, err error) {
	defer func() {
		if r := recover(); r != nil {
			img, err = nil, broken(format, fmt.Errorf("decoder panicked: %v", r))
		}
	}()
	cfg, err := admit(format, data, lim)
	if err != nil {
		return nil, err
	}
	src, err := readPixels(format, data)
	if err != nil {
		return nil, decoderError(format, err)
	}
	if src.Bounds() != image.Rect(0, 0, cfg.Width, cfg.Height) {
		return nil, broken(format, fmt.Errorf("decoded %v, header says %d×%d", src.Bounds(), cfg.Width, cfg.Height))
	}
	img, err = convert(format, src)
	if err != nil {
		return nil, broken(format, err)
	}
	return img, nil
}
