#ifndef SIGHTLINE_KERNEL_AVX512_H
#define SIGHTLINE_KERNEL_AVX512_H

#include <immintrin.h>

#include "internal.h"

// What AMX and AVX-512 do alike: everything but the two products.

#define SL_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))

// sl_mask16 has a bit for each of the first n of 16.
static inline __mmask16 sl_mask16(int n) { return (__mmask16)(n >= 16 ? 0xffff : n <= 0 ? 0 : (1 << n) - 1); }

// sl_transpose makes lines of the columns of x, 16 by 16 words.
SL_AVX512 static inline void sl_transpose(const __m512i x[16], __m512i y[16]) {
  __m512i a[16], b[16];
  for (int i = 0; i < 16; i += 2) {
    a[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
    a[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    b[i] = _mm512_unpacklo_epi64(a[i], a[i + 2]);
    b[i + 1] = _mm512_unpackhi_epi64(a[i], a[i + 2]);
    b[i + 2] = _mm512_unpacklo_epi64(a[i + 1], a[i + 3]);
    b[i + 3] = _mm512_unpackhi_epi64(a[i + 1], a[i + 3]);
  }
  for (int i = 0; i < 4; i++) {
    a[i] = _mm512_shuffle_i32x4(b[i], b[i + 4], 0x88);
    a[i + 4] = _mm512_shuffle_i32x4(b[i], b[i + 4], 0xdd);
    a[i + 8] = _mm512_shuffle_i32x4(b[i + 8], b[i + 12], 0x88);
    a[i + 12] = _mm512_shuffle_i32x4(b[i + 8], b[i + 12], 0xdd);
  }
  for (int i = 0; i < 4; i++) {
    y[i] = _mm512_shuffle_i32x4(a[i], a[i + 8], 0x88);
    y[i + 8] = _mm512_shuffle_i32x4(a[i], a[i + 8], 0xdd);
    y[i + 4] = _mm512_shuffle_i32x4(a[i + 4], a[i + 12], 0x88);
    y[i + 12] = _mm512_shuffle_i32x4(a[i + 4], a[i + 12], 0xdd);
  }
}

// sl_peak is the largest magnitude of a row, at least SL_TINY. It compares
// bits, so that NaN is above all.
SL_AVX512 static inline float sl_peak(const float *row, int width) {
  const __m512i clear = _mm512_set1_epi32(0x7fffffff);
  __m512i m[4];
  int i = 0;
  for (int j = 0; j < 4; j++) m[j] = _mm512_set1_epi32((int)sl_bits(SL_TINY));
  for (; i + 64 <= width; i += 64) {
    for (int j = 0; j < 4; j++) {
      m[j] = _mm512_max_epu32(m[j], _mm512_and_si512(_mm512_loadu_si512(row + i + 16 * j), clear));
    }
  }
  for (; i < width; i += 16) {
    m[0] = _mm512_max_epu32(m[0], _mm512_and_si512(_mm512_maskz_loadu_epi32(sl_mask16(width - i), row + i), clear));
  }
  m[0] = _mm512_max_epu32(_mm512_max_epu32(m[0], m[1]), _mm512_max_epu32(m[2], m[3]));
  return sl_float(_mm512_reduce_max_epu32(m[0]));
}

// sl_bytes rounds 64 floats of a row. Packs work within 128 bits: word i of 16
// comes out as word i%4*4 + i/4.
SL_AVX512 static inline __m512i sl_bytes(const float *row, int left, __m512 inverse) {
  __m512i w[4];
  for (int j = 0; j < 4; j++) {
    __m512 x = left >= 64 ? _mm512_loadu_ps(row + 16 * j) : _mm512_maskz_loadu_ps(sl_mask16(left - 16 * j), row + 16 * j);
    w[j] = _mm512_cvtps_epi32(_mm512_mul_ps(x, inverse));
  }
  return _mm512_packs_epi16(_mm512_packs_epi32(w[0], w[1]), _mm512_packs_epi32(w[2], w[3]));
}

// sl_quantise16 rounds n <= 16 rows from r on and writes them as tiles of 64
// columns, a line being 4 columns by 16 rows, xor flip. A row is rounded while
// it is near: 16 rows of floats are as much as that cache holds. room is for
// the rows in bytes.
SL_AVX512 static inline void sl_quantise16(const sl_attention *a, int r, int n, uint8_t *q, float *factor, int flip, uint8_t *room) {
  size_t depth = sl_up(a->width, 64);
  const __m512i x0 = _mm512_set1_epi8((char)flip);
  for (int i = 0; i < 16; i++) {
    const float *row = a->q + sl_row(a, r + (i < n ? i : 0));
    float peak = sl_peak(row, a->width);
    __m512 inverse = _mm512_set1_ps(i < n ? 127.0f / peak : 0);
    factor[i] = i < n ? sl_row_factor(a, r + i, peak) : 0;
    for (int k = 0; k < a->width; k += 64) {
      _mm512_store_si512(room + i * depth + k, _mm512_xor_si512(sl_bytes(row + k, a->width - k, inverse), x0));
    }
  }
  for (size_t k = 0; k < depth; k += 64, q += 1024) {
    __m512i x[16], y[16];
    for (int i = 0; i < 16; i++) x[i] = _mm512_load_si512(room + i * depth + k);
    sl_transpose(x, y);
    for (int i = 0; i < 16; i++) _mm512_store_si512(q + (i % 4 * 4 + i / 4) * 64, y[i]);
  }
}

// sl_scaled turns n tokens' products, SL_ROWS a token, into scores where they
// are, and raises the rows' highest.
SL_AVX512 static inline void sl_scaled(float *scores, int n, const sl_tokens *t, int from, const float *factor, __m512 high[2]) {
  __m512 f0 = _mm512_load_ps(factor), f1 = _mm512_load_ps(factor + 16), h0 = high[0], h1 = high[1];
  for (int i = 0; i < n; i++, scores += SL_ROWS) {
    __m512 s = _mm512_set1_ps(t->scale[from + i]), l = _mm512_set1_ps(t->log[from + i]);
    __m512 x = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_load_si512(scores)), s);
    __m512 y = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_load_si512(scores + 16)), s);
    x = _mm512_fmadd_ps(x, f0, l);
    y = _mm512_fmadd_ps(y, f1, l);
    _mm512_store_ps(scores, x);
    _mm512_store_ps(scores + 16, y);
    h0 = _mm512_max_ps(x, h0);
    h1 = _mm512_max_ps(y, h1);
  }
  high[0] = h0;
  high[1] = h1;
}

