#ifndef SIGHTLINE_KERNEL_INTERNAL_H
#define SIGHTLINE_KERNEL_INTERNAL_H

#include <math.h>
#include <string.h>

#include "attend.h"

// All implementations do the same float operations in the same order, so that
// a pair's score does not depend on the CPU. Contraction would break that.
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

// Inlined, so that a function for some CPU compiles them for that CPU.
#define SL_INLINE static inline __attribute__((always_inline))

// A row with a value of at most SL_TINY is a row of zeros, as in the graphs.
#define SL_TINY 1e-30f
// SL_NEVER is the logarithm of the weight of a token that does not count.
#define SL_NEVER (-1e30f)
#define SL_LOG2E 1.44269504f
// Adding SL_ROUND to a float leaves its nearest integer in the low bits.
#define SL_ROUND 12582912.0f

// 2^r for |r| <= 1/2, relative error 2.6e-6; P has 8 bits.
#define SL_EXP0 0.9999992847442627f
#define SL_EXP1 0.6931217908859253f
#define SL_EXP2 0.240247443318367f
#define SL_EXP3 0.05591785907745361f
#define SL_EXP4 0.009570102207362652f

SL_INLINE size_t sl_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

SL_INLINE uint32_t sl_bits(float x) {
  uint32_t b;
  memcpy(&b, &x, sizeof b);
  return b;
}

SL_INLINE float sl_float(uint32_t b) {
  float x;
  memcpy(&x, &b, sizeof x);
  return x;
}

// The packed states, all in tiles of 16 lines of 64 bytes, padded with zeros:
// for q E', 16 tokens by 64 columns, a token's tiles one after the other; for
// P E, 64 tokens by 16 columns, a line being 4 tokens by 16 columns, tiles of
// the same columns one after the other; then the sum of each token.
SL_INLINE size_t sl_first_size(int tokens, int width) { return sl_up(tokens, 16) * sl_up(width, 64); }
SL_INLINE size_t sl_second_size(int tokens, int width) { return sl_up(tokens, 64) * sl_up(width, 16); }

SL_INLINE const uint8_t *sl_second(const sl_attention *a) { return a->packed + sl_first_size(a->tokens, a->width); }
SL_INLINE const int32_t *sl_sums(const sl_attention *a) {
  return (const int32_t *)(sl_second(a) + sl_second_size(a->tokens, a->width));
}

// sl_pack_line writes 4 tokens by 16 columns; those beyond what there is are 0.
SL_INLINE void sl_pack_line(const int8_t *states, size_t width, int tokens, int columns, uint8_t *line) {
  uint8_t x[4][16] = {{0}};
  for (int t = 0; t < 4 && t < tokens; t++) memcpy(x[t], states + t * width, columns < 16 ? (size_t)columns : 16);
  for (int c = 0; c < 16; c++) {
    for (int t = 0; t < 4; t++) line[c * 4 + t] = x[t][c];
  }
}

SL_INLINE void sl_pack_plain(const int8_t *states, int tokens, int width, uint8_t *packed) {
  size_t depth = sl_up(width, 64), blocks = sl_up(tokens, 64);
  uint8_t *second = packed + sl_first_size(tokens, width);
  int32_t *sums = (int32_t *)(second + sl_second_size(tokens, width));
  memset(packed, 0, sl_first_size(tokens, width));
  memset(sums, 0, blocks * sizeof *sums);
  for (int t = 0; t < tokens; t++) {
    const int8_t *row = states + (size_t)t * width;
    uint8_t *to = packed + (size_t)(t / 16) * depth * 16 + t % 16 * 64;
    for (int c = 0; c < width; c += 64) memcpy(to + c * 16, row + c, width - c < 64 ? (size_t)(width - c) : 64);
    for (int c = 0; c < width; c++) sums[t] += row[c];
  }
  for (int c = 0; c < width; c += 16) {
    for (int t = 0; t < (int)blocks; t += 4, second += 64) {
      sl_pack_line(states + (size_t)(t < tokens ? t : 0) * width + c, (size_t)width, tokens - t, width - c, second);
    }
  }
}

