package picture_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"math"
	"runtime"
	"strings"
	"sync"
	"testing"

	"sightline/encoder/picture"
)

// refused asserts that data is refused with the kind and a message for users.
func refused(t *testing.T, data []byte, lim picture.Limits, kind picture.Kind, msg string) {
	t.Helper()
	img, err := picture.Decode(data, lim)
	var e *picture.Error
	if img != nil || !errors.As(err, &e) {
		t.Fatalf("got %v, %v, want an *Error and no picture", img, err)
	}
	if e.Kind != kind || !strings.Contains(e.Msg, msg) {
		t.Errorf("got %s %q, want %s with %q", e.Kind, e.Msg, kind, msg)
	}
	if e.Err != nil && (strings.Contains(e.Msg, e.Err.Error()) || !errors.Is(err, e.Err)) {
		t.Errorf("the cause must be wrapped and not shown to users: %v", e)
	}
}

func TestRefusesWhatItDoesNotRead(t *testing.T) {
	ftyp := func(brands string) string {
		return string(binary.BigEndian.AppendUint32(nil, uint32(8+len(brands)))) + "ftyp" + brands
	}
	tests := []struct {
		name, data string
		kind       picture.Kind
		msg        string
	}{
		{"empty", "", picture.KindNotAPicture, "empty"},
		{"gif", "GIF89a\x01\x00\x01\x00", picture.KindUnsupported, "a GIF; convert it to JPEG, PNG or WebP"},
		{"bmp", "BM\x46\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00", picture.KindUnsupported, "a BMP; convert"},
		{"tiff little-endian", "II*\x00\x08\x00\x00\x00", picture.KindUnsupported, "a TIFF"},
		{"tiff big-endian", "MM\x00*\x00\x00\x00\x08", picture.KindUnsupported, "a TIFF"},
		{"avif", ftyp("avif\x00\x00\x00\x00avifmif1miaf"), picture.KindUnsupported, "an AVIF; convert"},
		{"avif by a compatible brand", ftyp("mif1\x00\x00\x00\x00mif1avif"), picture.KindUnsupported, "an AVIF"},
		{"heic", ftyp("heic\x00\x00\x00\x00mif1heic"), picture.KindUnsupported, "a HEIC; convert"},
		{"video", ftyp("isom\x00\x00\x02\x00isomiso2mp41"), picture.KindNotAPicture, "unknown kind"},
		{"jpeg xl", "\xff\x0a\xfa\x1f", picture.KindUnsupported, "a JPEG XL"},
		{"svg", "<?xml version=\"1.0\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\"/>", picture.KindUnsupported, "an SVG"},
		{"pdf", "%PDF-1.7\n%\xe2\xe3\xcf\xd3", picture.KindNotAPicture, "a PDF document"},
		{"html", " \n<!DOCTYPE html><html><body>Not found</body></html>", picture.KindNotAPicture, "an HTML page"},
		{"text", "Bmw, très belle", picture.KindNotAPicture, "text, not a picture"},
		{"text cut inside a letter", strings.Repeat("a", 1023) + "é", picture.KindNotAPicture, "text"},
		{"noise", "\x01\x02\x03\xfe\xff", picture.KindNotAPicture, "unknown kind"},
		{"other riff", "RIFF\x24\x00\x00\x00WAVEfmt ", picture.KindNotAPicture, "unknown kind"},
		{"first bytes of a jpeg", "\xff\xd8\xff", picture.KindBroken, "the JPEG is damaged"},
		{"first bytes of a png", "\x89PNG\r\n\x1a\n", picture.KindBroken, "the PNG is damaged"},
		{"first bytes of a webp", "RIFF\x24\x00\x00\x00WEBP", picture.KindBroken, "the WebP is damaged"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			refused(t, []byte(test.data), picture.Limits{}, test.kind, test.msg)
		})
	}
}

func TestRefusesAnimatedWebP(t *testing.T) {
	refused(t, readFile(t, "animated.webp"), picture.Limits{}, picture.KindUnsupported, "animated WebP; save one frame")
}

// TestRefusesEveryCut cuts a file of each layout at many places: a part is
// never taken for the whole.
func TestRefusesEveryCut(t *testing.T) {
	for _, name := range []string{
		"420-progressive.jpg", "420-odd.jpg", "cmyk.jpg", "exif-6.jpg", "grey.jpg",
		"palette-trns.png", "rgb16.png", "interlaced.png", "lossy-odd.webp", "lossy-alpha.webp", "lossless.webp",
	} {
		t.Run(name, func(t *testing.T) {
			data := readFile(t, "pictures", name)
			// The last bytes are end markers, padding or EXIF, which no pixel needs.
			for n := 12; n < len(data)*9/10; n += 1 + len(data)/97 {
				refused(t, data[:n], picture.Limits{}, picture.KindBroken, "damaged or cut short")
			}
		})
	}
}

