package checkpoint

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"unicode/utf8"
)

// maxHeader is the cap of the reference implementation (safetensors, Rust).
const maxHeader = 100_000_000

// maxTensors bounds what a header or a zip directory can make us allocate; the
// largest published models have a few thousand tensors.
const maxTensors = 1 << 17

// entry is one tensor of a safetensors header. Offsets count from the end of
// the header.
type entry struct {
	name       string
	dtype      DType
	shape      []int64
	count      int64
	begin, end int64
}

func readSafetensors(f *file) (map[string]Tensor, error) {
	header, err := readHeader(f)
	if err != nil {
		return nil, err
	}
	entries, err := parseHeader(header)
	if err != nil {
		return nil, fmt.Errorf("safetensors header: %w", err)
	}
	base := 8 + int64(len(header))
	if err := checkLayout(entries, f.size-base); err != nil {
		return nil, err
	}
	tensors := make(map[string]Tensor, len(entries))
	for _, e := range entries {
		tensors[e.name] = Tensor{DType: e.dtype, Shape: e.shape, start: base + e.begin, count: e.count}
	}
	return tensors, nil
}

func readHeader(f *file) ([]byte, error) {
	var length [8]byte
	if _, err := f.ReadAt(length[:], 0); err != nil {
		return nil, errors.New("shorter than the 8 bytes a safetensors file begins with; is it truncated?")
	}
	n := binary.LittleEndian.Uint64(length[:])
	if n > maxHeader {
		return nil, fmt.Errorf("its safetensors header claims %d bytes, more than %d", n, maxHeader)
	}
	if int64(n) > f.size-8 {
		return nil, fmt.Errorf("its safetensors header claims %d bytes, the file has %d; is it truncated?", n, f.size)
	}
	header := make([]byte, n)
	if _, err := f.ReadAt(header, 8); err != nil {
		return nil, fmt.Errorf("read the safetensors header: %w", err)
	}
	return header, nil
}

// parseHeader reads the header strictly: encoding/json alone would take the
// last of two equal names, and so read other weights than another program.
func parseHeader(raw []byte) ([]entry, error) {
	if !utf8.Valid(raw) || !json.Valid(raw) || !bytes.HasPrefix(raw, []byte("{")) {
		return nil, errors.New("not a JSON object in UTF-8")
	}
	var entries []entry
	dec := json.NewDecoder(bytes.NewReader(raw))
	err := eachField(dec, "tensor", func(name string) error {
		if name == "__metadata__" {
			var notes map[string]string
			return dec.Decode(&notes)
		}
		if len(entries) == maxTensors {
			return fmt.Errorf("more than %d tensors", maxTensors)
		}
		e, err := parseEntry(dec, name)
		entries = append(entries, e)
		return err
	})
	return entries, err
}

// eachField walks one JSON object; fn reads the value that follows the name.
// Errors carry what the names stand for and the name they belong to.
func eachField(dec *json.Decoder, what string, fn func(name string) error) error {
	open, err := dec.Token()
	if err != nil {
		return err
	}
	if open != json.Delim('{') {
		return errors.New("not a JSON object")
	}
	seen := make(map[string]struct{})
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		name, _ := key.(string)
		if _, twice := seen[name]; twice {
			return fmt.Errorf("%s %.200q: the name occurs twice", what, name)
		}
		seen[name] = struct{}{}
		if err := fn(name); err != nil {
			return fmt.Errorf("%s %.200q: %w", what, name, err)
		}
	}
	_, err = dec.Token()
	return err
}

func parseEntry(dec *json.Decoder, name string) (entry, error) {
	e := entry{name: name}
	var dtype *string
	var shape, offsets []*uint64 // pointers: null is not a number
	err := eachField(dec, "field", func(field string) error {
		switch field {
		case "dtype":
			return dec.Decode(&dtype)
		case "shape":
			return dec.Decode(&shape)
		case "data_offsets":
			return dec.Decode(&offsets)
		}
		return errors.New("unknown field")
	})
	if err != nil {
		return e, err
	}
	if dtype == nil || shape == nil || len(offsets) != 2 {
		return e, errors.New("needs dtype, shape and two data_offsets")
	}
	e.dtype = DType(*dtype)
	span, err := integers(offsets)
	if err != nil {
		return e, fmt.Errorf("data_offsets: %w", err)
	}
	e.begin, e.end = span[0], span[1]
	if e.shape, err = integers(shape); err != nil {
		return e, fmt.Errorf("shape: %w", err)
	}
	return e, e.check()
}

func integers(in []*uint64) ([]int64, error) {
	out := make([]int64, len(in))
	for i, v := range in {
		if v == nil || *v > math.MaxInt64 {
			return nil, errors.New("not a list of whole numbers below 2^63")
		}
		out[i] = int64(*v)
	}
	return out, nil
}

// check compares the byte range with type and shape, and sets the count.
func (e *entry) check() error {
	bits := e.dtype.bits()
	if bits == 0 {
		return fmt.Errorf("unknown dtype %q", string(e.dtype))
	}
	var err error
	if e.count, err = elements(e.shape); err != nil {
		return err
	}
	if e.count > math.MaxInt64/bits {
		return fmt.Errorf("its shape %v overflows", e.shape)
	}
	if e.end < e.begin {
		return fmt.Errorf("data_offsets end at %d, before they begin at %d", e.end, e.begin)
	}
	if total := e.count * bits; total%8 != 0 || total/8 != e.end-e.begin {
		return fmt.Errorf("%s of shape %v takes %d bits, data_offsets give %d bytes", e.dtype, e.shape, total, e.end-e.begin)
	}
	return nil
}

// checkLayout holds the format's rule that tensors cover the data exactly:
// no overlap, no hole, nothing after the last one.
func checkLayout(entries []entry, size int64) error {
	slices.SortFunc(entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end), cmp.Compare(a.name, b.name))
	})
	var at int64
	var before string
	for _, e := range entries {
		switch {
		case e.end > size:
			return fmt.Errorf("tensor %.200q: ends at data byte %d, the file has %d; is it truncated? %w", e.name, e.end, size, io.ErrUnexpectedEOF)
		case e.begin < at:
			return fmt.Errorf("tensor %.200q: overlaps tensor %.200q at data byte %d", e.name, before, e.begin)
		case e.begin > at:
			return fmt.Errorf("tensor %.200q: data bytes %d to %d before it belong to no tensor", e.name, at, e.begin)
		}
		at, before = e.end, e.name
	}
	if at != size {
		return fmt.Errorf("%d bytes after the last tensor belong to none", size-at)
	}
	return nil
}