// What the scores of one call need of each token, padded to 64 with tokens
// that do not count. The token's scale is a part of the exponent: 2^score is
// then what P holds, its largest value is exactly 255 and no pass is needed
// to find the scale of a row.
typedef struct {
  float *scale;    // 0 where the token does not count
  float *log;      // log2(scale)
  float *inverse;  // 1/scale: the sum of probabilities needs them without it
  float zeros;     // how many have scale 0: score 0, nothing to add but to the sum
} sl_tokens;

// sl_log2 is log2(x) of a positive normal x with an error of 1e-7.
SL_INLINE float sl_log2(float x) {
  uint32_t b = sl_bits(x) - 0x3f3504f3u;  // sqrt(1/2)
  float e = (float)((int32_t)b >> 23);
  float m = sl_float((b & 0x7fffffu) + 0x3f3504f3u);
  float s = (m - 1) / (m + 1), s2 = s * s;
  float p = 2.88539008f + s2 * (0.961796694f + s2 * (0.577078016f + s2 * 0.412198583f));
  return e + s * p;
}

SL_INLINE void sl_prepare(const sl_attention *a, sl_tokens *t) {
  int n = a->tokens, padded = (int)sl_up(n, 64);
  uint32_t zeros = 0;
  const uint32_t tiny = sl_bits(SL_TINY), huge = sl_bits(1e30f);
  for (int i = 0; i < n; i++) {  // by bits and masks, or compilers branch
    uint32_t b = sl_bits(a->scale[i]);
    uint32_t zero = -(uint32_t)((b & 0x7fffffffu) <= tiny), sound = -(uint32_t)(b - tiny - 1 < huge - tiny - 1);
    float safe = sl_float((b & sound) | (0x3f800000u & ~sound));
    t->scale[i] = sl_float(b & sound);
    t->log[i] = sl_float((sl_bits(sl_log2(safe)) & sound) | (sl_bits(SL_NEVER) & ~sound));
    t->inverse[i] = sl_float((sl_bits(1.0f / safe) & sound) | (0x7fc00000u & ~sound & ~zero));
    zeros -= zero;
  }
  for (int i = n; i < padded; i++) {
    t->scale[i] = t->inverse[i] = 0;
    t->log[i] = SL_NEVER;
  }
  t->zeros = (float)zeros;
}

// sl_exp2 is 2^x clamped at 2^-125: below, numbers are slow. x is at most 120.
SL_INLINE float sl_exp2(float x) {
  x = x < -125.0f ? -125.0f : x;
  float k = x + SL_ROUND;
  float r = x - (k - SL_ROUND);
  float p = fmaf(SL_EXP4, r, SL_EXP3);
  p = fmaf(p, r, SL_EXP2);
  p = fmaf(p, r, SL_EXP1);
  p = fmaf(p, r, SL_EXP0);
  return sl_float(sl_bits(p) + (sl_bits(k) << 23));
}

// sl_factor is what a row's integer sums are multiplied by: 1 over the sum of
// its probabilities, in which 255 is 1. high is its highest score. A query or
// a token that is not finite gives NaN.
SL_INLINE float sl_factor(float row, float high, float sum, float zeros) {
  float none = -high > 120.0f ? 120.0f : -high;
  sum += zeros * sl_exp2(none);
  return fabsf(row) < INFINITY && fabsf(high) < 2e30f ? 1.0f / (255.0f * sum) : NAN;
}

// The rows, wherever they lie.
SL_INLINE size_t sl_row(const sl_attention *a, int r) {
  return (size_t)(r / a->length) * a->q_head + (size_t)(r % a->length) * a->width;
}

SL_INLINE size_t sl_row_scale(const sl_attention *a, int r) {
  return (size_t)(r / a->length) * (a->q_head / a->width) + r % a->length;
}

