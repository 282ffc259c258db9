// What the two kernels of PictureAttention share, ops_view.c and ops_view_amx.c.
#ifndef SIGHTLINE_OPS_VIEW_H
#define SIGHTLINE_OPS_VIEW_H

#include "ops_linear.h"
#include "ops_rows.h"

// SCORE is 1/8 and log2(e): scores are then exponents of 2.
#define SCORE (0.125f * 1.44269504f)

// sl_view is what a unit of sl_picture reads and writes.
typedef struct {
	const float *queries, *keys, *values; // of token 0
	float *out;
	size_t row, width, tokens;
	size_t from, to; // queries
} sl_view;

INLINE sl_view view_of(const sl_picture *j, size_t unit) {
	size_t heads = j->width / HEAD, head = unit / j->groups % heads, picture = unit / j->groups / heads;
	sl_view v = {.row = 3 * j->width, .width = j->width, .tokens = j->tokens};
	v.queries = j->qkv + picture * j->tokens * v.row + head * HEAD;
	v.keys = v.queries + j->width;
	v.values = v.keys + j->width;
	v.out = j->out + picture * j->tokens * j->width + head * HEAD;
	v.from = unit % j->groups * j->group * ASK;
	v.to = v.from + j->group * ASK < j->tokens ? v.from + j->group * ASK : j->tokens;
	return v;
}

// mean_of is the mean row of a picture's keys or values. Taken off keys, it changes
// no probability, since all scores of a query lose the same; taken off values, it is
// the average's again, since a query's probabilities sum to 1. What is left is
// smaller, and loses less in the rounding to bfloat16.
INLINE void mean_of(const sl_view *v, const float *rows, float *mean) {
	vf sum[HEAD / LANES] = {{0}};
	for (size_t t = 0; t < v->tokens; t++) {
		for (int c = 0; c < HEAD / LANES; c++)
			sum[c] += load(rows + t * v->row + c * LANES);
	}
	for (int c = 0; c < HEAD / LANES; c++)
		store(mean + c * LANES, sum[c] / (float)v->tokens);
}

size_t sl_view_amx_scratch(size_t tokens);
void sl_view_amx(const sl_picture *j, size_t unit, void *scratch);

#endif
