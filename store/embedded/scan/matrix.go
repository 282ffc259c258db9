package scan

import (
	"fmt"
	"math/bits"
	"slices"
	"sync/atomic"
)

const (
	// MaxDim keeps the integer dot products within 32 bits.
	MaxDim = 1 << 16
	// BlockSlots is the number of slots of a block: block i holds the slots
	// from i*BlockSlots on. It is what one call into C scans (0.1 ms at 256
	// dimensions, 0.02 ms where the codes are in the cache) and what overwriting
	// a published slot copies (5 MB there, 0.4 ms).
	BlockSlots = 4096
	// lineBytes is what codes are padded to, so that kernels need no tails.
	lineBytes = 64
)

// bitmap has bit s%64 of word s/64 set for slot s.
type bitmap []uint64

func (b bitmap) has(slot int) bool { return b[slot/64]>>(slot%64)&1 != 0 }
func (b bitmap) set(slot int)      { b[slot/64] |= 1 << (slot % 64) }
func (b bitmap) clear(slot int)    { b[slot/64] &^= 1 << (slot % 64) }

// block is a range of slots: one allocation per kind of data, never moved.
type block struct {
	vectors []float32 // [slots, dim]
	codes   []byte    // [slots, stride]
	metas   []meta    // [slots]
	// used marks the slots that were ever written. Snapshots may see them, so
	// they stay as they are. For the writer only.
	used bitmap
}

func (m *Matrix) newBlock() *block {
	return &block{
		vectors: make([]float32, m.slots*m.dim),
		codes:   make([]byte, m.slots*m.stride),
		metas:   make([]meta, m.slots),
		used:    make(bitmap, m.slots/64),
	}
}

// clone makes all slots writable that are not live.
func (b *block) clone(live bitmap) *block {
	return &block{
		vectors: slices.Clone(b.vectors),
		codes:   slices.Clone(b.codes),
		metas:   slices.Clone(b.metas),
		used:    slices.Clone(live),
	}
}

// part is a block as one snapshot sees it; nil where no slot is live.
type part struct {
	block *block
	live  bitmap
}

// draft is a part that the writer changes. What a snapshot may see is copied
// before it is changed, and once between two calls of Publish.
type draft struct {
	part
	count     int  // live slots
	ownBlock  bool // no snapshot has the block
	ownBitmap bool // no snapshot has live
}

// Matrix holds float32 vectors in numbered slots, each with its int8 code. One
// goroutine at a time may call Set, Clear and Publish; any number may take and
// search snapshots meanwhile, without a lock.
type Matrix struct {
	dim     int
	stride  int // bytes of a code
	slots   int // per block
	kernel  kernel
	drafts  []draft
	current atomic.Pointer[Snapshot]
}

// New returns an empty matrix for vectors of dim, 1 to MaxDim.
func New(dim int) (*Matrix, error) {
	if dim < 1 || dim > MaxDim {
		return nil, fmt.Errorf("%w: %d dimensions, want 1 to %d", ErrVector, dim, MaxDim)
	}
	return newMatrix(dim, BlockSlots, kernels()[0]), nil
}

// NewBlocks is New with another number of slots per block than BlockSlots, a
// positive multiple of 64: tests meet block borders with few vectors so.
func NewBlocks(dim, slots int) (*Matrix, error) {
	if slots < 64 || slots%64 != 0 {
		return nil, fmt.Errorf("%d slots per block: want a positive multiple of 64", slots)
	}
	m, err := New(dim)
	if err != nil {
		return nil, err
	}
	return newMatrix(dim, slots, m.kernel), nil
}

func newMatrix(dim, slots int, k kernel) *Matrix {
	stride := (dim + lineBytes - 1) / lineBytes * lineBytes
	m := &Matrix{dim: dim, stride: stride, slots: slots, kernel: k}
	m.current.Store(&Snapshot{matrix: m})
	return m
}

// Kernel names the instructions in use, for logs and measurements.
func (m *Matrix) Kernel() string { return m.kernel.String() }

// place returns a slot's block and its place there.
func (m *Matrix) place(slot uint32) (i, at int) {
	size := uint32(m.slots)
	return int(slot / size), int(slot % size)
}

// Set puts a copy of v into a slot, from the next Publish on. Slots are meant
// to be numbered densely: memory grows by whole blocks. A slot that no
// snapshot has seen since its block was made is written in place; any other
// costs a copy of its block, once between two calls of Publish, which makes
// all other cleared slots of the block writable again.
func (m *Matrix) Set(slot uint32, v []float32) error {
	if err := check(v, m.dim); err != nil {
		return err
	}
	i, at := m.place(slot)
	if missing := i + 1 - len(m.drafts); missing > 0 {
		m.drafts = append(m.drafts, make([]draft, missing)...)
	}
	d := &m.drafts[i]
	m.makeWritable(d, at)
	copy(d.block.vectors[at*m.dim:], v)
	d.block.metas[at] = quantise(v, d.block.codes[at*m.stride:(at+1)*m.stride])
	d.block.used.set(at)
	if !d.live.has(at) {
		d.live.set(at)
		d.count++
	}
	return nil
}

