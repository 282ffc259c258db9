package convert

import "math"

// interpolatePositions resamples a position embedding [1+from·from, width] to
// [1+to·to, width]: the class row is kept, the rest is a square grid resized as
// torch.nn.functional.interpolate(mode="bicubic", align_corners=False) does,
// with a = −0.75, edges repeated and no antialiasing (BLIP models/vit.py,
// interpolate_pos_embed).
func interpolatePositions(x []float32, from, to, width int) []float32 {
	out := make([]float32, (1+to*to)*width)
	copy(out, x[:width])
	grid := x[width:]
	taps := make([]tap, to)
	for i := range taps {
		taps[i] = bicubicTap(i, from, to)
	}
	for row := range to {
		for col := range to {
			dst := out[(1+row*to+col)*width:][:width]
			blend(dst, grid, from, taps[row], taps[col])
		}
	}
	return out
}

// tap is the four source positions of one output position and their weights.
type tap struct {
	at     [4]int
	weight [4]float64
}

func bicubicTap(i, from, to int) tap {
	center := (float64(i)+0.5)*float64(from)/float64(to) - 0.5
	base := math.Floor(center)
	t := center - base
	var out tap
	for k := range 4 {
		out.at[k] = min(max(int(base)+k-1, 0), from-1)
		out.weight[k] = cubic(math.Abs(t - float64(k-1)))
	}
	return out
}

// cubic is the convolution kernel of Keys with torch's a = −0.75 (Pillow's is
// −0.5).
func cubic(d float64) float64 {
	const a = -0.75
	switch {
	case d <= 1:
		return ((a+2)*d-(a+3))*d*d + 1
	case d < 2:
		return ((a*d-5*a)*d+8*a)*d - 4*a
	}
	return 0
}

func blend(dst, grid []float32, side int, rows, cols tap) {
	for c := range dst {
		var sum float64
		for r, row := range rows.at {
			var line float64
			for k, col := range cols.at {
				line += cols.weight[k] * float64(grid[(row*side+col)*len(dst)+c])
			}
			sum += rows.weight[r] * line
		}
		dst[c] = float32(sum)
	}
}
