package picture_test

import (
	"bytes"
	"image"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"testing"

	"sightline/encoder/picture"
)

// photograph is a picture with the detail of a photograph: smooth colour, edges
// and noise of a few levels (12 megapixels take 1.9 MB as a JPEG of quality 90).
func photograph(w, h int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	rng := rand.New(rand.NewPCG(1, 2))
	for y := range h {
		for x := range w {
			p := img.Pix[y*img.Stride+4*x:][:4]
			n := uint8(rng.IntN(8))
			p[0], p[1], p[2], p[3] = uint8(x*240/w)+n, uint8(y*240/h)+n, uint8((x/97+y/61)%2*180)+n, 255
		}
	}
	return img
}

func benchmark(b *testing.B, data []byte) {
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := picture.Decode(data, picture.Limits{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode+resize", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			img, err := picture.Decode(data, picture.Limits{})
			if err != nil {
				b.Fatal(err)
			}
			picture.Resize(img, 384)
		}
	})
}

func encodeJPEG(b *testing.B, w, h int) []byte {
	b.Helper()
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, photograph(w, h), &jpeg.Options{Quality: 90}); err != nil {
		b.Fatal(err)
	}
	return buf.Bytes()
}

func BenchmarkJPEG12MP(b *testing.B) {
	data := encodeJPEG(b, 4000, 3000)
	b.Logf("%d bytes", len(data))
	b.Run("image_jpeg_alone", func(b *testing.B) {
		for b.Loop() {
			if _, err := jpeg.Decode(bytes.NewReader(data)); err != nil {
				b.Fatal(err)
			}
		}
	})
	benchmark(b, data)
}

func encodePNG(b *testing.B, img image.Image) []byte {
	b.Helper()
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		b.Fatal(err)
	}
	return buf.Bytes()
}

func BenchmarkPNG1MP(b *testing.B) { benchmark(b, encodePNG(b, photograph(1200, 833))) }

func BenchmarkWebP(b *testing.B) { benchmark(b, readFile(b, "pictures", "lossy.webp")) }

func BenchmarkNormalize384(b *testing.B) {
	img := photograph(384, 384)
	for b.Loop() {
		picture.Normalize(img, [3]float32{0.5, 0.5, 0.5}, [3]float32{0.25, 0.25, 0.25})
	}
}