func (m *Matrix) makeWritable(d *draft, at int) {
	switch {
	case d.block == nil:
		*d = draft{part: part{block: m.newBlock(), live: make(bitmap, m.slots/64)}, ownBlock: true, ownBitmap: true}
	case !d.ownBlock && d.block.used.has(at):
		d.block, d.ownBlock = d.block.clone(d.live), true
	}
	d.makeBitmapWritable()
}

func (d *draft) makeBitmapWritable() {
	if !d.ownBitmap {
		d.live, d.ownBitmap = slices.Clone(d.live), true
	}
}

// Clear empties a slot, from the next Publish on. A block without live slots
// is let go then. Clearing an empty slot does nothing.
func (m *Matrix) Clear(slot uint32) {
	i, at := m.place(slot)
	if i >= len(m.drafts) || m.drafts[i].block == nil || !m.drafts[i].live.has(at) {
		return
	}
	d := &m.drafts[i]
	d.makeBitmapWritable()
	d.live.clear(at)
	d.count--
}

// Vector is Snapshot.Vector as Set and Clear left the matrix, published or not.
// Only the goroutine that calls those may call it.
func (m *Matrix) Vector(slot uint32) []float32 {
	i, at := m.place(slot)
	if i >= len(m.drafts) || m.drafts[i].block == nil || !m.drafts[i].live.has(at) {
		return nil
	}
	return m.drafts[i].block.vectors[at*m.dim : (at+1)*m.dim : (at+1)*m.dim]
}

// Publish makes all earlier calls of Set and Clear visible at once and returns
// the new state. It costs 32 bytes per block and what Set and Clear copied.
func (m *Matrix) Publish() *Snapshot {
	next := &Snapshot{matrix: m, parts: make([]part, len(m.drafts))}
	for i := range m.drafts {
		d := &m.drafts[i]
		if d.count == 0 {
			*d = draft{}
			continue
		}
		d.ownBlock, d.ownBitmap = false, false
		next.parts[i] = d.part
		next.live += d.count
	}
	m.current.Store(next)
	return next
}

// Snapshot returns what the last Publish left.
func (m *Matrix) Snapshot() *Snapshot { return m.current.Load() }

// Snapshot is a state of a matrix that never changes. Safe for concurrent use.
type Snapshot struct {
	matrix *Matrix
	parts  []part
	live   int
}

// Live returns the number of vectors.
func (s *Snapshot) Live() int { return s.live }

// LiveIn returns which slots of a block hold a vector, bit s%64 of word s/64
// for its slot s: BlockSlots/64 words, or nil where the block holds none. It is
// the matrix's own memory: never write to it.
func (s *Snapshot) LiveIn(block int) []uint64 {
	if block >= len(s.parts) {
		return nil
	}
	return s.parts[block].live
}

// Has says whether a slot holds a vector.
func (s *Snapshot) Has(slot uint32) bool {
	i, at := s.matrix.place(slot)
	return i < len(s.parts) && s.parts[i].block != nil && s.parts[i].live.has(at)
}

// Vector returns the vector in a slot, or nil. It is the matrix's own memory:
// never write to it.
func (s *Snapshot) Vector(slot uint32) []float32 {
	if !s.Has(slot) {
		return nil
	}
	return s.vector(slot)
}

// vector is Vector for a slot that is known to be live.
func (s *Snapshot) vector(slot uint32) []float32 {
	i, at := s.matrix.place(slot)
	dim := s.matrix.dim
	return s.parts[i].block.vectors[at*dim : (at+1)*dim : (at+1)*dim]
}

// word returns which slots of word w of part i are live and allowed.
func (s *Snapshot) word(i, w int, allowed bitmap) uint64 {
	at := i*s.matrix.slots/64 + w
	switch {
	case allowed == nil:
		return s.parts[i].live[w]
	case at >= len(allowed):
		return 0
	}
	return s.parts[i].live[w] & allowed[at]
}

// selected writes into out which slots of part i are live and allowed, and
// returns whether there are any.
func (s *Snapshot) selected(i int, allowed, out bitmap) bool {
	var any uint64
	for w := range s.parts[i].live {
		out[w] = s.word(i, w, allowed)
		any |= out[w]
	}
	return any != 0
}

// count returns how many slots are live and allowed.
func (s *Snapshot) count(allowed bitmap) int {
	if allowed == nil {
		return s.live
	}
	n := 0
	for i, p := range s.parts {
		for w := range p.live {
			n += bits.OnesCount64(s.word(i, w, allowed))
		}
	}
	return n
}
