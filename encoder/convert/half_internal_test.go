package convert

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"
)

// fromHalf is the value of a float16, by its definition.
func fromHalf(h uint16) float64 {
	sign, exponent, fraction := 1.0, int(h>>10&0x1f), float64(h&0x3ff)
	if h>>15 == 1 {
		sign = -1
	}
	switch exponent {
	case 0:
		return sign * fraction * 0x1p-24
	case 0x1f:
		if fraction != 0 {
			return math.NaN()
		}
		return sign * math.Inf(1)
	}
	return sign * math.Ldexp(1+fraction/1024, exponent-15)
}

// TestToHalfEvery: each of the 65,536 float16 comes back from its float32, and
// what lies between two neighbours goes to the nearer one, a tie to the even.
func TestToHalfEvery(t *testing.T) {
	for h := range uint16(math.MaxUint16) {
		v := fromHalf(h)
		got := toHalf(math.Float32bits(float32(v)))
		if math.IsNaN(v) {
			if !math.IsNaN(fromHalf(got)) {
				t.Errorf("NaN %#x becomes %#x", h, got)
			}
			continue
		}
		if got != h {
			t.Errorf("%#x is %g and comes back as %#x", h, v, got)
		}
		if next := fromHalf(h + 1); h&0x7fff < 0x7bff {
			checkBetween(t, h, v, next)
		}
	}
}

// checkBetween: h is v, h+1 is next.
func checkBetween(t *testing.T, h uint16, v, next float64) {
	t.Helper()
	middle := float32((v + next) / 2)
	even := h + h&1
	below, above := math.Nextafter32(middle, float32(v)), math.Nextafter32(middle, float32(next))
	for value, want := range map[float32]uint16{middle: even, below: h, above: h + 1} {
		if got := toHalf(math.Float32bits(value)); got != want {
			t.Errorf("%g between %#x and the next becomes %#x, want %#x", value, h, got, want)
		}
	}
}

func float32Bytes(values ...float32) []byte {
	var b []byte
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

// TestHalfWriter takes values in pieces that cut them.
func TestHalfWriter(t *testing.T) {
	in := float32Bytes(1, -2, 0.5, 65504, 0, 65519.99)
	want := []uint16{0x3c00, 0xc000, 0x3800, 0x7bff, 0, 0x7bff}
	for piece := 1; piece <= len(in); piece++ {
		var out bytes.Buffer
		h := &halfWriter{w: &out}
		for rest := in; len(rest) > 0; {
			n, err := h.Write(rest[:min(piece, len(rest))])
			if err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := h.finish(); err != nil {
			t.Error(err)
		}
		for i, w := range want {
			if got := binary.LittleEndian.Uint16(out.Bytes()[2*i:]); got != w {
				t.Errorf("pieces of %d: value %d is %#x, want %#x", piece, i, got, w)
			}
		}
	}
}

// TestHalfWriterRefuses: what would become infinite, and half a value.
func TestHalfWriterRefuses(t *testing.T) {
	for _, v := range []float32{65520, -1e9, float32(math.Inf(1))} {
		h := &halfWriter{w: &bytes.Buffer{}}
		if _, err := h.Write(float32Bytes(1, v)); err == nil || !strings.Contains(err.Error(), "fp32") {
			t.Errorf("%g: error %v, want one that names fp32", v, err)
		}
	}
	h := &halfWriter{w: &bytes.Buffer{}}
	if _, err := h.Write([]byte{1, 2, 3}); err != nil || h.finish() == nil {
		t.Errorf("3 bytes: %v, finish %v", err, h.finish())
	}
}
