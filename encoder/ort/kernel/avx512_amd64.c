#if defined(__x86_64__)

#include "avx512_amd64.h"

// first is the products of 16 tokens with 32 rows. Queries are unsigned here,
// 128 too large: that times the token's sum is taken off.
SL_AVX512 static inline void first(const uint8_t *states, const uint8_t *q, size_t steps, const int32_t *sums, int32_t *out) {
  const uint8_t *q1 = q + steps * 1024;
  for (int half = 0; half < 16; half += 8) {
    __m512i c0[8], c1[8];
    for (int t = 0; t < 8; t++) c0[t] = c1[t] = _mm512_set1_epi32(-128 * sums[half + t]);
    for (size_t k = 0; k < steps; k++) {
      const uint8_t *e = states + k * 1024 + half * 64;
      for (int i = 0; i < 16; i++) {
        __m512i b0 = _mm512_load_si512(q + k * 1024 + i * 64), b1 = _mm512_load_si512(q1 + k * 1024 + i * 64);
        for (int t = 0; t < 8; t++) {
          __m512i x = _mm512_set1_epi32(*(const int32_t *)(e + t * 64 + i * 4));
          c0[t] = _mm512_dpbusd_epi32(c0[t], b0, x);
          c1[t] = _mm512_dpbusd_epi32(c1[t], b1, x);
        }
      }
    }
    for (int t = 0; t < 8; t++) {
      _mm512_store_si512(out + (half + t) * SL_ROWS, c0[t]);
      _mm512_store_si512(out + (half + t) * SL_ROWS + 16, c1[t]);
    }
  }
}

// second is the sums of 32 columns of 8 rows.
SL_AVX512 static inline void second(const uint8_t *p, const uint8_t *e0, const uint8_t *e1, size_t steps, int32_t *out, size_t stride) {
  __m512i c0[8], c1[8];
  for (int r = 0; r < 8; r++) c0[r] = c1[r] = _mm512_setzero_si512();
  for (size_t k = 0; k < steps; k++) {
    for (int i = 0; i < 16; i++) {
      __m512i b0 = _mm512_loadu_si512(e0 + k * 1024 + i * 64), b1 = _mm512_loadu_si512(e1 + k * 1024 + i * 64);
      for (int r = 0; r < 8; r++) {
        __m512i x = _mm512_set1_epi32(*(const int32_t *)(p + k * 1024 + r * 64 + i * 4));
        c0[r] = _mm512_dpbusd_epi32(c0[r], x, b0);
        c1[r] = _mm512_dpbusd_epi32(c1[r], x, b1);
      }
    }
  }
  for (int r = 0; r < 8; r++) {
    _mm512_store_si512(out + r * stride, c0[r]);
    if (e1 != e0) _mm512_store_si512(out + r * stride + 16, c1[r]);
  }
}

SL_AVX512 static void sums(const sl_attention *a, const sl_scratch *s, int rows, size_t stride) {
  size_t blocks = sl_up(a->tokens, 64) / 64;
  for (int c = 0; c < a->width; c += 32) {
    const uint8_t *e0 = sl_second(a) + c * blocks * 64, *e1 = a->width - c > 16 ? e0 + blocks * 1024 : e0;
    for (int i = 0; i < rows; i += 8) {
      const uint8_t *p = s->p + (size_t)(i / 16) * blocks * 1024 + i % 16 * 64;
      second(p, e0, e1, blocks, s->sums + i * stride + c, stride);
    }
  }
}

SL_AVX512 static void block(const sl_attention *a, const sl_scratch *s, int r, int rows) {
  _Alignas(64) float factor[SL_ROWS] = {0}, sum[SL_ROWS], top[SL_ROWS];
  int tokens = (int)sl_up(a->tokens, 16);
  size_t steps = sl_up(a->width, 64) / 64, blocks = sl_up(a->tokens, 64) / 64, stride = sl_up(a->width, 64);
  for (int i = 0; i < SL_ROWS; i += 16) {
    int n = rows - i < 16 ? rows - i : 16;
    sl_quantise16(a, n > 0 ? r + i : r, n, s->q + i * steps * 64, factor + i, 0x80, (uint8_t *)s->sums);
  }
  __m512 high[2] = {_mm512_set1_ps(SL_NEVER), _mm512_set1_ps(SL_NEVER)};
  for (int t = 0; t < tokens; t += 16) {
    float *scores = s->scores + (size_t)t * SL_ROWS;
    first(a->packed + t * steps * 64, s->q, steps, sl_sums(a) + t, (int32_t *)scores);
    sl_scaled(scores, 16, &s->tokens, t, factor, high);
  }
  for (int i = 0; i < rows; i += 16) {
    _mm512_store_ps(top + i, high[i / 16]);
    _mm512_store_ps(sum + i, sl_weights16(s->scores + i, tokens, s->tokens.inverse, high[i / 16], s->p + i * blocks * 64));
  }
  sums(a, s, rows, stride);
  for (int i = 0; i < rows; i++) {
    sl_write512(a, r + i, s->sums + i * stride, sl_factor(factor[i], top[i], sum[i], s->tokens.zeros));
  }
}