// sl_row_factor is what a product of int8 is multiplied by to give a score in
// steps of a factor of 2, given the row's largest magnitude.
SL_INLINE float sl_row_factor(const sl_attention *a, int r, float peak) {
  float s = peak * (1.0f / 127) * SL_LOG2E;
  return a->q_scale ? s * a->q_scale[sl_row_scale(a, r)] : s;
}

// sl_quantise rounds a row to int8 and gives its largest magnitude, which is at
// least SL_TINY. It compares bits, so that NaN is above all.
SL_INLINE float sl_quantise(const float *restrict row, int width, int8_t *restrict out) {
  uint32_t high = sl_bits(SL_TINY);
  for (int i = 0; i < width; i++) {
    uint32_t b = sl_bits(row[i]) & 0x7fffffffu;
    high = b > high ? b : high;
  }
  float peak = sl_float(high), inverse = 127.0f / peak;
  for (int i = 0; i < width; i++) out[i] = (int8_t)sl_bits(row[i] * inverse + SL_ROUND);
  return peak;
}

// sl_write scales a row's sums, or rounds them to bytes.
SL_INLINE void sl_write(const sl_attention *a, int r, const int32_t *restrict sums, float factor) {
  size_t at = sl_row(a, r);
  if (a->out) {
    for (int i = 0; i < a->width; i++) a->out[at + i] = (float)sums[i] * factor;
    return;
  }
  int32_t peak = 1;
  for (int i = 0; i < a->width; i++) {
    int32_t m = sums[i] < 0 ? -sums[i] : sums[i];
    peak = m > peak ? m : peak;
  }
  float inverse = 127.0f / (float)peak;
  for (int i = 0; i < a->width; i++) a->out8[at + i] = (uint8_t)(sl_bits((float)sums[i] * inverse + SL_ROUND) + 128);
  a->out_scale[sl_row_scale(a, r)] = (float)peak * (1.0f / 127) * factor;
}

// The scratch of one call: rows are taken 32 at a time.
#define SL_ROWS 32
typedef struct {
  sl_tokens tokens;
  uint8_t *q;      // SL_ROWS rows for q E'
  float *scores;   // [tokens][SL_ROWS]
  uint8_t *p;      // SL_ROWS rows of P, up to 2 bytes each
  int32_t *sums;   // [SL_ROWS][width]
} sl_scratch;

// sl_carve gives each its part of what starts at the first cache line of
// memory, and says how much that is.
SL_INLINE size_t sl_carve(sl_scratch *s, void *memory, int tokens, int width) {
  uint8_t *at = (uint8_t *)sl_up((uintptr_t)memory, 64);
  size_t t = sl_up(tokens, 64), w = sl_up(width, 64), n = 0;
  s->tokens = (sl_tokens){(float *)at, (float *)at + t, (float *)at + 2 * t, 0};
  n += 3 * t * sizeof(float);
  s->q = at + n;
  n += SL_ROWS * w;
  s->scores = (float *)(at + n);
  n += SL_ROWS * t * sizeof(float);
  s->p = at + n;
  n += SL_ROWS * t * 2;
  s->sums = (int32_t *)(at + n);
  return n + SL_ROWS * w * sizeof(int32_t) + 63;
}

typedef struct {
  const char *name;
  void (*pack)(const int8_t *states, int tokens, int width, uint8_t *packed);
  void (*attend)(const sl_attention *a);
} sl_implementation;

extern const sl_implementation sl_portable;
#if defined(__x86_64__)
extern const sl_implementation sl_avx2, sl_avx512, sl_amx;
#endif

// sl_level is an implementation by its place in the order of what they need of
// a CPU, 0 the portable one; NULL where this CPU cannot run it.
const sl_implementation *sl_level(int level);
// sl_limit is the level that SIGHTLINE_CPU names, -1 for none.
int sl_limit(const char *name);

#endif
