package picture

import (
	"image"

	"github.com/disintegration/imaging"
)

// Resize scales img straight to size×size pixels, without keeping its
// proportions, as BLIP's preprocessing does. The filter is Catmull-Rom
// (a = −0.5), widened when shrinking, horizontal pass first, 8 bits between the
// passes: Pillow's BICUBIC within one level. Pillow 13 takes the vertical pass
// first where the height shrinks much more than the width (its pull request
// 9549); what the first pass clips then differs: on synthetic portraits with
// hard edges 8 to 21 levels at most, 0.08 on average. This keeps the order of
// Pillow 12 and before, with which the models were trained. Size must be at
// least 1. Beside the result it holds one picture of size × img's height.
func Resize(img *image.NRGBA, size int) *image.NRGBA {
	return imaging.Resize(img, size, size, imaging.CatmullRom)
}

// Normalize gives the floats of the vision tower, [3,H,W] with channels first:
// (v/255 − mean) / std per channel. The steps and their roundings are those of
// transformers' numpy path: v × (1/255) in float64, rounded to float32, then
// subtraction and division in float32. Alpha is not read.
func Normalize(img *image.NRGBA, mean, std [3]float32) []float32 {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	var table [3][256]float32
	const scale = 1.0 / 255
	for c := range table {
		for v := range table[c] {
			// The conversions keep Go from fusing the steps on platforms with FMA.
			table[c][v] = float32(float32(float32(float64(v)*scale)-mean[c]) / std[c])
		}
	}
	out := make([]float32, 3*w*h)
	red, green, blue := out[:w*h], out[w*h:2*w*h], out[2*w*h:]
	for y := range h {
		src := img.Pix[y*img.Stride:][:4*w]
		for x := range w {
			p := src[4*x : 4*x+4 : 4*x+4]
			red[y*w+x], green[y*w+x], blue[y*w+x] = table[0][p[0]], table[1][p[1]], table[2][p[2]]
		}
	}
	return out
}
