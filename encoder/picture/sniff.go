package picture

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// Format is a picture format that Decode reads.
type Format string

// The formats that Decode reads.
const (
	FormatJPEG Format = "jpeg"
	FormatPNG  Format = "png"
	FormatWebP Format = "webp"
)

const pngMagic = "\x89PNG\r\n\x1a\n"

// Sniff tells the format from the first bytes of a file; 12 are enough. False
// means a format that Decode does not read. File names and declared content
// types are never asked: both come from the same untrusted hand.
func Sniff(head []byte) (Format, bool) {
	switch {
	case bytes.HasPrefix(head, []byte("\xff\xd8\xff")):
		return FormatJPEG, true
	case bytes.HasPrefix(head, []byte(pngMagic)):
		return FormatPNG, true
	case len(head) >= 12 && string(head[:4]) == "RIFF" && string(head[8:12]) == "WEBP":
		return FormatWebP, true
	}
	return "", false
}

const convertHint = "convert it to JPEG, PNG or WebP"

// refusal names what bytes that are none of our formats look like.
func refusal(data []byte) *Error {
	if len(data) == 0 {
		return &Error{Kind: KindNotAPicture, Msg: "the file is empty; send a JPEG, PNG or WebP picture"}
	}
	head := data[:min(len(data), 1024)]
	if what, ok := pictureFormat(head); ok {
		return &Error{Kind: KindUnsupported, Msg: "this is " + what + "; " + convertHint}
	}
	what, advice := document(head)
	return &Error{Kind: KindNotAPicture, Msg: "this is " + what + ", not a picture; " + advice}
}

// pictureFormat names picture formats that are known but not read.
func pictureFormat(head []byte) (string, bool) {
	magics := []struct{ magic, what string }{
		{"GIF87a", "a GIF"},
		{"GIF89a", "a GIF"},
		{"II*\x00", "a TIFF or camera raw file"},
		{"MM\x00*", "a TIFF or camera raw file"},
		{"II+\x00", "a BigTIFF"},
		{"MM\x00+", "a BigTIFF"},
		{"\x00\x00\x00\x0cJXL ", "a JPEG XL"},
		{"\xff\x0a", "a JPEG XL"},
		{"\x00\x00\x00\x0cjP  ", "a JPEG 2000"},
		{"\xff\x4f\xff\x51", "a JPEG 2000"},
		{"\x00\x00\x01\x00", "an ICO"},
		{"8BPS", "a Photoshop file"},
	}
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.magic)) {
			return m.what, true
		}
	}
	// "BM" alone also starts plain text; BMP has four reserved zero bytes at 6.
	if bytes.HasPrefix(head, []byte("BM")) && len(head) >= 10 && string(head[6:10]) == "\x00\x00\x00\x00" {
		return "a BMP", true
	}
	if bytes.Contains(bytes.ToLower(head), []byte("<svg")) && isText(head) {
		return "an SVG drawing", true
	}
	return isoPicture(head)
}

// isoPicture reads the brands of an ISO base media file (ISO/IEC 14496-12
// "ftyp"). HEIF brands are looked for last: AVIF files carry "mif1" as well.
func isoPicture(head []byte) (string, bool) {
	if len(head) < 12 || string(head[4:8]) != "ftyp" {
		return "", false
	}
	size := int(head[0])<<24 | int(head[1])<<16 | int(head[2])<<8 | int(head[3])
	brands := string(head[8:min(max(size, 12), len(head))])
	for _, known := range []struct{ brands, what string }{
		{"avif avis", "an AVIF"},
		{"heic heix heim heis hevc hevx mif1 msf1", "a HEIC"},
	} {
		for brand := range strings.FieldsSeq(known.brands) {
			if strings.Contains(brands, brand) {
				return known.what, true
			}
		}
	}
	return "", false
}

// document names what is no picture at all, and says what to do about it.
func document(head []byte) (what, advice string) {
	const send = "send a JPEG, PNG or WebP picture"
	if bytes.HasPrefix(head, []byte("%PDF-")) {
		return "a PDF document", "save the page as JPEG, PNG or WebP"
	}
	if !isText(head) {
		return "data of an unknown kind", send
	}
	lower := bytes.ToLower(bytes.TrimLeft(head, "\xef\xbb\xbf \t\r\n"))
	for _, tag := range []string{"<!doctype html", "<html", "<head", "<body"} {
		if bytes.HasPrefix(lower, []byte(tag)) {
			return "an HTML page", "give the address of the picture itself (JPEG, PNG or WebP)"
		}
	}
	return "text", send
}

// isText reports whether head is UTF-8 without control characters. A rune that
// the cut at 1,024 bytes splits does not count against it.
func isText(head []byte) bool {
	for i := 0; i < len(head); {
		r, n := utf8.DecodeRune(head[i:])
		if r == utf8.RuneError && n == 1 && utf8.FullRune(head[i:]) {
			return false
		}
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' && r != '\f' {
			return false
		}
		i += n
	}
	return true
}
