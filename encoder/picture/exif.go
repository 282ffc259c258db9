package picture

import (
	"bytes"
	"encoding/binary"
	"image"

	"github.com/disintegration/imaging"
)

// Orientation is read by the few lines below and not by a metadata library:
// one tag of one directory is wanted, from bytes already in memory. They
// allocate nothing, follow no chain of directories and visit each segment once.

// orientation is the EXIF orientation, 1 to 8, of an APP1 segment (JPEG), an
// eXIf chunk (PNG) or an EXIF chunk (WebP). Missing or damaged EXIF means 1
// (upright): it never fails a picture.
func orientation(format Format, data []byte) int {
	switch format {
	case FormatJPEG:
		return tiffOrientation(jpegEXIF(data))
	case FormatPNG:
		return tiffOrientation(pngEXIF(data))
	default:
		for id, body := range webpChunks(data) {
			if id == "EXIF" {
				return tiffOrientation(body)
			}
		}
		return 1
	}
}

const exifHeader = "Exif\x00\x00"

// jpegEXIF is the first EXIF segment before the first scan, without its header.
func jpegEXIF(data []byte) []byte {
	const app1, sos, eoi, tem, rst0 = 0xe1, 0xda, 0xd9, 0x01, 0xd0
	for i := 2; i+4 <= len(data); {
		marker := data[i+1]
		switch {
		case data[i] != 0xff || marker == sos || marker == eoi:
			return nil
		case marker == 0xff: // fill byte
			i++
			continue
		case marker == tem || marker&^7 == rst0: // no length follows
			i += 2
			continue
		}
		end := i + 2 + int(binary.BigEndian.Uint16(data[i+2:]))
		if end < i+4 || end > len(data) {
			return nil
		}
		if body := data[i+4 : end]; marker == app1 && bytes.HasPrefix(body, []byte(exifHeader)) {
			return body[len(exifHeader):]
		}
		i = end
	}
	return nil
}

// pngEXIF is the first eXIf chunk, which may stand before or after the pixels.
func pngEXIF(data []byte) []byte {
	for rest := data[len(pngMagic):]; len(rest) >= 12; {
		n := uint64(binary.BigEndian.Uint32(rest))
		if n > uint64(len(rest)-12) {
			return nil
		}
		if string(rest[4:8]) == "eXIf" {
			return rest[8 : 8+n]
		}
		rest = rest[12+n:]
	}
	return nil
}

// tiffOrientation looks for tag 0x0112 in the first directory of a TIFF
// structure (TIFF 6.0 §2; the entries are 12 bytes each).
func tiffOrientation(tiff []byte) int {
	tiff = bytes.TrimPrefix(tiff, []byte(exifHeader)) // some WebP and PNG writers leave it in
	const tag, short, long = 0x0112, 3, 4
	var order binary.ByteOrder = binary.LittleEndian
	switch {
	case bytes.HasPrefix(tiff, []byte("MM\x00*")):
		order = binary.BigEndian
	case !bytes.HasPrefix(tiff, []byte("II*\x00")):
		return 1
	}
	if len(tiff) < 8 || uint64(order.Uint32(tiff[4:]))+2 > uint64(len(tiff)) {
		return 1
	}
	dir := tiff[order.Uint32(tiff[4:]):]
	entries := dir[2:]
	for range order.Uint16(dir) {
		if len(entries) < 12 {
			return 1
		}
		if order.Uint16(entries) == tag {
			value := uint32(order.Uint16(entries[8:]))
			if order.Uint16(entries[2:]) == long {
				value = order.Uint32(entries[8:])
			} else if order.Uint16(entries[2:]) != short {
				return 1
			}
			if value < 1 || value > 8 {
				return 1
			}
			return int(value)
		}
		entries = entries[12:]
	}
	return 1
}

// upright undoes orientation o: the names are of the operation that makes the
// stored picture upright (imaging turns counter-clockwise).
func upright(img *image.NRGBA, o int) *image.NRGBA {
	switch o {
	case 2:
		return imaging.FlipH(img)
	case 3:
		return imaging.Rotate180(img)
	case 4:
		return imaging.FlipV(img)
	case 5:
		return imaging.Transpose(img)
	case 6:
		return imaging.Rotate270(img)
	case 7:
		return imaging.Transverse(img)
	case 8:
		return imaging.Rotate90(img)
	}
	return img
}
