// What the operators of ops_layer.c and ops_attention.c hand to the passes of ops_linear.c.
#ifndef SIGHTLINE_OPS_LINEAR_H
#define SIGHTLINE_OPS_LINEAR_H

#include "ops_gemm.h"

enum { HEAD = 64 };  // width of an attention head
enum { TEXT = 512 }; // the longest text, a multiple of 16

// sl_spread says where sums go. factor and bias may be NULL; bias_row is 0 where
// all rows have the same.
typedef struct {
	float *out;
	size_t row;
	const float *factor, *bias;
	size_t bias_row;
} sl_spread;

// sl_norm is what becomes of a row: residual is added, then LayerNorm. Without
// residual or without gamma that step is left out. Row r has row r % residual_rows
// of residual.
typedef struct {
	const float *residual, *gamma, *beta;
	size_t residual_rows;
	float epsilon;
} sl_norm;

// sl_linear is norm(before(x) W + bias).
typedef struct {
	const sl_gemm *gemm;
	const sl_weights *w;
	const float *x, *factor, *bias;
	float *out;
	sl_norm before, norm;
} sl_linear;

// sl_mlp is norm(gelu(before(x) up + bias) down + down_bias), norm's residual
// being x.
typedef struct {
	const sl_gemm *gemm;
	const sl_weights *up, *down;
	const float *x, *factor, *bias, *down_factor, *down_bias;
	float *out;
	sl_norm before, norm;
} sl_mlp;

// sl_linear_scratch is for a unit of rows: a of the quantised ones, normed of one
// row that before has been done to.
typedef struct {
	uint8_t *a;
	float *scale, *normed;
} sl_linear_scratch;

// sl_mlp_scratch is for a unit of rows: a of the wider rows, hidden of all
// columns, peak of 16 a row.
typedef struct {
	uint8_t *a;
	float *hidden, *peak, *scale, *inverse, *normed;
} sl_mlp_scratch;

// sl_cross is what the attention to patch states does beside attending: queries
// through W_q and each head's part of W_k, averages through its part of W_v. Row r
// has row r % x_rows of x, and bias r / length of the values' bias.
typedef struct {
	const sl_gemm *gemm;
	const sl_weights *query, *keys, *values; // one, heads, heads
	size_t heads;
	const float *x, *factor, *bias, *value_factor, *value_bias;
	size_t x_rows, length;
	float *out;
} sl_cross;

// sl_cross_scratch is for a unit of n rows: wide are its queries [heads,n,Dv],
// average [heads,n,Dv] and average_scale [heads,n] what comes of them.
typedef struct {
	uint8_t *a, *head; // quantised rows, of all heads and of one
	float *q, *wide, *scale, *average_scale;
	uint8_t *average;
	void *attend;
} sl_cross_scratch;

// sl_self is [texts*length,3*width] -> [texts*length,width], or of token 0 alone.
typedef struct {
	const float *qkv;
	float *out;
	const int64_t *lengths; // of each text, NULL where none is padded
	size_t length, width;
	int first;
} sl_self;

// sl_passes do a unit of rows.
typedef struct {
	void (*linear)(const sl_linear *j, size_t first, int rows, const sl_linear_scratch *s);
	void (*mlp)(const sl_mlp *j, size_t first, int rows, const sl_mlp_scratch *s);
	void (*queries)(const sl_cross *j, size_t first, int rows, const sl_cross_scratch *s);
	void (*values)(const sl_cross *j, size_t first, int rows, const sl_cross_scratch *s);
	void (*self)(const sl_self *j, size_t text);
} sl_passes;

const sl_passes *sl_passes_of(const char *level);

// sl_picture is full attention within pictures, [pictures*tokens,3*width] of
// queries, keys and values -> [pictures*tokens,width]. Queries are taken ASK at a
// time, group of these being a unit of work, groups of units a head.
enum { ASK = 32 };

typedef struct {
	const float *qkv;
	float *out;
	size_t tokens, width;
	size_t groups, group;
} sl_picture;

// sl_viewing does a unit of a picture's attention in scratch memory, which starts
// at a cache line.
typedef struct {
	size_t (*scratch)(size_t tokens);
	void (*attend)(const sl_picture *j, size_t unit, void *scratch);
} sl_viewing;

const sl_viewing *sl_viewing_of(const char *level);

#endif
