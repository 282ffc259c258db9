//go:build cgo && !windows

// PictureAttention with the bfloat16 tiles of AMX, laid out as in ops_view.c: what
// the softmax makes is the right operand of the second product, in its order, without
// being turned.

#include "ops_view.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define AMX __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,amx-tile,amx-bf16")))
#define AMX_INLINE AMX static inline __attribute__((always_inline))

// TILE is the values of a tile: 16 lines of 32.
enum { TILE = 512 };

typedef struct {
	uint16_t *keys;          // [tokens/16] tiles twice: 16 tokens by the first and last 32 columns
	uint16_t *values;        // [4][tokens/32] tiles: 16 columns by 32 tokens
	uint16_t *queries;       // [2 of 16 queries][2 of 32 columns] tiles, a line being 2 columns by 16 queries
	uint16_t *probabilities; // [tokens/32][2] tiles, a line being 2 tokens by 16 queries
	float *scores;           // [tokens,ASK]
	float *average;          // [HEAD,ASK]
	float *mean;             // [HEAD] of the values
	size_t steps;            // tokens/32
} amx_scratch;

static size_t amx_lay_out(size_t tokens, uint8_t *memory, amx_scratch *s) {
	size_t steps = (tokens + 31) / 32, at = 0;
	void *parts[7];
	size_t sizes[7] = {
		4 * steps * TILE * 2, 4 * steps * TILE * 2, 4 * TILE * 2, 2 * steps * TILE * 2, 32 * steps * ASK * sizeof(float), HEAD * ASK * sizeof(float),
		HEAD * sizeof(float),
	};
	for (int i = 0; i < 7; i++) {
		parts[i] = memory + at;
		at += sizes[i];
	}
	*s = (amx_scratch){parts[0], parts[1], parts[2], parts[3], parts[4], parts[5], parts[6], steps};
	return at;
}

size_t sl_view_amx_scratch(size_t tokens) {
	uint8_t none[1];
	amx_scratch s;
	return amx_lay_out(tokens, none, &s);
}

// halves rounds to bfloat16: what is left is in the upper 16 bits.
AMX_INLINE __m512i halves(__m512 x) { return _mm512_add_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(0x8000)); }

// pair has low in the lower half of each word.
AMX_INLINE __m512i pair(__m512 low, __m512 high) {
	return _mm512_ternarylogic_epi32(_mm512_srli_epi32(halves(low), 16), halves(high), _mm512_set1_epi32((int)0xffff0000), 0xf8);
}

// thirty_two rounds 32 floats in a row.
AMX_INLINE __m512i thirty_two(__m512 x, __m512 y) {
	const __m512i odd = _mm512_add_epi16(_mm512_set1_epi32(0x00030001), _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), _mm512_set1_epi32(0x00040004)));
	return _mm512_permutex2var_epi16(halves(x), odd, halves(y));
}

// turn makes lines of the columns of x, 16 by 16 words.
AMX_INLINE void turn(__m512i x[16]) {
	__m512i a[16], b[16];
#pragma GCC unroll 8
	for (int i = 0; i < 16; i += 2) {
		a[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
		a[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
	}
#pragma GCC unroll 4
	for (int i = 0; i < 16; i += 4) {
		b[i] = _mm512_unpacklo_epi64(a[i], a[i + 2]);
		b[i + 1] = _mm512_unpackhi_epi64(a[i], a[i + 2]);
		b[i + 2] = _mm512_unpacklo_epi64(a[i + 1], a[i + 3]);
		b[i + 3] = _mm512_unpackhi_epi64(a[i + 1], a[i + 3]);
	}
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++) {
		a[i] = _mm512_shuffle_i32x4(b[i], b[i + 4], 0x88);
		a[i + 4] = _mm512_shuffle_i32x4(b[i], b[i + 4], 0xdd);
		a[i + 8] = _mm512_shuffle_i32x4(b[i + 8], b[i + 12], 0x88);
		a[i + 12] = _mm512_shuffle_i32x4(b[i + 8], b[i + 12], 0xdd);
	}
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++) {
		x[i] = _mm512_shuffle_i32x4(a[i], a[i + 8], 0x88);
		x[i + 8] = _mm512_shuffle_i32x4(a[i], a[i + 8], 0xdd);
		x[i + 4] = _mm512_shuffle_i32x4(a[i + 4], a[i + 12], 0x88);
		x[i + 12] = _mm512_shuffle_i32x4(a[i + 4], a[i + 12], 0xdd);
	}
}

