// The C side of store/embedded/scan; kernel_cgo.go is its only caller.
#ifndef SIGHTLINE_SCAN_KERNEL_H
#define SIGHTLINE_SCAN_KERNEL_H

#include <stdint.h>

// The numbers are an order of preference: the largest supported one is taken.
enum {
	SCAN_SCALAR = 1,
	SCAN_AVX2 = 2,
	SCAN_VNNI = 3,
	SCAN_NEON = 4,
	SCAN_DOTPROD = 5,
	SCAN_KERNELS = 6
};

// scan_task is the proposal pass over one block; see task in kernel.go. A slot
// is proposed when its upper bound reaches floor.
typedef struct {
	const uint8_t *codes;     // [64*words, stride], each code + 128
	const float *metas;       // [64*words, 3]: scale, residual, norm
	const uint64_t *selected; // [words]
	const int8_t *query;      // [stride]
	uint32_t *slots;          // [64*words], out: proposed slots, ascending
	int32_t *dots;            // [64*words], out: their integer dot products
	int32_t words, stride;    // stride is a multiple of 64
	int32_t bias;             // 128 * the sum of query
	float scale, per_residual, per_norm, floor;
} scan_task;

// scan_supported says whether this build and this processor have a kernel.
int scan_supported(int kernel);

// scan_block returns how many slots it proposes. It reads the rows of selected
// slots and no others, so a writer may fill other rows meanwhile. kernel must be
// supported.
int32_t scan_block(int kernel, scan_task t);

#endif
