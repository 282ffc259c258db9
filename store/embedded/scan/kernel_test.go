package scan

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fuzzSlots is two words of a bitmap.
const fuzzSlots = 128

// codesFrom returns a block, filled where selected, and a query of codes between
// -127 and 127, repeated from data. Scales, residuals and norms are such that
// float32 holds upper bounds exactly up to 1024 dimensions.
func codesFrom(data []byte, dim int, selected bitmap) task {
	m := newMatrix(dim, fuzzSlots, twin)
	b, next := m.newBlock(), 0
	take := func() int8 {
		c := max(int8(data[next%len(data)]), -127)
		next++
		return c
	}
	q := &query{code: make([]int8, m.stride), scale: 0.5, perResidual: 2, perNorm: 7}
	for i := range dim {
		q.code[i] = take()
		q.bias += 128 * int32(q.code[i])
	}
	q.pairs = pairs(q.code)
	for slot := range fuzzSlots {
		b.metas[slot] = meta{scale: float32(1 + slot%2), residual: float32(slot % 5), norm: float32(slot % 3)}
		for i := 0; i < dim && selected.has(slot); i++ {
			b.codes[slot*m.stride+i] = byte(int(take()) + 128)
		}
	}
	return task{block: b, selected: selected, query: q, floor: lowest}
}

func plainDot(row []byte, code []int8) int32 {
	var sum int32
	for i, c := range code {
		sum += (int32(row[i]) - 128) * int32(c)
	}
	return sum
}

// FuzzDot runs every kernel of this processor against the plain loop: once for
// all selected slots, once for those that reach one of the bounds.
func FuzzDot(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, dim := range []uint16{0, 1, 62, 63, 64, 254, 255, 256, 767, 1023} {
		noise := make([]byte, 3001)
		for i := range noise {
			noise[i] = byte(r.Uint32())
		}
		f.Add(noise, dim, r.Uint64(), r.Uint64())
		f.Add([]byte{127}, dim, ^uint64(0), ^uint64(0))            // all largest
		f.Add([]byte{0x81}, dim, ^uint64(0), uint64(1)<<63)        // all smallest
		f.Add([]byte{127, 0x81}, dim, uint64(0), ^uint64(0))       // alternating
		f.Add([]byte{127, 0x81, 0x81}, dim, uint64(1), uint64(14)) // products of all signs
	}
	f.Fuzz(func(t *testing.T, data []byte, dim uint16, low, high uint64) {
		if len(data) == 0 {
			t.Skip()
		}
		tk := codesFrom(data, int(dim)%1024+1, bitmap{low, high})
		all := plainScan(tk)
		checkKernels(t, tk, all)
		if len(all.dots) > 0 {
			some := len(all.dots) / 2
			tk.floor = float32(plainUpper(all.dots[some], tk.block.metas[all.slots[some]]))
			checkKernels(t, tk, plainScan(tk))
		}
	})
}

func plainUpper(dot int32, m meta) float64 {
	return float64(dot)*0.5*float64(m.scale) + 2*float64(m.residual) + 7*float64(m.norm)
}

// plainScan is what a kernel should leave, cut to its length.
func plainScan(tk task) room {
	var out room
	stride := len(tk.query.code)
	for slot := range fuzzSlots {
		dot := plainDot(tk.block.codes[slot*stride:][:stride], tk.query.code)
		if tk.selected.has(slot) && plainUpper(dot, tk.block.metas[slot]) >= float64(tk.floor) {
			out.slots, out.dots = append(out.slots, uint32(slot)), append(out.dots, dot)
		}
	}
	return out
}

func checkKernels(t *testing.T, tk task, want room) {
	t.Helper()
	for _, k := range kernels() {
		got := room{slots: slices.Repeat([]uint32{math.MaxUint32}, fuzzSlots), dots: make([]int32, fuzzSlots)} // reading such a row crashes
		n := k.scan(tk, &got)
		if !slices.Equal(got.slots[:n], want.slots) || !slices.Equal(got.dots[:n], want.dots) {
			t.Fatalf("%s, stride %d, floor %g:\ngot  %v %v\nwant %v %v", k, len(tk.query.code), tk.floor,
				got.slots[:n], got.dots[:n], want.slots, want.dots)
		}
	}
}

// TestLargestDim meets the largest sums that a matrix allows.
func TestLargestDim(t *testing.T) {
	for _, data := range [][]byte{{127}, {0x81}, {127, 0x81}} {
		tk := codesFrom(data, MaxDim, bitmap{1 << 5, 0})
		checkKernels(t, tk, plainScan(tk))
	}
}

func TestKernelNames(t *testing.T) {
	seen := make(map[string]bool)
	for _, k := range kernels() {
		seen[k.String()] = true
	}
	t.Logf("kernels here: %v", kernels())
	if !seen["go"] || len(seen) != len(kernels()) {
		t.Errorf("names %v for %d kernels", seen, len(kernels()))
	}
	if m, err := New(3); err != nil || m.Kernel() != kernels()[0].String() {
		t.Errorf("a new matrix uses %s (%v), the fastest is %s", m.Kernel(), err, kernels()[0])
	}
}
