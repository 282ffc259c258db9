package scan

import (
	"encoding/binary"
	"math/bits"
)

// kernel is a way to scan a block. All give the same integers; the numbers
// above twin are those of kernel.h.
type kernel int

// twin is the kernel in Go, for builds without cgo.
const twin kernel = 0

func (k kernel) String() string {
	return [...]string{"go", "scalar", "avx2", "avx512-vnni", "neon", "neon-dotprod"}[k]
}

// task is the proposal pass over one block: of the selected slots, those whose
// upper bound reaches floor. It reads the rows of selected slots only.
type task struct {
	block    *block
	selected bitmap
	query    *query
	floor    float32
}

// room is where a kernel leaves the slots that it proposes, ascending, and
// their integer dot products; as long as a block. Each worker has its own.
type room struct {
	slots []uint32
	dots  []int32
}

// scan does in Go what scan_block in kernel.c does.
func (t task) scan(out *room) int {
	n, stride := 0, len(t.query.code)
	for w, word := range t.selected {
		for ; word != 0; word &= word - 1 {
			slot := 64*w + bits.TrailingZeros64(word)
			dot := t.query.dot(t.block.codes[slot*stride : (slot+1)*stride])
			if t.query.upper(dot, t.block.metas[slot]) >= t.floor {
				out.slots[n], out.dots[n] = uint32(slot), dot
				n++
			}
		}
	}
	return n
}

// lanes are the bytes 0 and 4 of a word, in 32 bits each.
const lanes = 0x000000ff_000000ff

// pairs lays a query out for dot: with q[i] in the upper and q[i+4] in the
// lower half, multiplying by codes c[i] (lower) and c[i+4] (upper) leaves
// c[i]*q[i] + c[i+4]*q[i+4] in the upper half.
func pairs(code []int8) []uint64 {
	out := make([]uint64, 0, len(code)/2)
	for i := 0; i < len(code); i += 8 {
		for j := i; j < i+4; j++ {
			out = append(out, uint64(int64(code[j])<<32+int64(code[j+4])))
		}
	}
	return out
}

// dot returns the integer dot product with a row of codes. One multiplication
// does two products: 64 ns for 256 dimensions on one amd64 machine, where the
// plain loop takes 94 to 180. What the lower halves sum to may be negative and has then
// borrowed from the upper ones; it stays within 32 bits, so it can be taken
// off at the end.
func (q *query) dot(row []byte) int32 {
	var sum uint64
	pairs := q.pairs
	for len(row) >= 32 && len(pairs) >= 16 { // both are whole lines
		c, p := (*[32]byte)(row), (*[16]uint64)(pairs)
		sum += fold(c[:8], (*[4]uint64)(p[:4])) + fold(c[8:16], (*[4]uint64)(p[4:8])) +
			fold(c[16:24], (*[4]uint64)(p[8:12])) + fold(c[24:], (*[4]uint64)(p[12:]))
		row, pairs = row[32:], pairs[16:]
	}
	lower := int64(int32(uint32(sum)))
	return int32((sum-uint64(lower))>>32) - q.bias
}

// fold multiplies eight codes.
func fold(codes []byte, p *[4]uint64) uint64 {
	x := binary.LittleEndian.Uint64(codes)
	return ((x&lanes)*p[0] + (x>>8&lanes)*p[1]) + ((x>>16&lanes)*p[2] + (x>>24&lanes)*p[3])
}
