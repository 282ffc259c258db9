//go:build cgo && !windows

#include "ops_view.h"

// PictureAttention in float32. Queries are lanes: scores [tokens,ASK] are keys times
// turned queries, averages [HEAD,ASK] turned values times probabilities, so that the
// softmax goes down the columns and both products are one.

// STEP is a multiple of the rows that a tile of any level has.
enum { STEP = 8 };

typedef struct {
	float *keys, *values;       // [tokens,HEAD]
	float *queries, *average;   // [HEAD,ASK]
	float *scores;              // [tokens,ASK]
} view_scratch;

static size_t view_lay_out(size_t tokens, float *memory, view_scratch *s) {
	size_t t = (tokens + STEP - 1) / STEP * STEP;
	s->keys = memory;
	s->values = s->keys + t * HEAD;
	s->queries = s->values + t * HEAD;
	s->average = s->queries + HEAD * ASK;
	s->scores = s->average + HEAD * ASK;
	return t * (2 * HEAD + ASK) + 2 * HEAD * ASK;
}

static size_t view_scratch_size(size_t tokens) {
	float none[1];
	view_scratch s;
	return view_lay_out(tokens, none, &s) * sizeof(float);
}

// tile is n rows of a times b [steps,ASK]; value (i, k) of a stands at i*si + k*sk.
INLINE void tile(const int n, const float *a, size_t si, size_t sk, size_t steps, const float *b, float *c) {
	vf s[STEP][2];
#pragma GCC unroll 8
	for (int i = 0; i < n; i++)
		s[i][0] = s[i][1] = (vf){0};
	for (size_t k = 0; k < steps; k++) {
		vf b0 = load(b + k * ASK), b1 = load(b + k * ASK + LANES);
#pragma GCC unroll 8
		for (int i = 0; i < n; i++) {
			float x = a[(size_t)i * si + k * sk];
			s[i][0] += b0 * x;
			s[i][1] += b1 * x;
		}
	}
#pragma GCC unroll 8
	for (int i = 0; i < n; i++) {
		store(c + i * ASK, s[i][0]);
		store(c + i * ASK + LANES, s[i][1]);
	}
}

INLINE void gather(const sl_view *v, const view_scratch *s) {
	for (size_t t = 0; t < v->tokens; t++) {
		for (int c = 0; c < HEAD; c += LANES) {
			store(s->keys + t * HEAD + c, load(v->keys + t * v->row + c));
			store(s->values + t * HEAD + c, load(v->values + t * v->row + c));
		}
	}
	for (size_t t = v->tokens; t % STEP != 0; t++)
		memset(s->keys + t * HEAD, 0, HEAD * sizeof(float));
}

// probabilities turns scores into weights and returns one over their sums in sum.
INLINE void probabilities(const sl_view *v, float *scores, vf sum[2]) {
	vf high[2] = {all(-INFINITY), all(-INFINITY)};
	for (size_t t = 0; t < v->tokens; t++) {
		for (int h = 0; h < 2; h++)
			high[h] = larger(load(scores + t * ASK + h * LANES), high[h]);
	}
	sum[0] = sum[1] = (vf){0};
	for (size_t t = 0; t < v->tokens; t++) {
		for (int h = 0; h < 2; h++) {
			float *at = scores + t * ASK + h * LANES;
			vf p = exp2_of(load(at) - high[h]);
			sum[h] += p;
			store(at, p);
		}
	}
	sum[0] = 1.0f / sum[0];
	sum[1] = 1.0f / sum[1];
}

INLINE void view(const sl_picture *j, size_t unit, float *scratch, const int n) {
	sl_view v = view_of(j, unit);
	view_scratch s;
	view_lay_out(v.tokens, scratch, &s);
	gather(&v, &s);
	for (size_t q = v.from; q < v.to; q += ASK) {
		size_t count = v.to - q < ASK ? v.to - q : ASK;
		memset(s.queries, 0, HEAD * ASK * sizeof(float));
		for (size_t i = 0; i < count; i++) {
			for (int c = 0; c < HEAD; c++)
				s.queries[c * ASK + i] = v.queries[(q + i) * v.row + c] * SCORE;
		}
		for (size_t t = 0; t < v.tokens; t += n)
			tile(n, s.keys + t * HEAD, HEAD, 1, HEAD, s.queries, s.scores + t * ASK);
		vf sum[2];
		float inverse[ASK];
		probabilities(&v, s.scores, sum);
		memcpy(inverse, sum, sizeof inverse);
		for (int c = 0; c < HEAD; c += n)
			tile(n, s.values + c, 1, HEAD, v.tokens, s.scores, s.average + c * ASK);
		for (size_t i = 0; i < count; i++) {
			for (int c = 0; c < HEAD; c++)
				v.out[(q + i) * v.width + c] = s.average[c * ASK + i] * inverse[i];
		}
	}
}

// VIEW makes the kernel for one level, n rows of a tile being what its registers
// hold.
#define VIEW(name, target, n) \
	target static void view_##name(const sl_picture *j, size_t unit, void *scratch) { view(j, unit, scratch, n); } \
	static const sl_viewing viewing_##name = {view_scratch_size, view_##name};

VIEW(portable, , 2)
#if defined(__x86_64__)
VIEW(avx2, __attribute__((target("avx2,fma"))), 2)
VIEW(avx512, __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))), 8)
static const sl_viewing viewing_amx = {sl_view_amx_scratch, sl_view_amx};
#endif

const sl_viewing *sl_viewing_of(const char *level) {
#if defined(__x86_64__)
	if (strcmp(level, "amx") == 0)
		return &viewing_amx;
	if (strcmp(level, "avx512vnni") == 0)
		return &viewing_avx512;
	if (strcmp(level, "avx2") == 0)
		return &viewing_avx2;
#endif
	return &viewing_portable;
}
