package features

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"sightline/store"
)

// A segment file is fileMagic and then records, each a header of headerSize
// bytes and its payload. All numbers are little-endian.
//
//	 0  4  recordMagic
//	 4  1  form
//	 5  3  zero
//	 8  4  tokens
//	12  4  width
//	16  4  payload CRC-32C
//	20 32  key
//	52  4  tokens of the picture in form 4, else zero
//	56  4  zero
//	60  4  CRC-32C of bytes 0 to 59
//
// The payload's length follows from form and sizes. Of several records
// of one key the last counts; form 3 says that none does. The header has a
// checksum of its own so that opening reads 64 bytes a record, not 443 KB.
const (
	fileMagic   = "SLFEATS\x01"
	recordMagic = "SLR\xfa"
	headerSize  = 64
	headerSum   = headerSize - 4
)

// key is the sha256 of a picture.
type key [32]byte

// parseKey reads the 64 hex digits that name a picture.
func parseKey(text string) (k key, err error) {
	if n, err := hex.Decode(k[:], []byte(text[:min(len(text), 64)])); err != nil || n != len(k) || len(text) != 64 {
		return key{}, fmt.Errorf("%w picture key %q: want 64 hex digits", store.ErrInvalid, text)
	}
	return k, nil
}

func (k key) String() string { return hex.EncodeToString(k[:]) }

// short is enough of a key for bookkeeping where mistaking one picture of many
// millions for another costs nothing but space or order.
func (k key) short() uint64 { return binary.LittleEndian.Uint64(k[24:]) }

type header struct {
	form form
	sizes

	sum uint32 // of the payload
	key key
}

// put writes h into the first headerSize bytes of out.
func (h header) put(out []byte) {
	clear(out[:headerSize])
	copy(out, recordMagic)
	out[4] = byte(h.form)
	binary.LittleEndian.PutUint32(out[8:], h.tokens)
	binary.LittleEndian.PutUint32(out[12:], h.width)
	binary.LittleEndian.PutUint32(out[16:], h.sum)
	copy(out[20:], h.key[:])
	binary.LittleEndian.PutUint32(out[52:], h.of)
	binary.LittleEndian.PutUint32(out[headerSum:], crc32.Checksum(out[:headerSum], castagnoli()))
}

// parseHeader reports false for anything that put did not write.
func parseHeader(b []byte) (header, bool) {
	if string(b[:4]) != recordMagic || binary.LittleEndian.Uint32(b[headerSum:]) != crc32.Checksum(b[:headerSum], castagnoli()) {
		return header{}, false
	}
	h := header{
		form: form(b[4]),
		sizes: sizes{
			tokens: binary.LittleEndian.Uint32(b[8:]),
			width:  binary.LittleEndian.Uint32(b[12:]),
			of:     binary.LittleEndian.Uint32(b[52:]),
		},
		sum: binary.LittleEndian.Uint32(b[16:]),
		key: key(b[20:52]),
	}
	return h, h.payload() >= 0
}

// payload returns the bytes that follow the header, -1 for impossible sizes.
func (h header) payload() int64 { return h.sizes.payload(h.form) }

// found is a record that a scan met; at is where its header begins.
type found struct {
	header
	at int64
}

// survey is what a scan of one segment found.
type survey struct {
	records []found
	end     int64 // behind the last whole record; what follows was cut short by a crash
	skipped int64 // damaged bytes between records
}

// scanSegment lists the records of a segment of size bytes. It reads headers
// only, except behind a damaged one, where it looks for the next.
func scanSegment(r io.ReaderAt, size int64) (survey, error) {
	s := survey{end: int64(len(fileMagic))}
	magic := make([]byte, len(fileMagic))
	if _, err := r.ReadAt(magic, 0); err != nil && !errors.Is(err, io.EOF) {
		return survey{}, fmt.Errorf("read segment: %w", err)
	}
	if string(magic) != fileMagic {
		return survey{}, errors.New("not a patch-state segment; delete the file, its content is computed again")
	}
	for at := s.end; ; {
		h, start, err := nextHeader(r, at, size)
		if err != nil {
			return survey{}, err
		}
		end := start + h.bytes()
		if start < 0 || end > size {
			return s, nil
		}
		s.skipped += start - at
		s.records = append(s.records, found{header: h, at: start})
		s.end, at = end, end
	}
}

// nextHeader returns the first valid header at or behind from, and -1 when
// there is none. It normally succeeds with the first 64 bytes.
func nextHeader(r io.ReaderAt, from, size int64) (header, int64, error) {
	window := make([]byte, headerSize)
	for at := from; at+headerSize <= size; {
		n, err := r.ReadAt(window[:min(int64(len(window)), size-at)], at)
		if err != nil && !errors.Is(err, io.EOF) {
			return header{}, 0, fmt.Errorf("read segment: %w", err)
		}
		if n < headerSize {
			break // the file shrank
		}
		if h, offset := findHeader(window[:n]); offset >= 0 {
			return h, at + int64(offset), nil
		}
		at += int64(n - headerSize + 1) // a header may begin in the last 63 bytes
		if len(window) == headerSize {
			window = make([]byte, 1<<18)
		}
	}
	return header{}, -1, nil
}

// findHeader returns the first valid header that lies wholly in window.
func findHeader(window []byte) (header, int) {
	for offset := 0; offset+headerSize <= len(window); {
		step := bytes.Index(window[offset:], []byte(recordMagic))
		if step < 0 || offset+step+headerSize > len(window) {
			break
		}
		offset += step
		if h, ok := parseHeader(window[offset:]); ok {
			return h, offset
		}
		offset++
	}
	return header{}, -1
}

// errDamaged marks a record whose bytes are not those that were written.
var errDamaged = errors.New("damaged")

// verify makes a record of the bytes behind the header h, which the record
// keeps.
func verify(h header, payload []byte) (Record, error) {
	if h.form == formGone || crc32.Checksum(payload, castagnoli()) != h.sum {
		return Record{}, fmt.Errorf("patch states of picture %s are %w", h.key, errDamaged)
	}
	r := decode(h, payload)
	if !r.ofFits() { // the checksum is right, so it was written like that
		return Record{}, fmt.Errorf("patch states of picture %s are %w", h.key, errDamaged)
	}
	return r, nil
}

// tombstone is the record that makes earlier ones of k count no more.
func tombstone(k key) []byte {
	out := make([]byte, headerSize)
	header{form: formGone, key: k}.put(out)
	return out
}

// bytes returns what a record takes in its segment.
func (h header) bytes() int64 { return headerSize + h.payload() }
