package checkpoint

import (
	"archive/zip"
	"fmt"
	"io"
	"math"
)

// DType is the type of a tensor's elements, by its safetensors name. A tensor
// may have another type than the four named here; asking for its values is
// then an error.
type DType string

// The element types that can be converted to float32.
const (
	F32  DType = "F32"
	F16  DType = "F16"
	BF16 DType = "BF16"
	I64  DType = "I64"
)

// bits is the size of one element, 0 for a type this package does not know.
func (d DType) bits() int64 {
	switch d {
	case "F4":
		return 4
	case "F6_E2M3", "F6_E3M2":
		return 6
	case "BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ":
		return 8
	case F16, BF16, "I16", "U16":
		return 16
	case F32, "I32", "U32":
		return 32
	case I64, "U64", "F64", "C64":
		return 64
	}
	return 0
}

func (d DType) convertible() bool {
	return d == F32 || d == F16 || d == BF16 || d == I64
}

// Tensor is one tensor of a Checkpoint. Copies share the file; all methods are
// safe for concurrent use and give ErrClosed after Checkpoint.Close.
type Tensor struct {
	DType DType
	Shape []int64 // outermost first; empty for a scalar

	name    string
	file    *file
	packed  *zip.File // set when the bytes are compressed in the file
	start   int64     // of the first element: in the file, or in packed
	count   int64     // elements
	strides []int64   // in elements; nil when row-major without gaps
}

// Len is the number of elements: the product of Shape.
func (t Tensor) Len() int64 { return t.count }

// Float32s returns all elements in row-major order, converted to float32. I64
// values beyond ±2^24 are rounded. It takes 4 bytes of memory an element.
func (t Tensor) Float32s() ([]float32, error) {
	if int64(int(t.count)) != t.count || t.count > math.MaxInt/4 {
		return nil, t.fail(fmt.Errorf("%d elements do not fit into memory", t.count))
	}
	if !t.DType.convertible() {
		return nil, t.fail(t.notConvertible())
	}
	out := make([]float32, 0, t.count)
	err := t.stream(func(raw []byte) error {
		out = appendFloat32s(out, t.DType, raw)
		return nil
	})
	if err != nil {
		return nil, t.fail(err)
	}
	return out, nil
}

// WriteFloat32 writes all elements in row-major order to w as little-endian
// float32, 4*Len bytes, in pieces of at most two megabytes. F32 in row-major
// order is passed through from the mapped file without being touched. Memory
// stays at a few megabytes, with two exceptions: compressed entries are
// inflated whole (at most 256 MiB), and on systems without mmap a strided
// tensor's span is read whole.
func (t Tensor) WriteFloat32(w io.Writer) error {
	if !t.DType.convertible() {
		return t.fail(t.notConvertible())
	}
	var out []byte
	err := t.stream(func(raw []byte) error {
		if t.DType != F32 {
			out = appendFloat32Bytes(out[:0], t.DType, raw)
			raw = out
		}
		if _, err := w.Write(raw); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		return nil
	})
	if err != nil {
		return t.fail(err)
	}
	return nil
}

func (t Tensor) notConvertible() error {
	return fmt.Errorf("its type %s is not supported, only F32, F16, BF16 and I64; save it as float32", t.DType)
}

func (t Tensor) fail(err error) error {
	if t.file == nil {
		return fmt.Errorf("a Tensor that no Checkpoint returned: %w", err)
	}
	return fmt.Errorf("checkpoint %s: tensor %.200q: %w", t.file.path, t.name, err)
}

// elements is the product of a shape, checked for overflow.
func elements(shape []int64) (int64, error) {
	if len(shape) > maxRank {
		return 0, fmt.Errorf("its shape has %d dimensions, more than %d", len(shape), maxRank)
	}
	count := int64(1)
	for _, n := range shape {
		if n < 0 {
			return 0, fmt.Errorf("its shape %v has a negative dimension", shape)
		}
		if n > 0 && count > math.MaxInt64/n {
			return 0, fmt.Errorf("its shape %v overflows", shape)
		}
		count *= n
	}
	return count, nil
}

// maxRank is PyTorch's own limit on dimensions.
const maxRank = 64
