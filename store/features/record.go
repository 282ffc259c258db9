package features

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"unsafe"

	"sightline/store"
)

// Record holds the patch states of one picture, [Tokens, Width] row-major:
// exactly in Float, or in Int8 with one Scale a token around the Mean state
// (value = Int8 * Scale[token] + Mean[column]). Of pooled states Tokens counts
// the rows, and Of says for each token of the picture which row is its own.
// Its underlying type is that of encoder.States, so encoder.States(r) and
// features.Record(s) convert without copying.
type Record struct {
	Tokens int
	Width  int
	Int8   []int8
	Scale  []float32 // [Tokens]
	Mean   []float32 // [Width]
	Float  []float32
	Of     []uint16 // [tokens of the picture]; nil where states are not pooled
}

// maxPayload bounds one record: a 1024 px ViT-L/16 in float32 is 16.8 MB. It
// also bounds what a damaged header can make a reader allocate.
const maxPayload = 64 << 20

// form says how the payload holds the states.
type form uint8

const (
	formInt8  form = 1 // Scale [tokens] and Mean [width] float32, then Int8 [tokens, width]
	formFloat form = 2 // Float [tokens, width]
	formGone  form = 3 // nothing: earlier records of the key no longer count
	formPool  form = 4 // as formInt8, then Of uint16: the only kind of pooled states
)

// sizes are those of a record: rows of width values, of a picture of so many
// tokens where they are pooled, else 0.
type sizes struct{ tokens, width, of uint32 }

// payload returns the bytes of a payload, or -1 when the sizes are not those of
// a record.
func (s sizes) payload(f form) int64 {
	if f == formGone && s == (sizes{}) {
		return 0
	}
	if s.tokens == 0 || s.width == 0 || (s.of > 0) != (f == formPool) {
		return -1
	}
	values := uint64(s.tokens) * uint64(s.width) // two 32-bit numbers: cannot overflow
	if values > maxPayload {
		return -1
	}
	size := int64(values) * 4
	switch f {
	case formInt8, formPool:
		size = int64(values) + 4*int64(s.tokens) + 4*int64(s.width) + 2*int64(s.of)
	case formFloat:
	default:
		return -1
	}
	if size > maxPayload {
		return -1
	}
	return size
}

// check returns the form of r and the bytes of its payload.
func (r Record) check() (form, int64, error) {
	f := r.form()
	size := int64(-1)
	if r.Tokens > 0 && r.Width > 0 && r.Tokens <= math.MaxUint32 && r.Width <= math.MaxUint32 && len(r.Of) <= maxPayload {
		size = r.sizes().payload(f)
	}
	if size < 0 {
		return 0, 0, fmt.Errorf("%w patch states: %d tokens of width %d; a record has at least one value and at most %d MB", store.ErrInvalid, r.Tokens, r.Width, maxPayload>>20)
	}
	n := r.Tokens * r.Width
	fits := f == formFloat && len(r.Float) == n && r.Int8 == nil && r.Scale == nil && r.Mean == nil && r.Of == nil ||
		f != formFloat && len(r.Int8) == n && len(r.Scale) == r.Tokens && len(r.Mean) == r.Width
	switch {
	case r.Of != nil && r.Float != nil:
		return 0, 0, fmt.Errorf("%w patch states: pooled ones are kept in int8, and these are float32", store.ErrInvalid)
	case !r.ofFits():
		return 0, 0, fmt.Errorf("%w patch states: %d rows do not fit the %d tokens that they are pooled of", store.ErrInvalid, r.Tokens, len(r.Of))
	case !fits:
		return 0, 0, fmt.Errorf("%w patch states: %d int8, %d scales, a mean of %d and %d float32 values do not fit [%d,%d]",
			store.ErrInvalid, len(r.Int8), len(r.Scale), len(r.Mean), len(r.Float), r.Tokens, r.Width)
	}
	return f, size, nil
}

func (r Record) form() form {
	switch {
	case r.Float != nil:
		return formFloat
	case r.Of != nil:
		return formPool
	}
	return formInt8
}

func (r Record) sizes() sizes {
	return sizes{tokens: uint32(r.Tokens), width: uint32(r.Width), of: uint32(len(r.Of))}
}

// ofFits tells whether every token has a row that is there.
func (r Record) ofFits() bool {
	return r.Of == nil || len(r.Of) >= r.Tokens && int(slices.Max(r.Of)) < r.Tokens
}

// encode returns header and payload as they go into a segment.
func encode(k key, r Record) ([]byte, header, error) {
	f, size, err := r.check()
	if err != nil {
		return nil, header{}, err
	}
	out := make([]byte, headerSize, headerSize+size)
	if f == formFloat {
		out = appendFloats(out, r.Float)
	} else {
		out = appendFloats(appendFloats(out, r.Scale), r.Mean)
		out = append(out, asBytes(r.Int8)...)
		for _, row := range r.Of {
			out = binary.LittleEndian.AppendUint16(out, row)
		}
	}
	h := header{form: f, sizes: r.sizes(), sum: crc32.Checksum(out[headerSize:], castagnoli()), key: k}
	h.put(out)
	return out, h, nil
}

// decode reads a payload whose length fits h. The record keeps payload, which
// begins at an address divisible by four, as everything that make returns.
func decode(h header, payload []byte) Record {
	r := Record{Tokens: int(h.tokens), Width: int(h.width)}
	if h.form == formFloat {
		r.Float = asFloats(payload)
		return r
	}
	scales, mean := 4*r.Tokens, 4*r.Tokens+4*r.Width
	r.Scale = asFloats(payload[:scales:scales])
	r.Mean = asFloats(payload[scales:mean:mean])
	values := mean + r.Tokens*r.Width
	r.Int8 = asInt8(payload[mean:values:values])
	if h.form == formPool {
		r.Of = make([]uint16, h.of)
		for i := range r.Of {
			r.Of[i] = binary.LittleEndian.Uint16(payload[values+2*i:])
		}
	}
	return r
}

// castagnoli has hardware support; MakeTable returns one shared table.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// littleEndian machines hold float32 values as files do. Converting one by one
// takes longer than reading them: 65×192 values 10 µs instead of 0.
func littleEndian() bool { return binary.NativeEndian.Uint16([]byte{1, 0}) == 1 }

func appendFloats(out []byte, values []float32) []byte {
	if littleEndian() {
		return append(out, unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), 4*len(values))...)
	}
	for _, v := range values {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
	}
	return out
}

// asFloats looks at b as float32 values where the machine allows it.
func asFloats(b []byte) []float32 {
	start := unsafe.Pointer(unsafe.SliceData(b))
	if littleEndian() && uintptr(start)%4 == 0 {
		return unsafe.Slice((*float32)(start), len(b)/4)
	}
	out := make([]float32, len(b)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return out
}

// asBytes and asInt8 look at the same memory with the other sign: copying the
// 443 KB of one ViT-B/16-384 picture for it would cost as much as reading them.
func asBytes(v []int8) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), len(v))
}

func asInt8(v []byte) []int8 {
	return unsafe.Slice((*int8)(unsafe.Pointer(unsafe.SliceData(v))), len(v))
}

func (r Record) clone() Record {
	r.Int8, r.Scale, r.Mean, r.Float = slices.Clone(r.Int8), slices.Clone(r.Scale), slices.Clone(r.Mean), slices.Clone(r.Float)
	r.Of = slices.Clone(r.Of)
	return r
}
