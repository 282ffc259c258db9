package picture_test

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/disintegration/imaging"

	"sightline/encoder/picture"
)

// Every kind of picture becomes half as wide, upright and in its proportions,
// and looks as the whole one does when that is made smaller.
func TestShrink(t *testing.T) {
	files, err := os.ReadDir(filepath.Join("testdata", "pictures"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		data := readFile(t, "pictures", f.Name())
		whole, err := picture.Decode(data, picture.Limits{})
		if err != nil || whole.Rect.Dx() < 16 {
			continue // variants that are not read have their own tests
		}
		width := whole.Rect.Dx() / 2
		small, err := picture.Shrink(data, width, picture.Limits{})
		if err != nil {
			t.Errorf("%s: %v", f.Name(), err)
			continue
		}
		got, err := picture.Decode(small, picture.Limits{})
		if err != nil {
			t.Errorf("%s: cannot be read again: %v", f.Name(), err)
			continue
		}
		want, most := imaging.Resize(whole, width, 0, imaging.CatmullRom), 4.0
		if strings.HasPrefix(string(small), "\xff\xd8") {
			want, most = asJPEG(t, want), 0
		}
		// Transparency and white are mixed in another order there.
		if d := compare(t, got, want); got.Rect != want.Rect || d.mean > most {
			t.Errorf("%s: %v, want %v; differs by %v", f.Name(), got.Rect, want.Rect, d)
		}
	}
}

// asJPEG is what a JPEG of Shrink's quality leaves of a picture.
func asJPEG(t *testing.T, img image.Image) *image.NRGBA {
	t.Helper()
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, img, &jpeg.Options{Quality: 85}); err != nil {
		t.Fatal(err)
	}
	out, err := picture.Decode(buf.Bytes(), picture.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestShrinkNeverEnlarges(t *testing.T) {
	for _, name := range []string{"exif-1.jpg", "exif-6.jpg", "420.jpg", "lossy.webp"} {
		data := readFile(t, "pictures", name)
		whole, err := picture.Decode(data, picture.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		for _, width := range []int{whole.Rect.Dx(), whole.Rect.Dx() + 1} {
			if small, err := picture.Shrink(data, width, picture.Limits{}); err != nil || small != nil {
				t.Errorf("%s of %v at %d: %d bytes, %v", name, whole.Rect, width, len(small), err)
			}
		}
	}
}

func TestShrinkKeepsTransparency(t *testing.T) {
	var buf bytes.Buffer
	img := image.NewNRGBA(image.Rect(0, 0, 64, 32))
	for x := range 32 {
		for y := range 32 {
			img.SetNRGBA(x, y, color.NRGBA{200, 10, 10, 255})
		}
	}
	if err := png.Encode(&buf, img); err != nil {
		t.Fatal(err)
	}
	small, err := picture.Shrink(buf.Bytes(), 16, picture.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := png.Decode(bytes.NewReader(small))
	if err != nil {
		t.Fatalf("not a PNG: %v", err)
	}
	left, right := got.At(2, 4), got.At(13, 4)
	if _, _, _, a := left.RGBA(); a != 0xffff || color.NRGBAModel.Convert(left).(color.NRGBA) != (color.NRGBA{200, 10, 10, 255}) {
		t.Errorf("left %v", left)
	}
	if _, _, _, a := right.RGBA(); a != 0 {
		t.Errorf("right %v", right)
	}
	for _, name := range []string{"lossy-alpha.webp", "lossless-alpha.webp", "palette-trns.png", "la.png"} {
		data := readFile(t, "pictures", name)
		whole, err := picture.Decode(data, picture.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if small, err := picture.Shrink(data, max(1, whole.Rect.Dx()/2), picture.Limits{}); err != nil || !strings.HasPrefix(string(small), "\x89PNG") {
			t.Errorf("%s: %.4q, %v", name, small, err)
		}
	}
}

func TestShrinkRefuses(t *testing.T) {
	var wide bytes.Buffer
	if err := jpeg.Encode(&wide, image.NewGray(image.Rect(0, 0, 600, 8)), nil); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		data []byte
		lim  picture.Limits
	}{
		"no picture": {data: []byte("<svg>")}, "too wide": {wide.Bytes(), picture.Limits{Side: 500}}, "cut": {data: wide.Bytes()[:wide.Len()/2]},
	} {
		var bad *picture.Error
		if small, err := picture.Shrink(c.data, 100, c.lim); !errors.As(err, &bad) || small != nil {
			t.Errorf("%s: %d bytes, %v", name, len(small), err)
		}
	}
}

func BenchmarkShrink12MP(b *testing.B) {
	data := encodeJPEG(b, 4000, 3000)
	for b.Loop() {
		if _, err := picture.Shrink(data, 320, picture.Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}
