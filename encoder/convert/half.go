package convert

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// maxHalf is the largest finite float16. What lies up to half a step above it
// still rounds to it.
const maxHalf = 65504

// halfWriter takes little-endian float32 and writes float16. It refuses what
// float16 cannot hold: an infinite weight would make every result NaN.
type halfWriter struct {
	w    io.Writer
	rest []byte // of a value that a write cut, 0 to 3 bytes
	out  []byte
}

func (h *halfWriter) Write(p []byte) (int, error) {
	n := len(p)
	if len(h.rest) > 0 {
		p = append(h.rest, p...)
	}
	h.out = h.out[:0]
	for ; len(p) >= 4; p = p[4:] {
		bits := binary.LittleEndian.Uint32(p)
		half := toHalf(bits)
		if v := math.Float32frombits(bits); half&0x7c00 == 0x7c00 && !math.IsNaN(float64(v)) {
			return 0, fmt.Errorf("a weight is %g, float16 ends at %d: convert to fp32", v, maxHalf)
		}
		h.out = binary.LittleEndian.AppendUint16(h.out, half)
	}
	h.rest = append([]byte(nil), p...)
	if _, err := h.w.Write(h.out); err != nil {
		return 0, err
	}
	return n, nil
}

// finish reports a stream that ended within a value.
func (h *halfWriter) finish() error {
	if len(h.rest) > 0 {
		return errors.New("the values end within one")
	}
	return nil
}

// toHalf rounds the bits of a float32 to the nearest float16, ties to even.
// What rounds above maxHalf becomes infinite; NaN stays NaN.
func toHalf(bits uint32) uint16 {
	sign, magnitude := uint16(bits>>16&0x8000), bits&0x7fffffff
	switch {
	case magnitude > 0x7f800000: // NaN, made a quiet one
		return sign | 0x7e00
	case magnitude >= 0x47800000: // 2^16 and above
		return sign | 0x7c00
	case magnitude < 0x38800000: // below 2^-14: a multiple of 2^-24, the sum's last bit
		sum := math.Float32bits(math.Float32frombits(magnitude) + 0.5)
		return sign | uint16(sum-math.Float32bits(0.5))
	}
	odd := magnitude >> 13 & 1
	return sign | uint16((magnitude-(112<<23)+0xfff+odd)>>13)
}
