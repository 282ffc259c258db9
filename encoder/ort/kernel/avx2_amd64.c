#if defined(__x86_64__)

#include <immintrin.h>

#include "internal.h"

#define SL_AVX2 __attribute__((target("avx2,fma")))

// product is two rows of a, in 16 bits, with 16 columns of b, tiles of 8.
// vpmaddubsw would take bytes as they are, but it saturates.
SL_AVX2 static inline void product(const int16_t *a, size_t stride, const uint8_t *b, size_t depth, int32_t *out, size_t out_stride) {
  __m256i x[4], y[4];
  for (int i = 0; i < 4; i++) x[i] = y[i] = _mm256_setzero_si256();
  for (size_t k = 0; k < depth; k += 4, a += 4, b += 64) {
    int64_t w0, w1;
    memcpy(&w0, a, sizeof w0);
    memcpy(&w1, a + stride, sizeof w1);
    __m256i a0 = _mm256_set1_epi64x(w0), a1 = _mm256_set1_epi64x(w1);
    for (int i = 0; i < 4; i++) {
      __m256i c = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)b + i));
      x[i] = _mm256_add_epi32(x[i], _mm256_madd_epi16(a0, c));
      y[i] = _mm256_add_epi32(y[i], _mm256_madd_epi16(a1, c));
    }
  }
  for (int i = 0; i < 2; i++) {
    __m256i s = _mm256_permute4x64_epi64(_mm256_hadd_epi32(x[2 * i], x[2 * i + 1]), 0xd8);
    __m256i t = _mm256_permute4x64_epi64(_mm256_hadd_epi32(y[2 * i], y[2 * i + 1]), 0xd8);
    _mm256_storeu_si256((__m256i *)(out + 8 * i), s);
    _mm256_storeu_si256((__m256i *)(out + out_stride + 8 * i), t);
  }
}

// quantise16 rounds n <= 16 rows from r on to a line of 4 columns by 16 rows
// after the other. Lines beyond the rows or the width are zeros.
SL_AVX2 static void quantise16(const sl_attention *a, int r, int n, uint8_t *q, float *factor, int8_t *row) {
  int depth = (int)sl_up(a->width, 64);
  memset(row, 0, (size_t)depth);
  memset(q, 0, (size_t)depth * 16);
  for (int i = 0; i < n; i++) {
    factor[i] = sl_row_factor(a, r + i, sl_quantise(a->q + sl_row(a, r + i), a->width, row));
    for (int k = 0; k < depth; k += 4) memcpy(q + (size_t)k * 16 + i * 4, row + k, 4);
  }
}

SL_AVX2 static void scaled(int32_t *products, const sl_tokens *t, int from, const float *factor, float *high) {
  float *scores = (float *)products;
  for (int i = from; i < from + 16; i++, products += SL_ROWS, scores += SL_ROWS) {
    for (int r = 0; r < SL_ROWS; r++) {
      float s = fmaf((float)products[r] * t->scale[i], factor[r], t->log[i]);
      high[r] = s > high[r] ? s : high[r];
      scores[r] = s;
    }
  }
}

// weights writes P, a row's tokens one after the other in 16 bits.
SL_AVX2 static void weights(const sl_scratch *s, int tokens, size_t stride, const float *high, float *sum) {
  float part[4][SL_ROWS] = {{0}};
  int16_t *p = (int16_t *)s->p;
  memset(p, 0, SL_ROWS * stride * sizeof *p);
  for (int t = 0; t < tokens; t++) {
    const float *scores = s->scores + (size_t)t * SL_ROWS;
    int32_t rounded[SL_ROWS];
    for (int r = 0; r < SL_ROWS; r++) {
      float w = sl_exp2(scores[r] - high[r]);
      part[t % 4][r] = fmaf(w, s->tokens.inverse[t], part[t % 4][r]);
      rounded[r] = (int32_t)(sl_bits(fmaf(w, 255.0f, SL_ROUND)) & 255);
    }
    for (int r = 0; r < SL_ROWS; r++) p[r * stride + t] = (int16_t)rounded[r];
  }
  for (int r = 0; r < SL_ROWS; r++) sum[r] = (part[0][r] + part[1][r]) + (part[2][r] + part[3][r]);
}

// scores are the products of all tokens, 16 at a time in 16 bits where the
// sums go later, with the rows.
SL_AVX2 static void scores(const sl_attention *a, const sl_scratch *s, int rows, const float *factor, float *high) {
  size_t depth = sl_up(a->width, 64);
  int16_t *wide = (int16_t *)s->sums;
  for (int t = 0; t < a->tokens; t += 16) {
    const int8_t *tiles = (const int8_t *)a->packed + t * depth;
    for (size_t k = 0; k < depth; k += 64, tiles += 1024) {
      for (int i = 0; i < 1024; i += 16) {
        __m256i x = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(tiles + i)));
        _mm256_storeu_si256((__m256i *)(wide + (size_t)(i / 64) * depth + k + i % 64), x);
      }
    }
    int32_t *out = (int32_t *)s->scores + (size_t)t * SL_ROWS;
    for (int i = 0; i < 16; i += 2) {
      for (int r = 0; r < rows; r += 16) product(wide + i * depth, depth, s->q + r * depth, depth, out + i * SL_ROWS + r, SL_ROWS);
    }
    scaled(out, &s->tokens, t, factor, high);
  }
}

SL_AVX2 static void block(const sl_attention *a, const sl_scratch *s, int r, int rows) {
  float factor[SL_ROWS] = {0}, high[SL_ROWS], sum[SL_ROWS];
  size_t depth = sl_up(a->width, 64), stride = sl_up(a->tokens, 64);
  for (int i = 0; i < rows; i += 16) {
    quantise16(a, r + i, rows - i < 16 ? rows - i : 16, s->q + i * depth, factor + i, (int8_t *)s->sums);
  }
  for (int i = 0; i < SL_ROWS; i++) high[i] = SL_NEVER;
  scores(a, s, rows, factor, high);
  weights(s, a->tokens, stride, high, sum);
  for (int c = 0; c < a->width; c += 16) {
    const uint8_t *states = sl_second(a) + c * stride;
    for (int i = 0; i < rows; i += 2) {
      product((int16_t *)s->p + i * stride, stride, states, stride, s->sums + i * depth + c, depth);
    }
  }
  for (int i = 0; i < rows; i++) sl_write(a, r + i, s->sums + i * depth, sl_factor(factor[i], high[i], sum[i], s->tokens.zeros));
}

SL_AVX2 static void attend(const sl_attention *a) {
  sl_scratch s;
  int rows = a->heads * a->length;
  sl_carve(&s, a->scratch, a->tokens, a->width);
  sl_prepare(a, &s.tokens);
  for (int r = 0; r < rows; r += SL_ROWS) block(a, &s, r, rows - r < SL_ROWS ? rows - r : SL_ROWS);
}

SL_AVX2 static void pack(const int8_t *states, int tokens, int width, uint8_t *packed) { sl_pack_plain(states, tokens, width, packed); }

const sl_implementation sl_avx2 = {"avx2", pack, attend};

#endif
