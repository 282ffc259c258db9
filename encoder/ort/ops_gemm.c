//go:build cgo && !windows

#include "ops_gemm.h"

#include <stdlib.h>
#include <string.h>

int sl_weights_pack(sl_weights *w, const int8_t *source, size_t row, size_t column) {
	w->depth = (w->k + 63) / 64;
	w->panels = (w->n + BLOCK - 1) / BLOCK * 2;
	size_t panel = (size_t)w->depth * 1024, size = (size_t)w->panels * panel;
	void *tiles = NULL;
	w->offset = calloc((size_t)w->panels * 16, sizeof *w->offset);
	if (w->offset == NULL || posix_memalign(&tiles, 64, size) != 0)
		return 0;
	w->tiles = memset(tiles, 0, size);
	for (size_t i = 0; i < (size_t)w->k; i++) {
		for (size_t j = 0; j < (size_t)w->n; j++) {
			int8_t v = source[i * row + j * column];
			w->tiles[j / 16 * panel + i / 4 * 64 + j % 16 * 4 + i % 4] = v;
			w->offset[j] -= 128 * v;
		}
	}
	return 1;
}

void sl_weights_free(sl_weights *w) {
	free(w->tiles);
	free(w->offset);
}

static const int8_t *panel(const sl_weights *w, int nb, int half) {
	return w->tiles + ((size_t)nb * 2 + (size_t)half) * (size_t)w->depth * 1024;
}

static void nothing(void) {}

static void block_portable(const uint8_t *a, size_t stride, const sl_weights *w, int nb, int32_t *c) {
	for (int half = 0; half < 2; half++) {
		const int8_t *lines = panel(w, nb, half);
		for (int r = 0; r < BLOCK; r++) {
			int32_t *out = c + r * BLOCK + half * 16;
			memcpy(out, w->offset + nb * BLOCK + half * 16, 16 * sizeof *out);
			for (int q = 0; q < w->depth * 16; q++) {
				const uint8_t *x = a + (size_t)r * stride + q * 4;
				const int8_t *line = lines + (size_t)q * 64;
				for (int j = 0; j < 16; j++)
					out[j] += x[0] * line[4 * j] + x[1] * line[4 * j + 1] + x[2] * line[4 * j + 2] + x[3] * line[4 * j + 3];
			}
		}
	}
}

static const sl_gemm portable = {"portable", block_portable, nothing, nothing};

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,fma")))
#define VNNI __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))
#define AMX __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,amx-tile,amx-int8")))

// avx2_rows is two rows by 16 columns. Values are widened to 16 bits: the 8-bit
// multiplication of AVX2 adds two products in 16 bits and cuts them off there.
// A register holds two sums for each of four columns.
AVX2 static inline void avx2_rows(const uint8_t *a, size_t stride, const sl_weights *w, const int8_t *lines, const int32_t *offset, int32_t *c) {
	__m256i s0[4], s1[4];
	for (int j = 0; j < 4; j++)
		s0[j] = s1[j] = _mm256_setzero_si256();
	for (int q = 0; q < w->depth * 16; q++) {
		int32_t x0, x1;
		memcpy(&x0, a + q * 4, 4);
		memcpy(&x1, a + stride + q * 4, 4);
		__m256i r0 = _mm256_cvtepu8_epi16(_mm_set1_epi32(x0)), r1 = _mm256_cvtepu8_epi16(_mm_set1_epi32(x1));
		for (int j = 0; j < 4; j++) {
			__m256i v = _mm256_cvtepi8_epi16(_mm_load_si128((const __m128i *)(lines + (size_t)q * 64) + j));
			s0[j] = _mm256_add_epi32(s0[j], _mm256_madd_epi16(r0, v));
			s1[j] = _mm256_add_epi32(s1[j], _mm256_madd_epi16(r1, v));
		}
	}
	for (int j = 0; j < 4; j += 2) {
		// hadd works in halves: columns 0 1 4 5 | 2 3 6 7.
		__m256i o = _mm256_loadu_si256((const __m256i *)(offset + 4 * j));
		__m256i h0 = _mm256_permute4x64_epi64(_mm256_hadd_epi32(s0[j], s0[j + 1]), 0xd8);
		__m256i h1 = _mm256_permute4x64_epi64(_mm256_hadd_epi32(s1[j], s1[j + 1]), 0xd8);
		_mm256_storeu_si256((__m256i *)(c + 4 * j), _mm256_add_epi32(h0, o));
		_mm256_storeu_si256((__m256i *)(c + BLOCK + 4 * j), _mm256_add_epi32(h1, o));
	}
}

