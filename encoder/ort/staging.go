//go:build cgo

package ort

import (
	"sync"
	"unsafe"

	"sightline/encoder"
)

// staging is pinned host memory that belongs to one run at a time. CUDA copies
// from pinned memory at the speed of the bus and meanwhile goes on; from Go's
// memory it copies through a buffer of its own, by one thread.
type staging struct {
	limit  int // bytes, 0: none
	device int
	memory []byte
}

// stageFrom is the size from which an input is worth a copy.
const stageFrom = 64 << 10

// stageAlign keeps inputs apart by what the device reads at once.
const stageAlign = 256

func (rt *Runtime) newStaging() *staging {
	if rt.cuda == nil || rt.options.CUDA.Staging < 0 {
		return &staging{}
	}
	return &staging{limit: int(rt.options.CUDA.Staging), device: rt.device.index}
}

// take returns inputs with the large ones moved into pinned memory, as many as
// fit, and with pieces joined. It is valid until the next take.
func (s *staging) take(inputs []encoder.Tensor) []encoder.Tensor {
	taken, at := make([]encoder.Tensor, len(inputs)), 0
	room := s.limit > 0 && s.grow(needed(inputs))
	for i, t := range inputs {
		taken[i] = t
		pieces, n := rawPieces(t.Data)
		switch {
		case room && n >= stageFrom && at+n <= len(s.memory):
			place := s.memory[at : at+n]
			copyWide(place, pieces)
			taken[i].Data = sameType(t.Data, place)
			at += aligned(n)
		case len(pieces) > 1:
			place := make([]int64, (n+7)/8) // of the widest type, for alignment
			joined := view[byte](place)[:n]
			copyWide(joined, pieces)
			taken[i].Data = sameType(t.Data, joined)
		}
	}
	return taken
}

func needed(inputs []encoder.Tensor) int {
	total := 0
	for _, t := range inputs {
		if _, n := rawPieces(t.Data); n >= stageFrom {
			total += aligned(n)
		}
	}
	return total
}

func aligned(n int) int { return (n + stageAlign - 1) / stageAlign * stageAlign }

// grow makes room for n bytes or for limit, whichever is less. Where the host
// has none, the limit becomes what is there.
func (s *staging) grow(n int) bool {
	if n = min(n, s.limit); n > len(s.memory) {
		s.free()
		if s.memory = pinnedAlloc(n, s.device); s.memory == nil {
			s.limit = 0
		}
	}
	return len(s.memory) > 0
}

func (s *staging) free() {
	if s.memory != nil {
		pinnedFree(s.memory)
		s.memory = nil
	}
}

// copiers is how many goroutines copy: one core moves 10 GB/s, the bus to the
// device several times that.
const copiers = 4

// copyWide joins pieces in to, which has exactly their size.
func copyWide(to []byte, pieces [][]byte) {
	share := max(4<<20, (len(to)+copiers-1)/copiers)
	var wg sync.WaitGroup
	for len(to) > 0 {
		var mine [][]byte
		mine, pieces = cut(pieces, share)
		part := to[:min(share, len(to))]
		to = to[len(part):]
		wg.Go(func() {
			for _, piece := range mine {
				part = part[copy(part, piece):]
			}
		})
	}
	wg.Wait()
}

// cut splits pieces after n bytes.
func cut(pieces [][]byte, n int) (head, tail [][]byte) {
	for i, piece := range pieces {
		if n <= len(piece) {
			head = append(append(head, pieces[:i]...), piece[:n])
			return head, append([][]byte{piece[n:]}, pieces[i+1:]...)
		}
		n -= len(piece)
	}
	return pieces, nil
}

// rawPieces views the values of a tensor and counts their bytes: one piece, or
// of [][]float32 and [][]int8 as many as there are, which stand one after
// another. No piece for types that no graph reads.
func rawPieces(data any) (pieces [][]byte, bytes int) {
	switch v := data.(type) {
	case []float32:
		pieces = [][]byte{view[byte](v)}
	case []int64:
		pieces = [][]byte{view[byte](v)}
	case []int8:
		pieces = [][]byte{view[byte](v)}
	case [][]float32:
		pieces = viewAll(v)
	case [][]int8:
		pieces = viewAll(v)
	}
	for _, p := range pieces {
		bytes += len(p)
	}
	return pieces, bytes
}

func viewAll[From any](parts [][]From) [][]byte {
	all := make([][]byte, len(parts))
	for i, part := range parts {
		all[i] = view[byte](part)
	}
	return all
}

// sameType views raw as what like holds.
func sameType(like any, raw []byte) any {
	switch like.(type) {
	case []float32, [][]float32:
		return view[float32](raw)
	case []int64:
		return view[int64](raw)
	}
	return view[int8](raw)
}

// view reads the same memory as another type. Alignment: pinned memory and Go's
// own slices of these types start at multiples of 8.
func view[To, From any](v []From) []To {
	if len(v) == 0 {
		return nil
	}
	var to To
	n := uintptr(len(v)) * unsafe.Sizeof(v[0]) / unsafe.Sizeof(to)
	return unsafe.Slice((*To)(unsafe.Pointer(unsafe.SliceData(v))), n) //nolint:gosec // see above
}
