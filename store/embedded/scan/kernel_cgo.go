//go:build cgo

package scan

/*
#cgo CFLAGS: -O3
#cgo noescape scan_block
#cgo nocallback scan_block
#include "kernel.h"
*/
import "C"

// kernels lists what this processor can run, the fastest first.
func kernels() []kernel {
	var all []kernel
	for k := C.SCAN_KERNELS - 1; k >= C.SCAN_SCALAR; k-- {
		if C.scan_supported(C.int(k)) != 0 {
			all = append(all, kernel(k))
		}
	}
	return append(all, twin)
}

// scan is one call into C for a whole block, which adds 45 ns to it.
func (k kernel) scan(t task, out *room) int {
	if k == twin {
		return t.scan(out)
	}
	if len(t.selected) == 0 {
		return 0
	}
	q := t.query
	return int(C.scan_block(C.int(k), C.scan_task{
		codes:        (*C.uint8_t)(&t.block.codes[0]),
		metas:        (*C.float)(&t.block.metas[0].scale),
		selected:     (*C.uint64_t)(&t.selected[0]),
		query:        (*C.int8_t)(&q.code[0]),
		slots:        (*C.uint32_t)(&out.slots[0]),
		dots:         (*C.int32_t)(&out.dots[0]),
		words:        C.int32_t(len(t.selected)),
		stride:       C.int32_t(len(q.code)),
		bias:         C.int32_t(q.bias),
		scale:        C.float(q.scale),
		per_residual: C.float(q.perResidual),
		per_norm:     C.float(q.perNorm),
		floor:        C.float(t.floor),
	}))
}
