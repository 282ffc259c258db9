package picture_test

import (
	"image"
	"image/color"
	"math"
	"testing"

	"sightline/encoder/picture"
)

// numbered has the place of each pixel as its colour.
func numbered(w, h int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetNRGBA(x, y, color.NRGBA{R: uint8(x), G: uint8(y), A: 255})
		}
	}
	return img
}

func TestCrop(t *testing.T) {
	img := numbered(40, 20)
	for name, c := range map[string]struct {
		box  picture.Box
		want image.Rectangle
	}{
		"whole":              {picture.Box{0, 0, 1, 1}, image.Rect(0, 0, 40, 20)},
		"a quarter":          {picture.Box{0.5, 0.5, 1, 1}, image.Rect(20, 10, 40, 20)},
		"to the nearest":     {picture.Box{0.1, 0.1, 0.49, 0.51}, image.Rect(4, 2, 20, 10)},
		"less than a pixel":  {picture.Box{0.5, 0.5, 0.501, 0.501}, image.Rect(20, 10, 21, 11)},
		"the last pixel":     {picture.Box{0.999, 0.999, 1, 1}, image.Rect(39, 19, 40, 20)},
		"none":               {picture.Box{}, image.Rect(0, 0, 40, 20)},
		"the wrong way":      {picture.Box{0.5, 0, 0.1, 1}, image.Rect(0, 0, 40, 20)},
		"in pixels":          {picture.Box{0, 0, 40, 20}, image.Rect(0, 0, 40, 20)},
		"not a number":       {picture.Box{math.NaN(), 0, 1, 1}, image.Rect(0, 0, 40, 20)},
		"infinitely far":     {picture.Box{0, 0, math.Inf(1), 1}, image.Rect(0, 0, 40, 20)},
		"beyond the left":    {picture.Box{-0.1, 0, 1, 1}, image.Rect(0, 0, 40, 20)},
		"almost all of them": {picture.Box{0.01, 0.01, 1, 1}, image.Rect(0, 0, 40, 20)},
	} {
		t.Run(name, func(t *testing.T) {
			got := picture.Crop(img, c.box)
			if got.Rect != c.want.Sub(c.want.Min) {
				t.Fatalf("%v, want %v", got.Rect, c.want)
			}
			first, last := got.NRGBAAt(0, 0), got.NRGBAAt(got.Rect.Dx()-1, got.Rect.Dy()-1)
			if int(first.R) != c.want.Min.X || int(first.G) != c.want.Min.Y || int(last.R) != c.want.Max.X-1 || int(last.G) != c.want.Max.Y-1 {
				t.Errorf("from %v to %v, want %v", first, last, c.want)
			}
		})
	}
}

// TestResizeOfCrop: the part is resized as a picture of its own.
func TestResizeOfCrop(t *testing.T) {
	img := numbered(40, 20)
	part := picture.Crop(img, picture.Box{0.25, 0.5, 0.75, 1})
	own := image.NewNRGBA(part.Rect)
	for y := range part.Rect.Dy() {
		for x := range part.Rect.Dx() {
			own.SetNRGBA(x, y, part.NRGBAAt(x, y))
		}
	}
	got, want := picture.Resize(part, 7), picture.Resize(own, 7)
	for i := range want.Pix {
		if got.Pix[i] != want.Pix[i] {
			t.Fatalf("byte %d: %d, of a copy %d", i, got.Pix[i], want.Pix[i])
		}
	}
}