func TestLimits(t *testing.T) {
	data := readFile(t, "pictures", "rgb.png") // 67×48
	size := int64(len(data))
	tests := []struct {
		name string
		lim  picture.Limits
		msg  string // "" for accepted
	}{
		{"defaults", picture.Limits{}, ""},
		{"exactly", picture.Limits{Bytes: size, Pixels: 67 * 48, Side: 67}, ""},
		{"bytes", picture.Limits{Bytes: size - 1}, "more than the limit"},
		{"pixels", picture.Limits{Pixels: 67*48 - 1}, "67×48 pixels; the limits are 16384 pixels a side"},
		{"side", picture.Limits{Side: 66}, "66 pixels a side and 40 megapixels"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.msg != "" {
				refused(t, data, test.lim, picture.KindTooLarge, test.msg)
			} else if _, err := picture.Decode(data, test.lim); err != nil {
				t.Error(err)
			}
		})
	}
}

// pngHeader is a PNG of RGBA with the given dimensions and no pixels.
func pngHeader(w, h uint32) []byte {
	ihdr := binary.BigEndian.AppendUint32([]byte("IHDR"), w)
	ihdr = append(binary.BigEndian.AppendUint32(ihdr, h), 8, 6, 0, 0, 0)
	data := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), ihdr...)
	data = binary.BigEndian.AppendUint32(data, crc32.ChecksumIEEE(ihdr))
	return append(data, "\x00\x00\x00\x00IDAT\x35\xaf\x06\x1e"...)
}

// jpegHeader claims a size in the frame header of a real file, whose luma
// planes would take w×h bytes.
func jpegHeader(t *testing.T, w, h uint16) []byte {
	data := bytes.Clone(readFile(t, "pictures", "420-progressive.jpg"))
	frame := bytes.Index(data, []byte("\xff\xc2"))
	binary.BigEndian.PutUint16(data[frame+5:], h)
	binary.BigEndian.PutUint16(data[frame+7:], w)
	return data
}

func TestRefusesBombsWithoutAllocating(t *testing.T) {
	scans := readFile(t, "pictures", "420-progressive.jpg")
	scans = append(bytes.Clone(scans), bytes.Repeat([]byte("\xff\xda"), 101)...)
	tests := []struct {
		name string
		data []byte
		kind picture.Kind
		msg  string
	}{
		{"900 megapixels", pngHeader(30000, 30000), picture.KindTooLarge, "30000×30000 pixels"},
		{"long side", pngHeader(1, 20000), picture.KindTooLarge, "16384 pixels a side"},
		{"no width", pngHeader(0, 10), picture.KindBroken, "damaged"},
		{"png too short for its size", pngHeader(6000, 6000), picture.KindBroken, "cut short"},
		{"jpeg too large", jpegHeader(t, 16000, 16000), picture.KindTooLarge, "16000×16000"},
		{"jpeg too short for its size", jpegHeader(t, 6000, 6000), picture.KindBroken, "cut short"},
		{"jpeg of many scans", scans, picture.KindTooLarge, "more than 100 scans"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			refused(t, test.data, picture.Limits{}, test.kind, test.msg)
			runtime.ReadMemStats(&after)
			if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
				t.Errorf("allocated %d bytes before refusing", n)
			}
		})
	}
}

// TestBrokenEXIFNeverFails damages each byte of the EXIF segment in turn; the
// picture stays readable, upright or turned.
func TestBrokenEXIFNeverFails(t *testing.T) {
	data := readFile(t, "pictures", "exif-6.jpg")
	at := bytes.Index(data, []byte("Exif\x00\x00"))
	if at < 0 {
		t.Fatal("no EXIF in the test picture")
	}
	end := at - 2 + int(binary.BigEndian.Uint16(data[at-2:]))
	for i := at; i < end; i++ {
		for _, v := range []byte{0x00, 0xff, 0x7f} {
			bad := bytes.Clone(data)
			bad[i] = v
			img, err := picture.Decode(bad, picture.Limits{})
			if err != nil {
				t.Fatalf("byte %d = %#x: %v", i, v, err)
			}
			if s := img.Rect.Size(); s != image.Pt(29, 18) && s != image.Pt(18, 29) {
				t.Fatalf("byte %d = %#x: %v", i, v, s)
			}
		}
	}
}

