package checkpoint

import (
	"encoding/binary"
	"math"
)

// chunkSize is how much is handed on at a time: large enough that a system
// call a chunk costs nothing beside the copy, a multiple of every element size.
const chunkSize = 1 << 20

// region is where a tensor's bytes are: the file, or memory for inflated ones.
type region interface {
	view(off, n int64, scratch *[]byte, fn func([]byte) error) error
	drop(off, n int64)
}

// inflated is a region in memory.
type inflated []byte

func (b inflated) view(off, n int64, _ *[]byte, fn func([]byte) error) error {
	return fn(b[off : off+n]) // within bounds: checked against the entry's size at Open
}

func (b inflated) drop(int64, int64) {}

// stream hands emit the raw elements in row-major order, at most chunkSize
// bytes at a time.
func (t Tensor) stream(emit func(raw []byte) error) error {
	if t.count == 0 {
		return nil
	}
	src, err := t.open()
	if err != nil {
		return err
	}
	if t.strides != nil {
		return t.gather(src, emit)
	}
	return t.sweep(src, emit)
}

func (t Tensor) open() (region, error) {
	if t.packed == nil {
		return t.file, nil
	}
	data, err := inflate(t.packed, maxInflated)
	return inflated(data), err
}

// sweep streams a tensor without gaps. Pages go back chunk by chunk, so that
// resident memory does not grow with the tensor.
func (t Tensor) sweep(src region, emit func([]byte) error) error {
	var scratch []byte
	end := t.start + t.count*t.DType.bits()/8
	for off := t.start; off < end; off += chunkSize {
		n := min(chunkSize, end-off)
		if err := src.view(off, n, &scratch, emit); err != nil {
			return err
		}
		src.drop(off, n)
	}
	return nil
}

// gather streams a strided view, e.g. a transposed matrix.
func (t Tensor) gather(src region, emit func([]byte) error) error {
	size := t.DType.bits() / 8
	n := size
	for i, dim := range t.Shape {
		n += (dim - 1) * t.strides[i] * size
	}
	var scratch []byte
	defer src.drop(t.start, n)
	return src.view(t.start, n, &scratch, func(raw []byte) error {
		return t.walk(raw, emit)
	})
}

// walk copies the elements of raw in the order of the index, last dimension
// fastest: a few nanoseconds an element, and strided tensors are rare.
func (t Tensor) walk(raw []byte, emit func([]byte) error) error {
	size, last := t.DType.bits()/8, len(t.Shape)-1
	out := make([]byte, 0, min(chunkSize, t.count*size))
	index := make([]int64, last)
	var row int64
	for done := int64(0); done < t.count; done += t.Shape[last] {
		at := row * size
		for range t.Shape[last] {
			if len(out) == cap(out) {
				if err := emit(out); err != nil {
					return err
				}
				out = out[:0]
			}
			out = append(out, raw[at:at+size]...)
			at += t.strides[last] * size
		}
		row += step(index, t.Shape, t.strides)
	}
	return emit(out)
}

// step moves index on by one and returns how far that is in elements.
func step(index, shape, strides []int64) int64 {
	var moved int64
	for d := len(index) - 1; d >= 0; d-- {
		if index[d]++; index[d] < shape[d] {
			return moved + strides[d]
		}
		moved -= (shape[d] - 1) * strides[d]
		index[d] = 0
	}
	return moved
}

func appendFloat32s(out []float32, d DType, raw []byte) []float32 {
	switch d {
	case F32:
		for ; len(raw) >= 4; raw = raw[4:] {
			out = append(out, math.Float32frombits(binary.LittleEndian.Uint32(raw)))
		}
	case F16:
		for ; len(raw) >= 2; raw = raw[2:] {
			out = append(out, math.Float32frombits(widen(binary.LittleEndian.Uint16(raw))))
		}
	case BF16: // the upper half of a float32
		for ; len(raw) >= 2; raw = raw[2:] {
			out = append(out, math.Float32frombits(uint32(binary.LittleEndian.Uint16(raw))<<16))
		}
	case I64:
		for ; len(raw) >= 8; raw = raw[8:] {
			out = append(out, float32(int64(binary.LittleEndian.Uint64(raw))))
		}
	}
	return out
}

// appendFloat32Bytes converts at most chunkSize bytes; the half types double.
func appendFloat32Bytes(out []byte, d DType, raw []byte) []byte {
	var values [256]float32
	size := int(d.bits() / 8)
	for len(raw) > 0 {
		n := min(len(values)*size, len(raw))
		for _, v := range appendFloat32s(values[:0], d, raw[:n]) {
			out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
		}
		raw = raw[n:]
	}
	return out
}

// widen converts IEEE 754 half precision to the bits of the same float32.
func widen(h uint16) uint32 {
	sign, exp, frac := uint32(h>>15)<<31, uint32(h>>10)&0x1f, uint32(h)&0x3ff
	switch {
	case exp == 0x1f: // infinity and NaN, payload kept
		return sign | 0xff<<23 | frac<<13
	case exp != 0:
		return sign | (exp+127-15)<<23 | frac<<13
	}
	// Zero and subnormals: frac * 2^-24 is exact in float32.
	return sign | math.Float32bits(float32(frac)*0x1p-24)
}