// sl_exp is sl_exp2, NaN included.
SL_AVX512 static inline __m512 sl_exp(__m512 x) {
  const __m512 round = _mm512_set1_ps(SL_ROUND);
  x = _mm512_max_ps(_mm512_set1_ps(-125), x);
  __m512 k = _mm512_add_ps(x, round);
  __m512 r = _mm512_sub_ps(x, _mm512_sub_ps(k, round));
  __m512 p = _mm512_fmadd_ps(_mm512_set1_ps(SL_EXP4), r, _mm512_set1_ps(SL_EXP3));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(SL_EXP2));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(SL_EXP1));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(SL_EXP0));
  return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(p), _mm512_slli_epi32(_mm512_castps_si512(k), 23)));
}

// sl_weights16 turns the scores of 16 rows into tiles of P, 16 rows by 64
// tokens, and their sums.
SL_AVX512 static inline __m512 sl_weights16(const float *scores, int tokens, const float *inverse, __m512 high, uint8_t *p) {
  const __m512 full = _mm512_set1_ps(255), round = _mm512_set1_ps(SL_ROUND);
  // What the shifts of four times the bits of SL_ROUND leave.
  const __m512i rest = _mm512_set1_epi32(0x4b400000 ^ 0x40000000);
  __m512 part[4];
  for (int j = 0; j < 4; j++) part[j] = _mm512_setzero_ps();
  for (int t = 0; t < tokens; t += 64, p += 1024) {
    __m512i x[16], y[16];
    for (int i = 0; i < 16; i++) {
      x[i] = _mm512_setzero_si512();
      if (t + 4 * i >= tokens) continue;
      __m512i b[4];
      for (int j = 0; j < 4; j++, scores += SL_ROWS) {
        __m512 w = sl_exp(_mm512_sub_ps(_mm512_load_ps(scores), high));
        part[j] = _mm512_fmadd_ps(w, _mm512_set1_ps(inverse[t + 4 * i + j]), part[j]);
        b[j] = _mm512_castps_si512(_mm512_fmadd_ps(w, full, round));
      }
      __m512i low = _mm512_ternarylogic_epi32(b[0], _mm512_slli_epi32(b[1], 8), rest, 0x96);
      x[i] = _mm512_ternarylogic_epi32(low, _mm512_slli_epi32(b[2], 16), _mm512_slli_epi32(b[3], 24), 0x96);
    }
    sl_transpose(x, y);
    for (int i = 0; i < 16; i++) _mm512_store_si512(p + 64 * i, y[i]);
  }
  return _mm512_add_ps(_mm512_add_ps(part[0], part[1]), _mm512_add_ps(part[2], part[3]));
}