AMX static void pack_keys(const sl_view *v, const amx_scratch *s) {
	float mean[HEAD];
	mean_of(v, v->keys, mean);
	memset(s->keys, 0, 4 * s->steps * TILE * sizeof *s->keys);
	for (size_t t = 0; t < v->tokens; t++) {
		const float *k = v->keys + t * v->row;
		uint16_t *to = s->keys + t / 16 * 2 * TILE + t % 16 * 32;
		for (int c = 0; c < HEAD; c += 32, to += TILE) {
			__m512 x = _mm512_sub_ps(_mm512_loadu_ps(k + c), _mm512_loadu_ps(mean + c));
			__m512 y = _mm512_sub_ps(_mm512_loadu_ps(k + c + 16), _mm512_loadu_ps(mean + c + 16));
			_mm512_store_si512(to, thirty_two(x, y));
		}
	}
}

AMX static void pack_values(const sl_view *v, const amx_scratch *s) {
	mean_of(v, v->values, s->mean);
	for (size_t step = 0; step < s->steps; step++) {
		for (int c = 0; c < HEAD; c += 16) {
			__m512i x[16];
			__m512 mean = _mm512_load_ps(s->mean + c);
			for (size_t i = 0; i < 16; i++) {
				size_t t = step * 32 + 2 * i;
				const float *at = v->values + t * v->row + c;
				__m512 low = t < v->tokens ? _mm512_loadu_ps(at) : mean;
				__m512 high = t + 1 < v->tokens ? _mm512_loadu_ps(at + v->row) : mean;
				x[i] = pair(_mm512_sub_ps(low, mean), _mm512_sub_ps(high, mean));
			}
			turn(x);
			for (int i = 0; i < 16; i++)
				_mm512_store_si512(s->values + ((size_t)c / 16 * s->steps + step) * TILE + i * 32, x[i]);
		}
	}
}

// pack_queries takes 16 from q on, of count that there are.
AMX static void pack_queries(const sl_view *v, size_t q, size_t count, uint16_t *to) {
	const __m512 score = _mm512_set1_ps(SCORE);
	for (int c = 0; c < HEAD; c += 32, to += TILE) {
		__m512i x[16];
		for (size_t i = 0; i < 16; i++) {
			const float *at = v->queries + (q + (i < count ? i : 0)) * v->row + c;
			x[i] = thirty_two(_mm512_mul_ps(_mm512_loadu_ps(at), score), _mm512_mul_ps(_mm512_loadu_ps(at + 16), score));
		}
		turn(x);
		for (int i = 0; i < 16; i++)
			_mm512_store_si512(to + i * 32, x[i]);
	}
}

// first is the scores of 16 or 32 queries.
AMX_INLINE void first(const amx_scratch *s, size_t tokens, const int n) {
	_tile_loadd(4, s->queries, 64);
	_tile_loadd(5, s->queries + TILE, 64);
	if (n == 2) {
		_tile_loadd(6, s->queries + 2 * TILE, 64);
		_tile_loadd(7, s->queries + 3 * TILE, 64);
	}
	for (size_t t = 0; t < tokens; t += 16) {
		const uint16_t *keys = s->keys + t * 2 * TILE / 16;
		float *out = s->scores + t * ASK;
		_tile_loadd(2, keys, 64);
		_tile_loadd(3, keys + TILE, 64);
		_tile_zero(0);
		_tile_dpbf16ps(0, 2, 4);
		if (n == 2) {
			_tile_zero(1);
			_tile_dpbf16ps(1, 2, 6);
			_tile_dpbf16ps(1, 3, 7);
		}
		_tile_dpbf16ps(0, 3, 5);
		_tile_stored(0, out, ASK * sizeof(float));
		if (n == 2)
			_tile_stored(1, out + 16, ASK * sizeof(float));
	}
}

// exponential is 2^x for x at most 0, relative error 1e-4, a tenth of bfloat16's; it
// does not go below 2^-125.
AMX_INLINE __m512 exponential(__m512 x) {
	const __m512 round = _mm512_set1_ps(ROUND);
	x = _mm512_max_ps(_mm512_set1_ps(-125), x); // the second where one is NaN
	__m512 k = _mm512_add_ps(x, round), r = _mm512_sub_ps(x, _mm512_sub_ps(k, round));
	__m512 p = _mm512_fmadd_ps(_mm512_set1_ps(0.0551716644f), r, _mm512_set1_ps(0.2426111270f));
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.6932609858f));
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.9999280735f));
	return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(p), _mm512_slli_epi32(_mm512_castps_si512(k), 23)));
}

