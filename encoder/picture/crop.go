package picture

import (
	"image"
	"math"
)

// Box is a part of an upright picture: left, top, right and bottom edge in
// fractions of its width and height, 0 to 1. The zero value stands for the whole
// picture.
type Box [4]float64

// IsZero says that b stands for the whole picture.
func (b Box) IsZero() bool { return b == Box{} }

// Valid says that b is a part of a picture: 0 ≤ left < right ≤ 1, and so from top
// to bottom. The zero value is not.
func (b Box) Valid() bool {
	return b[0] >= 0 && b[0] < b[2] && b[2] <= 1 && b[1] >= 0 && b[1] < b[3] && b[3] <= 1
}

// Crop is the part of img, which starts at (0,0) as those of Decode do, that b
// names: edges at the nearest pixels, at least one pixel wide and high. It shares
// its pixels with img. A box that is not valid leaves img whole.
func Crop(img *image.NRGBA, b Box) *image.NRGBA {
	if !b.Valid() {
		return img
	}
	left, right := span(b[0], b[2], img.Rect.Dx())
	top, bottom := span(b[1], b[3], img.Rect.Dy())
	return &image.NRGBA{
		Pix: img.Pix[img.PixOffset(left, top):], Stride: img.Stride, Rect: image.Rect(0, 0, right-left, bottom-top),
	}
}

func span(from, to float64, size int) (low, high int) {
	low, high = int(math.Round(from*float64(size))), int(math.Round(to*float64(size)))
	if low == high {
		low = min(low, size-1)
		high = low + 1
	}
	return low, high
}
