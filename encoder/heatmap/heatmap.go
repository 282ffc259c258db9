// Package heatmap lays a grid of weights over a picture, as colours.
package heatmap

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"math"

	"github.com/disintegration/imaging"
)

// DefaultSide is the longer side of an overlay in pixels where Options say none.
const DefaultSide = 768

// maxSide bounds Options.Side: an overlay of 2048 × 2048 takes 50 MB while it is made.
const maxSide = 2048

// maxCells bounds a grid: a ViT with patches of 8 pixels at 1024 has 128 × 128.
const maxCells = 1 << 14

// Options of an overlay. The zero value is fine.
type Options struct {
	// Side is the longer side of the overlay in pixels, at most 2048. A smaller
	// picture is enlarged, so that the map is legible on a thumbnail too. 0 is
	// DefaultSide.
	Side int
}

// How a cold place looks: darker, and without colour. With these numbers the
// picture stays recognisable everywhere and a hot place in its own colours
// still shows through.
const (
	coldLight = 0.35 // of the picture's brightness
	hotColour = 0.60 // of the colour scale in the mix
)

// Overlay returns the picture with grid [rows][columns] over it. The grid's
// corners are those of the picture, whatever its shape. Weights are read
// against the largest of the grid; negative ones and NaN count as 0, and a grid
// of zeros dims the whole picture. One input always gives the same pixels. It
// takes about 40 ms for 768 × 768 on one core.
func Overlay(picture image.Image, grid [][]float32, o Options) (*image.NRGBA, error) {
	side, err := o.side()
	if err != nil {
		return nil, err
	}
	weights, err := weightsOf(grid)
	if err != nil {
		return nil, err
	}
	if picture.Bounds().Empty() {
		return nil, errors.New("heat map: the picture has no pixels")
	}
	size := fit(picture.Bounds().Size(), side)
	out := imaging.Resize(picture, size.X, size.Y, imaging.CatmullRom)
	// The B-spline is smooth and has no negative lobes: no warm rings around a peak.
	heat := imaging.Resize(weights, size.X, size.Y, imaging.BSpline)
	scale := rescale(heat)
	for i := 0; i < len(out.Pix); i += 4 {
		mix(out.Pix[i:i+3:i+3], scale[heat.Pix[i]])
	}
	return out, nil
}

// PNG is Overlay as the bytes of a PNG file.
func PNG(picture image.Image, grid [][]float32, o Options) ([]byte, error) {
	img, err := Overlay(picture, grid, o)
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&buf, img); err != nil {
		return nil, fmt.Errorf("heat map: encode: %w", err)
	}
	return buf.Bytes(), nil
}

func (o Options) side() (int, error) {
	switch {
	case o.Side == 0:
		return DefaultSide, nil
	case o.Side < 0 || o.Side > maxSide:
		return 0, fmt.Errorf("heat map: a side of %d pixels: use 1 to %d", o.Side, maxSide)
	}
	return o.Side, nil
}

// fit scales a size to a longer side; the shorter has at least one pixel.
func fit(size image.Point, side int) image.Point {
	longer := max(size.X, size.Y)
	scaled := func(v int) int { return max(1, (v*side+longer/2)/longer) }
	return image.Pt(scaled(size.X), scaled(size.Y))
}

// weightsOf writes the grid as grey values, its largest as 255.
func weightsOf(grid [][]float32) (*image.NRGBA, error) {
	if len(grid) == 0 || len(grid[0]) == 0 || len(grid) > maxCells/len(grid[0]) {
		return nil, fmt.Errorf("heat map: a grid of %d rows: must be 1 to %d cells", len(grid), maxCells)
	}
	peak := float32(0)
	for _, row := range grid {
		if len(row) != len(grid[0]) {
			return nil, fmt.Errorf("heat map: rows of %d and %d weights: must be equal", len(grid[0]), len(row))
		}
		for _, v := range row {
			if v > peak { // false for NaN
				peak = v
			}
		}
	}
	img := image.NewNRGBA(image.Rect(0, 0, len(grid[0]), len(grid)))
	for i := range len(grid) * len(grid[0]) {
		grey := uint8(0)
		if v := grid[i/len(grid[0])][i%len(grid[0])]; v > 0 && !math.IsInf(float64(peak), 0) {
			grey = uint8(v/peak*255 + 0.5)
		}
		copy(img.Pix[4*i:], []uint8{grey, grey, grey, 255})
	}
	return img, nil
}

// look is what becomes of a pixel at one weight.
type look struct {
	light  float32
	colour [3]float32 // times its part of the mix
	keep   float32    // the picture's part
}

// rescale makes the table from grey value to look. Smoothing has lowered the
// peak, so the largest grey value that is left stands for 1.
func rescale(heat *image.NRGBA) [256]look {
	peak := uint8(0)
	for i := 0; i < len(heat.Pix); i += 4 {
		peak = max(peak, heat.Pix[i])
	}
	var table [256]look
	for i := range table {
		v := float32(0)
		if peak > 0 {
			v = min(float32(i)/float32(peak), 1)
		}
		l := look{light: coldLight + (1-coldLight)*v, colour: viridis(v), keep: 1 - hotColour*v}
		for c := range l.colour {
			l.colour[c] *= hotColour * v
		}
		table[i] = l
	}
	return table
}

func mix(pixel []uint8, l look) {
	for c, v := range pixel {
		// The conversions forbid fused multiplications, which would make the
		// result depend on the processor.
		pixel[c] = uint8(float32(float32(v)*float32(l.light*l.keep)) + l.colour[c] + 0.5)
	}
}