// softmax writes the probabilities but for their sums, of which it returns one over
// each.
AMX_INLINE void softmax(const amx_scratch *s, size_t tokens, const int n, __m512 inverse[2]) {
	__m512 high[2], sum[2];
	for (int h = 0; h < n; h++) {
		high[h] = _mm512_set1_ps(-INFINITY);
		sum[h] = _mm512_setzero_ps();
	}
	for (size_t t = 0; t < tokens; t++) {
		for (int h = 0; h < n; h++)
			high[h] = _mm512_max_ps(_mm512_load_ps(s->scores + t * ASK + h * 16), high[h]);
	}
	for (size_t t = 0; t < s->steps * 32; t += 2) {
		for (int h = 0; h < n; h++) {
			const float *at = s->scores + t * ASK + h * 16;
			__m512 p = _mm512_setzero_ps(), next = p;
			if (t < tokens)
				p = exponential(_mm512_sub_ps(_mm512_load_ps(at), high[h]));
			if (t + 1 < tokens)
				next = exponential(_mm512_sub_ps(_mm512_load_ps(at + ASK), high[h]));
			sum[h] = _mm512_add_ps(sum[h], _mm512_add_ps(p, next));
			_mm512_store_si512(s->probabilities + (t / 32 * 2 + (size_t)h) * TILE + t % 32 * 16, pair(p, next));
		}
	}
	for (int h = 0; h < n; h++)
		inverse[h] = _mm512_div_ps(_mm512_set1_ps(1), sum[h]);
}

// second is the averages of 16 or 32 queries.
AMX_INLINE void second(const amx_scratch *s, const int n) {
	for (int c = 0; c < HEAD; c += 32) {
		const uint16_t *values = s->values + (size_t)c / 16 * s->steps * TILE, *lower = values + s->steps * TILE;
		_tile_zero(0);
		_tile_zero(1);
		_tile_zero(2);
		_tile_zero(3);
		for (size_t i = 0; i < s->steps; i++) {
			_tile_loadd(4, values + i * TILE, 64);
			_tile_loadd(6, s->probabilities + i * 2 * TILE, 64);
			_tile_dpbf16ps(0, 4, 6);
			_tile_loadd(5, lower + i * TILE, 64);
			_tile_dpbf16ps(2, 5, 6);
			if (n == 2) {
				_tile_loadd(7, s->probabilities + (i * 2 + 1) * TILE, 64);
				_tile_dpbf16ps(1, 4, 7);
				_tile_dpbf16ps(3, 5, 7);
			}
		}
		float *out = s->average + c * ASK;
		_tile_stored(0, out, ASK * sizeof(float));
		_tile_stored(2, out + 16 * ASK, ASK * sizeof(float));
		if (n == 2) {
			_tile_stored(1, out + 16, ASK * sizeof(float));
			_tile_stored(3, out + 16 * ASK + 16, ASK * sizeof(float));
		}
	}
}

// write_out turns the averages of 16 queries, of which the values' mean was taken off,
// and writes those that there are.
AMX static void write_out(const sl_view *v, const float *average, const float *mean, __m512 inverse, size_t q, size_t count) {
	for (int c = 0; c < HEAD; c += 16) {
		__m512i x[16];
		for (int i = 0; i < 16; i++)
			x[i] = _mm512_castps_si512(_mm512_fmadd_ps(_mm512_load_ps(average + (c + i) * ASK), inverse, _mm512_set1_ps(mean[c + i])));
		turn(x);
		for (size_t i = 0; i < 16; i++) {
			if (i < count)
				_mm512_storeu_si512(v->out + (q + i) * v->width + c, x[i]);
		}
	}
}

// GCC takes a tile load not to read memory.
#define WRITTEN __asm__ volatile("" ::: "memory")

AMX_INLINE void attend(const sl_view *v, const amx_scratch *s, size_t q, const int n) {
	__m512 inverse[2];
	for (int h = 0; h < n; h++)
		pack_queries(v, q + (size_t)h * 16, v->to - q - (size_t)h * 16, s->queries + 2 * h * TILE);
	WRITTEN;
	first(s, v->tokens, n);
	softmax(s, v->tokens, n, inverse);
	WRITTEN;
	second(s, n);
	for (int h = 0; h < n; h++)
		write_out(v, s->average + h * 16, s->mean, inverse[h], q + (size_t)h * 16, v->to - q - (size_t)h * 16);
}

AMX void sl_view_amx(const sl_picture *j, size_t unit, void *scratch) {
	sl_view v = view_of(j, unit);
	amx_scratch s;
	amx_lay_out(v.tokens, scratch, &s);
	pack_keys(&v, &s);
	pack_values(&v, &s);
	const sl_gemm *gemm = sl_gemm_of("amx");
	gemm->begin();
	for (size_t q = v.from; q < v.to; q += ASK) {
		if (v.to - q > 16)
			attend(&v, &s, q, 2);
		else
			attend(&v, &s, q, 1);
	}
	gemm->end();
}

#endif
