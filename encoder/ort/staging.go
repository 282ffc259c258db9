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
// fit. It is valid until the next take.
func (s *staging) take(inputs []encoder.Tensor) []encoder.Tensor {
	if s.limit == 0 || !s.grow(needed(inputs)) {
		return inputs
	}
	moved, at := make([]encoder.Tensor, len(inputs)), 0
	for i, t := range inputs {
		moved[i] = t
		raw := rawBytes(t.Data)
		if len(raw) < stageFrom || at+len(raw) > len(s.memory) {
			continue
		}
		place := s.memory[at : at+len(raw)]
		copyWide(place, raw)
		moved[i].Data = sameType(t.Data, place)
		at += (len(raw) + stageAlign - 1) / stageAlign * stageAlign
	}
	return moved
}

func needed(inputs []encoder.Tensor) int {
	total := 0
	for _, t := range inputs {
		if n := len(rawBytes(t.Data)); n >= stageFrom {
			total += (n + stageAlign - 1) / stageAlign * stageAlign
		}
	}
	return total
}

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

// copyWide copies with up to four goroutines: one core moves 10 GB/s, the bus
// several times that.
func copyWide(to, from []byte) {
	const piece, most = 4 << 20, 4
	workers := min(most, (len(from)+piece-1)/piece)
	size := (len(from) + workers - 1) / workers
	var wg sync.WaitGroup
	for at := 0; at < len(from); at += size {
		wg.Go(func() { copy(to[at:], from[at:min(at+size, len(from))]) })
	}
	wg.Wait()
}

// rawBytes views the values of a tensor, nil for types that no graph reads.
func rawBytes(data any) []byte {
	switch v := data.(type) {
	case []float32:
		return view[byte](v)
	case []int64:
		return view[byte](v)
	case []int8:
		return view[byte](v)
	}
	return nil
}

// sameType views raw as what like is.
func sameType(like any, raw []byte) any {
	switch like.(type) {
	case []float32:
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
