package picture_test

import (
	"errors"
	"image"
	"os"
	"testing"

	"sightline/encoder/picture"
)

func FuzzSniff(f *testing.F) {
	for _, s := range []string{
		"", "GIF89a", "\xff\xd8\xff\xe0", "\x89PNG\r\n\x1a\n", "RIFF\x00\x00\x00\x00WEBPVP8 ",
		"\x00\x00\x00\x14ftypmif1\x00\x00\x00\x00avif", "<svg", "%PDF-", "<html>", "text \xff",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		format, ok := picture.Sniff(data)
		if short, shortOK := picture.Sniff(data[:min(len(data), 12)]); short != format || shortOK != ok {
			t.Fatalf("12 bytes give %q, all give %q", short, format)
		}
		if ok {
			return
		}
		_, err := picture.Decode(data, picture.Limits{})
		var e *picture.Error
		if !errors.As(err, &e) || e.Msg == "" || e.Kind != picture.KindNotAPicture && e.Kind != picture.KindUnsupported {
			t.Fatalf("not one of our formats, but %v", err)
		}
	})
}

func FuzzDecode(f *testing.F) {
	entries, err := os.ReadDir("testdata/pictures")
	if err != nil {
		f.Fatal(err)
	}
	for _, entry := range entries {
		f.Add(readFile(f, "pictures", entry.Name()))
	}
	lim := picture.Limits{Bytes: 1 << 16, Pixels: 1 << 13, Side: 1 << 10} // small, for speed
	f.Fuzz(func(t *testing.T, data []byte) {
		img, err := picture.Decode(data, lim)
		if err != nil {
			var e *picture.Error
			if !errors.As(err, &e) || e.Msg == "" || img != nil {
				t.Fatalf("got %v and %v", img, err)
			}
			return
		}
		w, h := img.Rect.Dx(), img.Rect.Dy()
		if img.Rect.Min != (image.Point{}) || w < 1 || h < 1 || w > lim.Side || h > lim.Side || int64(w*h) > lim.Pixels {
			t.Fatalf("bounds %v", img.Rect)
		}
		if !img.Opaque() {
			t.Fatal("not opaque")
		}
		for _, v := range picture.Normalize(picture.Resize(img, 8), [3]float32{}, [3]float32{1, 1, 1}) {
			if !(v >= 0 && v <= 1) {
				t.Fatalf("pixel %v", v)
			}
		}
	})
}