SL_AVX512 static void attend(const sl_attention *a) {
  sl_scratch s;
  int rows = a->heads * a->length;
  sl_carve(&s, a->scratch, a->tokens, a->width);
  sl_prepare(a, &s.tokens);
  for (int r = 0; r < rows; r += SL_ROWS) block(a, &s, r, rows - r < SL_ROWS ? rows - r : SL_ROWS);
}

// pack16 writes a tile: 16 columns of 64 tokens, n of which are there.
SL_AVX512 static inline void pack16(const int8_t *states, size_t width, int n, __mmask16 columns, uint8_t *tile) {
  for (int g = 0; g < 16; g++, tile += 64) {
    __m128i x[4];
    for (int j = 0; j < 4; j++) {
      int t = 4 * g + j;
      x[j] = t < n ? _mm_maskz_loadu_epi8(columns, states + t * width) : _mm_setzero_si128();
    }
    __m128i l0 = _mm_unpacklo_epi8(x[0], x[1]), h0 = _mm_unpackhi_epi8(x[0], x[1]);
    __m128i l1 = _mm_unpacklo_epi8(x[2], x[3]), h1 = _mm_unpackhi_epi8(x[2], x[3]);
    _mm_storeu_si128((__m128i *)tile, _mm_unpacklo_epi16(l0, l1));
    _mm_storeu_si128((__m128i *)tile + 1, _mm_unpackhi_epi16(l0, l1));
    _mm_storeu_si128((__m128i *)tile + 2, _mm_unpacklo_epi16(h0, h1));
    _mm_storeu_si128((__m128i *)tile + 3, _mm_unpackhi_epi16(h0, h1));
  }
}

// pack_rows copies the states into the first product's tiles and sums them.
SL_AVX512 static void pack_rows(const int8_t *states, int tokens, int width, uint8_t *first, int32_t *sums) {
  size_t steps = sl_up(width, 64) / 64;
  for (int t = 0; t < (int)sl_up(tokens, 16); t++) {
    const int8_t *row = states + (size_t)t * width;
    uint8_t *to = first + (size_t)(t / 16) * steps * 1024 + t % 16 * 64;
    __m512i sum = _mm512_setzero_si512();
    for (int k = 0; k < (int)steps; k++) {
      int left = t < tokens ? width - 64 * k : 0;
      __mmask64 mask = left >= 64 ? ~0ull : left > 0 ? (1ull << left) - 1 : 0;
      __m512i x = _mm512_maskz_loadu_epi8(mask, row + 64 * k);
      _mm512_storeu_si512(to + k * 1024, x);
      sum = _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(1), x);
    }
    sums[t] = _mm512_reduce_add_epi32(sum);
  }
  for (size_t t = sl_up(tokens, 16); t < sl_up(tokens, 64); t++) sums[t] = 0;
}

SL_AVX512 void sl_pack_avx512(const int8_t *states, int tokens, int width, uint8_t *packed) {
  size_t blocks = sl_up(tokens, 64) / 64;
  uint8_t *second = packed + sl_first_size(tokens, width);
  pack_rows(states, tokens, width, packed, (int32_t *)(second + sl_second_size(tokens, width)));
  for (size_t b = 0; b < blocks; b++) {
    for (int c = 0; c < width; c += 16) {
      int n = tokens - (int)b * 64;
      pack16(states + b * 64 * width + c, width, n, sl_mask16(width - c), second + ((size_t)(c / 16) * blocks + b) * 1024);
    }
  }
}

const sl_implementation sl_avx512 = {"avx512vnni", sl_pack_avx512, attend};

#endif
