//go:build cgo

// Package kernel is the cross-attention of the match graph on int8 patch
// states, in C, for the CPU it runs on: AMX, AVX-512 with VNNI, AVX2 or any.
// All of them give the same bits.
package kernel

/*
#cgo CFLAGS: -O3 -std=c11 -Wall -Wextra
#cgo !darwin LDFLAGS: -lm
#include <stdlib.h>
#include "internal.h"

static void sl_pack_with(const sl_implementation *with, const int8_t *states, int tokens, int width, uint8_t *packed) {
  with->pack(states, tokens, width, packed);
}
static void sl_attend_with(const sl_implementation *with, const sl_attention *a) { with->attend(a); }
*/
import "C"

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"
)

// Variable is the environment variable that limits the instructions in use,
// for measuring: amx, avx512, avx2 or portable. It is read once.
const Variable = "SIGHTLINE_CPU"

// Levels are the implementations in the order of what they need of a CPU.
func Levels() []string { return []string{"portable", "avx2", "avx512", "amx"} }

// Limit is an error if SIGHTLINE_CPU names no instructions; all that the CPU
// has are used then.
func Limit() error {
	limit := os.Getenv(Variable)
	name := C.CString(limit)
	defer C.free(unsafe.Pointer(name))
	if C.sl_limit(name) < 0 {
		return fmt.Errorf("kernel: %s=%q: want one of %v, or unset it to use all that the CPU has", Variable, limit, Levels())
	}
	return nil
}

// An Attention is one call on Go's memory: out = softmax(Q Eᵀ) E, where E is
// States with each token's Scale. Rows of Q and Out are [Heads, Rows, Width].
type Attention struct {
	Heads, Length, Tokens, Width int
	// Rows is how many rows of Q and Out there are from one head's first to the
	// next's: Length, or more where a call takes some of them.
	Rows int

	Q      []float32
	QScale []float32 // nil, or a factor a row
	States []int8    // [Tokens, Width]
	Packed []byte    // of Pack
	Scale  []float32 // a token; 0 for a row of zeros

	Out      []float32 // or nil: then Out8, zero point 128, and OutScale a row
	Out8     []byte
	OutScale []float32
	Scratch  []byte // of Scratch
}

// Scratch is the memory that calls of one goroutine may share.
func Scratch(rows, tokens, width int) []byte {
	return aligned(int(C.sl_scratch_size(C.int(rows), C.int(tokens), C.int(width))))
}

// Pack is the states in the order in which the products read them. level is
// an index of Levels; false if this CPU cannot run it.
func Pack(level int, states []int8, tokens, width int) ([]byte, bool) {
	packed := aligned(int(C.sl_packed_size(C.int(tokens), C.int(width))))
	return packed, PackInto(level, packed, states, tokens, width)
}

// PackInto is Pack into packed.
func PackInto(level int, packed []byte, states []int8, tokens, width int) bool {
	with := C.sl_level(C.int(level))
	if with == nil {
		return false
	}
	C.sl_pack_with(with, (*C.int8_t)(unsafe.SliceData(states)), C.int(tokens), C.int(width), (*C.uint8_t)(unsafe.SliceData(packed)))
	return true
}

// Run computes the attention. level is an index of Levels; false if this CPU
// cannot run it. Calls may run at the same time, each with its own Scratch.
func (a *Attention) Run(level int) bool {
	with := C.sl_level(C.int(level))
	if with == nil {
		return false
	}
	// A C struct may hold Go pointers for the length of a call if they are pinned.
	var pins runtime.Pinner
	defer pins.Unpin()
	call := C.sl_attention{
		q: (*C.float)(pin(&pins, a.Q)), q_scale: (*C.float)(pin(&pins, a.QScale)), q_head: C.size_t(a.Rows * a.Width),
		heads: C.int(a.Heads), length: C.int(a.Length),
		states: (*C.int8_t)(pin(&pins, a.States)), packed: (*C.uint8_t)(pin(&pins, a.Packed)),
		scale: (*C.float)(pin(&pins, a.Scale)), tokens: C.int(a.Tokens), width: C.int(a.Width),
		out: (*C.float)(pin(&pins, a.Out)), out8: (*C.uint8_t)(pin(&pins, a.Out8)), out_scale: (*C.float)(pin(&pins, a.OutScale)),
		scratch: pin(&pins, a.Scratch),
	}
	C.sl_attend_with(with, &call) //nolint:gocritic // of what cgo makes of the line
	return true
}

func pin[T any](pins *runtime.Pinner, s []T) unsafe.Pointer {
	if len(s) == 0 {
		return nil
	}
	pins.Pin(unsafe.SliceData(s))
	return unsafe.Pointer(unsafe.SliceData(s))
}

// aligned is memory that starts at a cache line.
func aligned(n int) []byte {
	b := make([]byte, n+64)
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) & 63)
	return b[skip : skip+n : skip+n]
}
