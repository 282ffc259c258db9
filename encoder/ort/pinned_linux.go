//go:build cgo && linux

package ort

/*
#cgo LDFLAGS: -ldl
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>

// The CUDA runtime that the provider has loaded; none is loaded for this.
static void *cuda_symbol(const char *name) {
	const char *libraries[] = {"libcudart.so.13", "libcudart.so.12", "libcudart.so.11.0"};
	for (int i = 0; i < 3; i++) {
		void *library = dlopen(libraries[i], RTLD_NOW | RTLD_NOLOAD);
		if (library == NULL) continue;
		void *symbol = dlsym(library, name);
		dlclose(library); // drops the reference that dlopen took
		return symbol;
	}
	return NULL;
}

static void *pinned_alloc(size_t n, int device) {
	int (*set)(int) = (int (*)(int))cuda_symbol("cudaSetDevice");
	int (*alloc)(void **, size_t, unsigned) = (int (*)(void **, size_t, unsigned))cuda_symbol("cudaHostAlloc");
	void *p = NULL;
	if (set == NULL || alloc == NULL || set(device) != 0 || alloc(&p, n, 1) != 0) return NULL; // 1: cudaHostAllocPortable
	return p;
}

static void pinned_free(void *p) {
	int (*release)(void *) = (int (*)(void *))cuda_symbol("cudaFreeHost");
	if (release != NULL) release(p);
}
*/
import "C"

import "unsafe"

// pinnedAlloc returns n bytes of host memory that the device reads by itself,
// nil where there is none.
func pinnedAlloc(n, device int) []byte {
	p := C.pinned_alloc(C.size_t(n), C.int(device))
	if p == nil {
		return nil
	}
	return unsafe.Slice((*byte)(p), n)
}

func pinnedFree(memory []byte) {
	C.pinned_free(unsafe.Pointer(unsafe.SliceData(memory)))
}
