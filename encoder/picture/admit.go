package picture

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"strings"

	"golang.org/x/image/webp"
)

// maxScans bounds the scans of a JPEG. Encoders write about 10, and thumbnails
// and further pictures behind the first (MPF) add theirs. A scan of a progressive
// file walks all blocks even when it holds 64 bytes: measured at 40 megapixels,
// 50 ms each, so 5 s at this limit and hours for 20 MiB of them without one.
const maxScans = 100

// admit reads the header and refuses what is over a limit or cannot be whole,
// all before pixels are allocated.
func admit(format Format, data []byte, lim Limits) (image.Config, error) {
	if format == FormatWebP && animatedWebP(data) {
		return image.Config{}, &Error{
			Kind: KindUnsupported,
			Msg:  "this is an animated WebP; save one frame of it as JPEG, PNG or still WebP",
		}
	}
	cfg, err := readConfig(format, data)
	if err != nil {
		return cfg, decoderError(format, err)
	}
	if cfg.Width <= 0 || cfg.Height <= 0 {
		return cfg, broken(format, fmt.Errorf("%d×%d pixels", cfg.Width, cfg.Height))
	}
	if cfg.Width > lim.Side || cfg.Height > lim.Side || int64(cfg.Width)*int64(cfg.Height) > lim.Pixels {
		return cfg, &Error{Kind: KindTooLarge, Msg: fmt.Sprintf(
			"the picture is %d×%d pixels; the limits are %d pixels a side and %.4g megapixels: make it smaller",
			cfg.Width, cfg.Height, lim.Side, float64(lim.Pixels)/1e6)}
	}
	if n := leastBytes(format, data, cfg); int64(len(data)) < n {
		return cfg, broken(format, fmt.Errorf("%d bytes cannot hold %d×%d pixels", len(data), cfg.Width, cfg.Height))
	}
	if format == FormatJPEG && bytes.Count(data, []byte("\xff\xda")) > maxScans {
		return cfg, &Error{
			Kind: KindTooLarge,
			Msg:  fmt.Sprintf("the JPEG has more than %d scans; save it again as a plain JPEG", maxScans),
		}
	}
	return cfg, nil
}

// leastBytes is a lower bound on the size of a whole file with these
// dimensions, so that a short file cannot claim much memory. JPEG: one bit for
// the DC of each 8×8 luma block. PNG: deflate shrinks at most 1032 : 1. WebP
// has no such bound (a lossless picture of one colour takes no bits a pixel).
func leastBytes(format Format, data []byte, cfg image.Config) int64 {
	const headerEnd, deflateRatio = 26, 1032 // depth and colour type are bytes 24 and 25
	w, h := int64(cfg.Width), int64(cfg.Height)
	switch {
	case format == FormatJPEG:
		return (w / 8) * (h / 8) / 8
	case format == FormatPNG && len(data) >= headerEnd:
		channels := map[byte]int64{0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[data[25]]
		return h * (w * channels * int64(data[24]) / 8) / deflateRatio
	}
	return 0
}

func readConfig(format Format, data []byte) (image.Config, error) {
	r := bytes.NewReader(data)
	switch format {
	case FormatJPEG:
		return jpeg.DecodeConfig(r)
	case FormatPNG:
		return png.DecodeConfig(r)
	default:
		return webp.DecodeConfig(r)
	}
}

func readPixels(format Format, data []byte) (image.Image, error) {
	r := bytes.NewReader(data)
	switch format {
	case FormatJPEG:
		return jpeg.Decode(r)
	case FormatPNG:
		return png.Decode(r)
	default:
		return webp.Decode(r)
	}
}

func broken(format Format, cause error) *Error {
	return &Error{
		Kind: KindBroken,
		Msg:  "the " + format.name() + " is damaged or cut short; save or upload it again",
		Err:  fmt.Errorf("decode picture: %w", cause),
	}
}

// decoderError sorts the errors of the decoders: variants that they name as
// unsupported are sound files for other software.
func decoderError(format Format, cause error) *Error {
	var oddJPEG jpeg.UnsupportedError
	var oddPNG png.UnsupportedError
	if errors.As(cause, &oddJPEG) || errors.As(cause, &oddPNG) {
		return &Error{
			Kind: KindUnsupported,
			Msg:  "this variant of " + format.name() + " is not read; save it as a plain RGB JPEG, PNG or WebP",
			Err:  fmt.Errorf("decode picture: %w", cause),
		}
	}
	return broken(format, cause)
}

// name is how users write the format.
func (f Format) name() string {
	if f == FormatWebP {
		return "WebP"
	}
	return strings.ToUpper(string(f))
}