AVX2 static void block_avx2(const uint8_t *a, size_t stride, const sl_weights *w, int nb, int32_t *c) {
	for (int half = 0; half < 2; half++) {
		for (int r = 0; r < BLOCK; r += 2)
			avx2_rows(a + (size_t)r * stride, stride, w, panel(w, nb, half), w->offset + nb * BLOCK + half * 16, c + r * BLOCK + half * 16);
	}
}

VNNI static void block_vnni(const uint8_t *a, size_t stride, const sl_weights *w, int nb, int32_t *c) {
	const int8_t *left = panel(w, nb, 0), *right = panel(w, nb, 1);
	__m512i o0 = _mm512_loadu_si512(w->offset + nb * BLOCK), o1 = _mm512_loadu_si512(w->offset + nb * BLOCK + 16);
	for (int r = 0; r < BLOCK; r += 8) {
		const uint8_t *x = a + (size_t)r * stride;
		__m512i s[8][2];
		for (int i = 0; i < 8; i++)
			s[i][0] = o0, s[i][1] = o1;
		for (int q = 0; q < w->depth * 16; q++) {
			__m512i v0 = _mm512_load_si512(left + (size_t)q * 64), v1 = _mm512_load_si512(right + (size_t)q * 64);
#pragma GCC unroll 8
			for (int i = 0; i < 8; i++) {
				int32_t four;
				memcpy(&four, x + (size_t)i * stride + q * 4, 4);
				__m512i b = _mm512_set1_epi32(four);
				s[i][0] = _mm512_dpbusd_epi32(s[i][0], b, v0);
				s[i][1] = _mm512_dpbusd_epi32(s[i][1], b, v1);
			}
		}
		for (int i = 0; i < 8; i++) {
			_mm512_storeu_si512(c + (r + i) * BLOCK, s[i][0]);
			_mm512_storeu_si512(c + (r + i) * BLOCK + 16, s[i][1]);
		}
	}
}

// Tiles 0 to 3 are sums, 4 and 5 rows, 6 and 7 weights: all of 16 rows of 64
// bytes. A constant, since GCC takes the instruction to read 8 bytes of it only and
// would leave out stores to the rest.
static const struct {
	uint8_t palette, start, reserved[14];
	uint16_t bytes[16];
	uint8_t rows[16];
} tiles __attribute__((aligned(64))) = {
	.palette = 1,
	.bytes = {64, 64, 64, 64, 64, 64, 64, 64},
	.rows = {16, 16, 16, 16, 16, 16, 16, 16},
};

AMX static void tiles_begin(void) { _tile_loadconfig(&tiles); }

AMX static void tiles_end(void) { _tile_release(); }

AMX static void block_amx(const uint8_t *a, size_t stride, const sl_weights *w, int nb, int32_t *c) {
	const int8_t *left = panel(w, nb, 0), *right = panel(w, nb, 1);
	const uint8_t *lower = a + 16 * stride;
	__asm__ volatile("" ::: "memory"); // GCC does not know that a tile load reads memory
	const int32_t *start = w->offset + nb * BLOCK;
	// All lines of a tile of sums start as the same: a load with stride 0.
	_tile_loadd(0, start, 0);
	_tile_loadd(1, start + 16, 0);
	_tile_loadd(2, start, 0);
	_tile_loadd(3, start + 16, 0);
	// Rows pass by without a stay in the nearest cache, where the weights are wanted
	// again for the next rows.
	for (int q = 0; q < w->depth; q++) {
		_tile_stream_loadd(4, a + q * 64, stride);
		_tile_loadd(6, left + (size_t)q * 1024, 64);
		_tile_loadd(7, right + (size_t)q * 1024, 64);
		_tile_stream_loadd(5, lower + q * 64, stride);
		_tile_dpbusd(0, 4, 6);
		_tile_dpbusd(1, 4, 7);
		_tile_dpbusd(2, 5, 6);
		_tile_dpbusd(3, 5, 7);
	}
	_tile_stored(0, c, BLOCK * 4);
	_tile_stored(1, c + 16, BLOCK * 4);
	_tile_stored(2, c + 16 * BLOCK, BLOCK * 4);
	_tile_stored(3, c + 16 * BLOCK + 16, BLOCK * 4);
}

static const sl_gemm levels[] = {
	{"avx2", block_avx2, nothing, nothing},
	{"avx512vnni", block_vnni, nothing, nothing},
	{"amx", block_amx, tiles_begin, tiles_end},
};

const sl_gemm *sl_gemm_of(const char *name) {
	for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
		if (strcmp(levels[i].name, name) == 0)
			return &levels[i];
	}
	return &portable;
}
#else
const sl_gemm *sl_gemm_of(const char *name) {
	(void)name;
	return &portable;
}
#endif