func TestUnsupportedVariants(t *testing.T) {
	data := bytes.Clone(readFile(t, "pictures", "420-odd.jpg"))
	data[bytes.Index(data, []byte("\xff\xc0"))+1] = 0xc9 // arithmetic coding
	refused(t, data, picture.Limits{}, picture.KindUnsupported, "this variant of JPEG is not read")
}

// TestDecodeIsPure decodes one buffer from several goroutines (for the race
// detector) and looks for changes to it.
func TestDecodeIsPure(t *testing.T) {
	data := readFile(t, "pictures", "lossy-alpha.webp")
	kept := bytes.Clone(data)
	results := make([]*image.NRGBA, 4)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() {
			img, err := picture.Decode(data, picture.Limits{})
			if err != nil {
				t.Error(err)
				return
			}
			results[i] = picture.Resize(img, 32)
		})
	}
	wg.Wait()
	for _, r := range results[1:] {
		if r == nil || !bytes.Equal(r.Pix, results[0].Pix) {
			t.Fatal("results differ")
		}
	}
	if !bytes.Equal(data, kept) {
		t.Error("Decode changed its input")
	}
}

// TestNormalize holds numpy's float32 bits for CLIP's mean and deviation:
// ((v*(1/255)).astype(float32) - mean) / std.
func TestNormalize(t *testing.T) {
	mean := [3]float32{0.48145466, 0.4578275, 0.40821073}
	std := [3]float32{0.26862954, 0.26130258, 0.27577711}
	tests := []struct {
		v    uint8
		want [3]uint32
	}{
		{0, [3]uint32{0xbfe568dc, 0xbfe044b8, 0xbfbd77d8}},
		{1, [3]uint32{0xbfe38a7f, 0xbfde58f1, 0xbfbba5e1}},
		{64, [3]uint32{0xbf5ba37a, 0xbf4aa64a, 0xbf11f467}},
		{127, [3]uint32{0x3d7ce092, 0x3e1d9531, 0x3ea6c5e6}},
		{128, [3]uint32{0x3d9c5620, 0x3e2cf36b, 0x3eae0dc4}},
		{201, [3]uint32{0x3f922dc0, 0x3fa1d9f7, 0x3fb062bf}},
		{254, [3]uint32{0x3ff536e5, 0x4003d502, 0x40086d66}},
		{255, [3]uint32{0x3ff71541, 0x4004cae5, 0x40095660}},
	}
	img := image.NewNRGBA(image.Rect(0, 0, len(tests), 2))
	for x, test := range tests {
		img.SetNRGBA(x, 1, color.NRGBA{R: test.v, G: test.v, B: test.v, A: 255})
	}
	out := picture.Normalize(img, mean, std)
	if len(out) != 3*2*len(tests) {
		t.Fatalf("got %d floats", len(out))
	}
	for x, test := range tests {
		for c := range 3 {
			got := out[c*2*len(tests)+len(tests)+x]
			if math.Float32bits(got) != test.want[c] {
				t.Errorf("value %d channel %d: got %v, want %v", test.v, c, got, math.Float32frombits(test.want[c]))
			}
		}
	}
}

func TestResizeKeepsAPlainColour(t *testing.T) {
	for _, size := range []image.Point{{1, 1}, {1, 500}, {333, 2}, {97, 96}, {96, 96}} {
		img := image.NewNRGBA(image.Rectangle{Max: size})
		for i := range img.Pix {
			img.Pix[i] = [4]uint8{255, 0, 137, 255}[i%4]
		}
		small := picture.Resize(img, 96)
		if small.Rect != image.Rect(0, 0, 96, 96) {
			t.Fatalf("%v: got %v", size, small.Rect)
		}
		for i, v := range small.Pix {
			if v != img.Pix[i%4] {
				t.Fatalf("%v: sample %d is %d", size, i, v)
			}
		}
	}
}

func TestSniff(t *testing.T) {
	for name, want := range map[string]picture.Format{
		"420.jpg": picture.FormatJPEG, "rgb.png": picture.FormatPNG, "lossy.webp": picture.FormatWebP,
	} {
		if got, ok := picture.Sniff(readFile(t, "pictures", name)[:12]); !ok || got != want {
			t.Errorf("%s: got %q %v", name, got, ok)
		}
	}
	for _, head := range []string{"", "\xff\xd8", "\x89PNG", "RIFF\x00\x00\x00\x00WEB", "GIF89a"} {
		if got, ok := picture.Sniff([]byte(head)); ok {
			t.Errorf("%q: got %q", head, got)
		}
	}
}
