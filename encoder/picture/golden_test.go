package picture_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"sightline/encoder/picture"
)

// difference is how far two pictures of one size are apart, in levels of 0…255.
type difference struct {
	max  int
	mean float64
}

func (d difference) String() string { return fmt.Sprintf("max %3d mean %.4f", d.max, d.mean) }

func compare(t testing.TB, got, want image.Image) difference {
	t.Helper()
	if got.Bounds() != want.Bounds() {
		t.Fatalf("got %v, want %v", got.Bounds(), want.Bounds())
	}
	b := got.Bounds()
	var d difference
	var sum int
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			g := color.NRGBAModel.Convert(got.At(x, y)).(color.NRGBA)
			w := color.NRGBAModel.Convert(want.At(x, y)).(color.NRGBA)
			if g.A != 255 {
				t.Fatalf("pixel (%d,%d) is not opaque: %v", x, y, g)
			}
			for _, v := range [3]int{int(g.R) - int(w.R), int(g.G) - int(w.G), int(g.B) - int(w.B)} {
				v = max(v, -v)
				d.max = max(d.max, v)
				sum += v
			}
		}
	}
	d.mean = float64(sum) / float64(3*b.Dx()*b.Dy())
	return d
}

func readFile(t testing.TB, elem ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(append([]string{"testdata"}, elem...)...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func readExpected(t testing.TB, name string) image.Image {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(readFile(t, "expected", name)))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// bounds are the largest differences from Pillow that are let through, before
// and after resizing. Everything but the JPEG's inverse DCT is exact before
// resizing; imaging rounds in float64 where Pillow has 22-bit weights.
func bounds(name string) (full, resized difference) {
	switch {
	case name == "ycck.jpg": // Go's decoder repeats or converts the chroma itself
		return difference{2, 0.15}, difference{2, 0.15}
	case strings.HasSuffix(name, ".jpg"):
		return difference{3, 0.15}, difference{3, 0.15}
	}
	return difference{0, 0}, difference{1, 0.02}
}

// TestGolden compares with what Pillow made of the same files (see
// testdata/generate.py) and logs each difference.
func TestGolden(t *testing.T) {
	paths, err := filepath.Glob("testdata/expected/*.png")
	if err != nil || len(paths) < 80 {
		t.Fatalf("found %d expected pictures (%v), want at least 80", len(paths), err)
	}
	for _, path := range paths {
		base := strings.TrimSuffix(filepath.Base(path), ".png")
		name, size := strings.TrimSuffix(base, filepath.Ext(base)), strings.TrimPrefix(filepath.Ext(base), ".")
		t.Run(base, func(t *testing.T) {
			got, err := picture.Decode(readFile(t, "pictures", name), picture.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			limit, resized := bounds(name)
			if size != "full" {
				side, err := strconv.Atoi(size)
				if err != nil {
					t.Fatal(err)
				}
				got, limit = picture.Resize(got, side), resized
			}
			d := compare(t, got, readExpected(t, filepath.Base(path)))
			t.Logf("%v", d)
			if d.max > limit.max || d.mean > limit.mean {
				t.Errorf("%v, want at most %v", d, limit)
			}
		})
	}
}

// TestChromaBeforeAndAfter shows what interpolating is for: the distance from
// Pillow with image/jpeg's own repeated chroma samples, and with ours.
func TestChromaBeforeAndAfter(t *testing.T) {
	for _, name := range []string{
		"420.jpg", "420-odd.jpg", "420-saturated.jpg", "420-progressive.jpg",
		"422.jpg", "422-odd.jpg", "422-saturated.jpg", "440.jpg", "440-odd.jpg", "411.jpg",
		"444.jpg", "444-odd.jpg", "444-saturated.jpg",
	} {
		t.Run(name, func(t *testing.T) {
			data, want := readFile(t, "pictures", name), readExpected(t, name+".full.png")
			stock, err := jpeg.Decode(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			ours, err := picture.Decode(data, picture.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			before, after := compare(t, stock, want), compare(t, ours, want)
			t.Logf("image/jpeg alone: %v   here: %v", before, after)
			if after.mean > before.mean || after.max > before.max {
				t.Errorf("farther from Pillow than image/jpeg alone")
			}
			interpolated := strings.HasPrefix(name, "42") || strings.HasPrefix(name, "440")
			if interpolated && before.max < 10*after.max {
				t.Errorf("the picture shows no chroma edge: it proves nothing")
			}
		})
	}
}
