#include "internal.h"

static void pack(const int8_t *states, int tokens, int width, uint8_t *packed) { sl_pack_plain(states, tokens, width, packed); }

static int32_t dot(const int8_t *restrict x, const int8_t *restrict y, int n) {
  int32_t s = 0;
  for (int i = 0; i < n; i++) s += (int16_t)(x[i] * y[i]);
  return s;
}

// add has products of 16 bits, which are quicker where there is no wider one:
// 255*128 fits.
static void add(int32_t *restrict sum, const int8_t *restrict x, int16_t p, int n) {
  for (int i = 0; i < n; i++) sum[i] += (int16_t)(p * x[i]);
}

static void attend_row(const sl_attention *a, const sl_scratch *s, int r) {
  const sl_tokens *t = &s->tokens;
  int n = a->tokens, width = a->width;
  int32_t *sum = s->sums;
  float *score = s->scores;
  int8_t *q = (int8_t *)s->q;
  size_t at = sl_row(a, r);
  float peak, high = SL_NEVER, part[4] = {0};
  peak = sl_quantise(a->q + at, width, q);
  float row = sl_row_factor(a, r, peak);
  for (int i = 0; i < n; i++) {
    float scaled = (float)dot(a->states + (size_t)i * width, q, width) * t->scale[i];
    score[i] = fmaf(scaled, row, t->log[i]);
    high = score[i] > high ? score[i] : high;
  }
  memset(sum, 0, (size_t)width * 4);
  for (int i = 0; i < n; i++) {
    float w = sl_exp2(score[i] - high);
    part[i % 4] = fmaf(w, t->inverse[i], part[i % 4]);
    int16_t p = (int16_t)(sl_bits(fmaf(w, 255.0f, SL_ROUND)) & 255);
    if (p) add(sum, a->states + (size_t)i * width, p, width);
  }
  float factor = sl_factor(row, high, (part[0] + part[1]) + (part[2] + part[3]), t->zeros);
  sl_write(a, r, sum, factor);
}

static void attend(const sl_attention *a) {
  sl_scratch s;
  sl_carve(&s, a->scratch, a->tokens, a->width);
  sl_prepare(a, &s.tokens);
  for (int r = 0; r < a->heads * a->length; r++) attend_row(a, &s, r);
}

const sl_implementation sl_portable = {"portable", pack, attend};
