// int8 matrices for the operators: packing, and products of 32 rows at a time.
#ifndef SIGHTLINE_OPS_GEMM_H
#define SIGHTLINE_OPS_GEMM_H

#include <stddef.h>
#include <stdint.h>

// BLOCK is the rows and the columns of one step of a product.
enum { BLOCK = 32 };

// sl_weights are int8 [k,n], packed: panels of 16 columns, in each tiles of 64
// values of k in 16 lines of 4 by 16 columns. That is what a tile register of AMX
// reads, and a line is what one instruction of VNNI reads. Padding is 0.
typedef struct {
	int k, n;
	int depth, panels; // k/64 and n/16, rounded up, the latter to an even number
	int8_t *tiles;
	int32_t *offset; // -128 times the sum of a column: rows are uint8 with zero point 128
} sl_weights;

// sl_weights_pack reads value (i, j) at source[i*row + j*column]. false: no memory.
int sl_weights_pack(sl_weights *w, const int8_t *source, size_t row, size_t column);
void sl_weights_free(sl_weights *w);

// sl_block computes rows a [32, depth*64] uint8 times the columns 32*nb to
// 32*nb+31 into c [32,32]. All 32 rows are read.
typedef void sl_block(const uint8_t *a, size_t stride, const sl_weights *w, int nb, int32_t *c);

// sl_gemm is the products of one processor level. begin and end stand around the
// blocks of a thread's unit of work.
typedef struct {
	const char *name; // as in sl_instructions
	sl_block *block;
	void (*begin)(void);
	void (*end)(void);
} sl_gemm;

// sl_gemm_of returns that of the name, the portable one if there is none.
const sl_gemm *sl_gemm_of(const char *name);

#endif
