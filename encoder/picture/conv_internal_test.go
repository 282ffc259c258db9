package picture

import (
	"image"
	"testing"
)

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
