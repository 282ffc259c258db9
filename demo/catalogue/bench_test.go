package catalogue_test

import (
	"bytes"
	"image"
	"image/png"
	"testing"

	"sightline/demo/catalogue"
)

// BenchmarkPicture draws and encodes pictures of a test catalogue on one core.
// The aim is 200 a second at 96 px.
func BenchmarkPicture(b *testing.B) {
	r, err := catalogue.NewRenderer(96)
	if err != nil {
		b.Fatal(err)
	}
	pictures := catalogue.NewWorld().Plan(catalogue.Test, 500, 1)
	img := image.NewNRGBA(image.Rect(0, 0, 96, 96))
	encoder := png.Encoder{CompressionLevel: png.BestSpeed}
	var out bytes.Buffer
	i := 0
	for b.Loop() {
		p := pictures[i%len(pictures)]
		pix := r.Draw(p.Record, p.Seed)
		for k := 0; k*3 < len(pix); k++ {
			copy(img.Pix[4*k:], pix[3*k:3*k+3])
			img.Pix[4*k+3] = 255
		}
		out.Reset()
		if err := encoder.Encode(&out, img); err != nil {
			b.Fatal(err)
		}
		i++
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pictures/s")
}

// BenchmarkCaptions writes what training reads for one picture: 8 captions
// with 4 negatives each.
func BenchmarkCaptions(b *testing.B) {
	w := catalogue.NewWorld()
	pictures := w.Plan(catalogue.Train, 500, 1)
	i := 0
	for b.Loop() {
		w.Captions(catalogue.Train, pictures[i%len(pictures)], 8, 4)
		i++
	}
}
