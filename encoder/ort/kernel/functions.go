//go:build cgo

package kernel

/*
#include "attend.h"

// The order is that of sl_functions in encoder/ort/ops.h.
static const void *functions[] = {(void *)sl_packed_size, (void *)sl_scratch_size, (void *)sl_pack, (void *)sl_attend};

static const void *table(void) { return functions; }
*/
import "C"

import "unsafe"

// Functions returns the kernels' C functions, for encoder/ort to call from C: one
// cgo package cannot link to the C of another.
func Functions() unsafe.Pointer { return C.table() }

// Instructions names what the kernels use on this processor: "amx",
// "avx512vnni", "avx2" or "portable".
func Instructions() string { return C.GoString(C.sl_instructions()) }
