package heatmap_test

import (
	"bytes"
	"flag"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sightline/encoder/heatmap"
)

var update = flag.Bool("update", false, "rewrite the golden picture")

// gradient is a picture in which every place has its own colour.
func gradient(w, h int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetNRGBA(x, y, color.NRGBA{uint8(x * 255 / w), uint8(y * 255 / h), 128, 255})
		}
	}
	return img
}

// spots is a grid with one strong and one weak cell.
func spots(rows, cols int) [][]float32 {
	grid := make([][]float32, rows)
	for r := range grid {
		grid[r] = make([]float32, cols)
	}
	grid[1][cols-2], grid[rows-2][1] = 0.6, 0.2
	return grid
}

// TestGolden holds the overlay to a picture that was looked at. A level of 255
// is left to other processors' rounding.
func TestGolden(t *testing.T) {
	data, err := heatmap.PNG(gradient(90, 60), spots(8, 8), heatmap.Options{Side: 120})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", "overlay.png")
	if *update {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, got := decode(t, golden), decode(t, data)
	if got.Bounds() != want.Bounds() || got.Bounds() != image.Rect(0, 0, 120, 80) {
		t.Fatalf("%v, want %v", got.Bounds(), want.Bounds())
	}
	for i := range got.Pix {
		if d := int(got.Pix[i]) - int(want.Pix[i]); d < -1 || d > 1 {
			t.Fatalf("byte %d is %d, want %d (run with -update if that is meant)", i, got.Pix[i], want.Pix[i])
		}
	}
}

func decode(t *testing.T, data []byte) *image.NRGBA {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	out := image.NewNRGBA(img.Bounds())
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			out.Set(x, y, img.At(x, y))
		}
	}
	return out
}

// TestHotAndCold: a hot place takes the colour of the scale's end, a cold one
// is the picture, darker, and the hottest point lies in the middle of its cell.
func TestHotAndCold(t *testing.T) {
	grey := image.NewNRGBA(image.Rect(0, 0, 64, 32))
	for i := range grey.Pix {
		grey.Pix[i] = 200
		if i%4 == 3 {
			grey.Pix[i] = 255
		}
	}
	grid := spots(4, 4)
	grid[2][1] = 0
	out, err := heatmap.Overlay(grey, grid, heatmap.Options{Side: 256})
	if err != nil {
		t.Fatal(err)
	}
	if out.Bounds() != image.Rect(0, 0, 256, 128) {
		t.Fatalf("%v", out.Bounds())
	}
	if c := out.NRGBAAt(10, 120); c != (color.NRGBA{70, 70, 70, 255}) {
		t.Errorf("a cold place is %v", c)
	}
	hot := out.NRGBAAt(2*64+32, 32+16)
	if hot.R < 210 || hot.G < 210 || hot.B > 120 {
		t.Errorf("the hot place is %v, want yellow", hot)
	}
	for _, p := range []image.Point{{64 + 32, 48}, {2*64 + 32, 16}} {
		if c := out.NRGBAAt(p.X, p.Y); c.R >= hot.R {
			t.Errorf("%v is %v, as hot as the peak %v", p, c, hot)
		}
	}
}

// TestOddGrids: no weight makes a broken picture, and scale does not matter.
func TestOddGrids(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	pic := gradient(20, 30)
	plain, err := heatmap.Overlay(pic, [][]float32{{0, 0}}, heatmap.Options{Side: 30})
	if err != nil {
		t.Fatal(err)
	}
	for name, grid := range map[string][][]float32{"NaN": {{nan, nan}}, "negative": {{-1, -2}}, "infinite": {{inf, 1}}} {
		got, err := heatmap.Overlay(pic, grid, heatmap.Options{Side: 30})
		if err != nil || !bytes.Equal(got.Pix, plain.Pix) {
			t.Errorf("%s: differs from a map of zeros (%v)", name, err)
		}
	}
	small, err1 := heatmap.PNG(pic, [][]float32{{1e-3, 2e-3}}, heatmap.Options{})
	large, err2 := heatmap.PNG(pic, [][]float32{{1, 2}}, heatmap.Options{})
	if err1 != nil || err2 != nil || !bytes.Equal(small, large) {
		t.Errorf("a thousandth of the weights makes another picture (%v, %v)", err1, err2)
	}
	if b := decode(t, small).Bounds(); b != image.Rect(0, 0, 512, heatmap.DefaultSide) {
		t.Errorf("size %v", b)
	}
}

func TestRefuses(t *testing.T) {
	pic, grid := gradient(4, 4), [][]float32{{1}}
	for name, test := range map[string]struct {
		picture image.Image
		grid    [][]float32
		side    int
		want    string
	}{
		"no rows":     {pic, nil, 0, "0 rows"},
		"no columns":  {pic, [][]float32{{}}, 0, "cells"},
		"ragged":      {pic, [][]float32{{1, 2}, {1}}, 0, "equal"},
		"huge grid":   {pic, make([][]float32, 1), 0, "cells"},
		"huge":        {pic, grid, 2049, "2048"},
		"negative":    {pic, grid, -1, "side"},
		"no picture":  {image.NewNRGBA(image.Rectangle{}), grid, 0, "no pixels"},
		"many a cell": {pic, [][]float32{make([]float32, 1<<14+1)}, 0, "cells"},
	} {
		if _, err := heatmap.PNG(test.picture, test.grid, heatmap.Options{Side: test.side}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestExtremeShapes: the shorter side never vanishes.
func TestExtremeShapes(t *testing.T) {
	for _, size := range []image.Point{{1, 1}, {3000, 1}, {1, 3000}} {
		out, err := heatmap.Overlay(image.NewNRGBA(image.Rectangle{Max: size}), spots(8, 8), heatmap.Options{})
		if err != nil || max(out.Bounds().Dx(), out.Bounds().Dy()) != heatmap.DefaultSide || out.Bounds().Empty() {
			t.Errorf("%v: %v (%v)", size, out.Bounds(), err)
		}
	}
}

func BenchmarkPNG(b *testing.B) {
	pic, grid := gradient(1000, 1000), spots(24, 24)
	for b.Loop() {
		if _, err := heatmap.PNG(pic, grid, heatmap.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
