package picture

import (
	"image"
	"image/color"
	"testing"
)

// A palette index past the palette would panic inside imaging's goroutine, so
// it must be stopped here. Go's PNG decoder pads palettes; this does not rely
// on it.
func TestPaletteIndexOutOfRange(t *testing.T) {
	m := image.NewPaletted(image.Rect(0, 0, 2, 1), color.Palette{color.White, color.NRGBA{R: 200, A: 128}})
	m.Pix[1] = 1
	img, err := flat(FormatPNG, m)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := img.NRGBAAt(1, 0), (color.NRGBA{R: 227, G: 127, B: 127, A: 255}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	m.Pix[1] = 2
	if img, err := flat(FormatPNG, m); err == nil {
		t.Errorf("got %v, want an error", img.Pix)
	}
}

func TestUnexpectedLayout(t *testing.T) {
	if _, err := flat(FormatPNG, image.NewAlpha(image.Rect(0, 0, 1, 1))); err == nil {
		t.Error("want an error")
	}
}

// TestChromaRows is jdsample.c worked by hand on small planes.
func TestChromaRows(t *testing.T) {
	tests := []struct {
		name      string
		got, want []uint8
	}{
		{"h2v1", widen(make([]uint8, 6), []uint8{0, 255, 10}), []uint8{0, 64, 191, 194, 71, 10}},
		{"h1v2 above", mixRows(make([]uint8, 2), []uint8{1, 255}, []uint8{0, 0}, 1), []uint8{1, 191}},
		{"h1v2 below", mixRows(make([]uint8, 2), []uint8{1, 254}, []uint8{3, 0}, 2), []uint8{2, 191}},
		{"h2v2 libjpeg", widenBoth(make([]uint8, 6), []uint8{0, 255, 10}, []uint8{8, 0, 255}, 7), []uint8{2, 49, 144, 161, 101, 71}},
		{"h2v2 one column", widenBoth(make([]uint8, 2), []uint8{10}, []uint8{20}, 8), []uint8{13, 13}},
		{"box", repeat(make([]uint8, 8), []uint8{3, 4}, 4), []uint8{3, 3, 3, 3, 4, 4, 4, 4}},
	}
	for _, test := range tests {
		if string(test.got) != string(test.want) {
			t.Errorf("%s: got %v, want %v", test.name, test.got, test.want)
		}
	}
}

func TestTiffOrientation(t *testing.T) {
	entry := func(tag, kind, value string) string { return tag + kind + "\x01\x00\x00\x00" + value }
	little := "II*\x00\x08\x00\x00\x00"
	tests := []struct {
		name, tiff string
		want       int
	}{
		{"short", little + "\x01\x00" + entry("\x12\x01", "\x03\x00", "\x06\x00\x00\x00"), 6},
		{"long", little + "\x01\x00" + entry("\x12\x01", "\x04\x00", "\x08\x00\x00\x00"), 8},
		{"behind the header of APP1", exifHeader + little + "\x01\x00" + entry("\x12\x01", "\x03\x00", "\x03\x00\x00\x00"), 3},
		{"second entry", little + "\x02\x00" + entry("\x0f\x01", "\x03\x00", "\x05\x00\x00\x00") + entry("\x12\x01", "\x03\x00", "\x02\x00\x00\x00"), 2},
		{"nine", little + "\x01\x00" + entry("\x12\x01", "\x03\x00", "\x09\x00\x00\x00"), 1},
		{"text", little + "\x01\x00" + entry("\x12\x01", "\x02\x00", "\x06\x00\x00\x00"), 1},
		{"no entries", little + "\x00\x00", 1},
		{"cut", little + "\xff\xff" + "\x12\x01\x03\x00", 1},
		{"directory outside", "II*\x00\xff\xff\xff\xff\x01\x00", 1},
		{"nothing", "", 1},
		{"neither order", "XX*\x00\x08\x00\x00\x00", 1},
	}
	for _, test := range tests {
		if got := tiffOrientation([]byte(test.tiff)); got != test.want {
			t.Errorf("%s: got %d, want %d", test.name, got, test.want)
		}
	}
}

// BenchmarkConvert12MP is the conversion of the planes alone, by chroma ratio.
func BenchmarkConvert12MP(b *testing.B) {
	for _, ratio := range []image.YCbCrSubsampleRatio{image.YCbCrSubsampleRatio420, image.YCbCrSubsampleRatio444} {
		m := image.NewYCbCr(image.Rect(0, 0, 4000, 3000), ratio)
		for i := range m.Y {
			m.Y[i] = uint8(i * 7)
		}
		for i := range m.Cb {
			m.Cb[i], m.Cr[i] = uint8(i*3), uint8(i*5)
		}
		b.Run(ratio.String(), func(b *testing.B) {
			for b.Loop() {
				fromJPEG(m)
			}
		})
	}
}