// sl_write8 rounds a row's sums to bytes, given their largest magnitude.
SL_AVX512 static inline void sl_write8(const sl_attention *a, int r, const int32_t *sums, int32_t high, float factor) {
  // packs work within 128 bits: words come out in another order.
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  uint8_t *out = a->out8 + sl_row(a, r);
  float peak = (float)high;
  __m512 inverse = _mm512_set1_ps(127.0f / peak);
  for (int i = 0; i < a->width; i += 64) {
    __m512i x[4];
    int left = a->width - i;
    for (int j = 0; j < 4; j++) {
      __m512i s = left > 16 * j ? _mm512_load_si512(sums + i + 16 * j) : _mm512_setzero_si512();
      x[j] = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_cvtepi32_ps(s), inverse));
    }
    x[0] = _mm512_packs_epi16(_mm512_packs_epi32(x[0], x[1]), _mm512_packs_epi32(x[2], x[3]));
    x[0] = _mm512_xor_si512(_mm512_permutexvar_epi32(order, x[0]), _mm512_set1_epi8((char)0x80));
    if (left >= 64) {
      _mm512_storeu_si512(out + i, x[0]);
    } else {
      _mm512_mask_storeu_epi8(out + i, ((__mmask64)1 << left) - 1, x[0]);
    }
  }
  a->out_scale[sl_row_scale(a, r)] = peak * (1.0f / 127) * factor;
}

// sl_write512 is sl_write: it scales a row's sums, or rounds them to bytes.
SL_AVX512 static inline void sl_write512(const sl_attention *a, int r, const int32_t *sums, float factor) {
  int width = a->width;
  if (a->out) {
    float *out = a->out + sl_row(a, r);
    for (int i = 0; i < width; i += 16) {
      __m512 x = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_load_si512(sums + i)), _mm512_set1_ps(factor));
      _mm512_mask_storeu_ps(out + i, sl_mask16(width - i), x);
    }
    return;
  }
  __m512i m = _mm512_set1_epi32(1);
  for (int i = 0; i < width; i += 16) m = _mm512_max_epi32(m, _mm512_abs_epi32(_mm512_load_si512(sums + i)));
  sl_write8(a, r, sums, _mm512_reduce_max_epi32(m), factor);
}

void sl_pack_avx512(const int8_t *states, int tokens, int width, uint8_t *packed);

#endif
