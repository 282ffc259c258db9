#if defined(__x86_64__)

#include "avx512_amd64.h"

#define SL_AMX __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,amx-tile,amx-int8")))

// Tiles 0 to 3 are sums, 4 and 5 of the left operand, 6 and 7 of the right.
typedef struct {
  uint8_t palette, start, reserved[14];
  uint16_t bytes[16];
  uint8_t lines[16];
} tile_config;

SL_AMX static void configure(void) {
  _Alignas(64) tile_config c = {.palette = 1};
  for (int i = 0; i < 8; i++) {
    c.bytes[i] = 64;
    c.lines[i] = 16;
  }
  _tile_loadconfig(&c);
}

// first is the products of 16 or 32 tokens with 16 or 32 rows. States pass by
// without a stay in the nearest cache, which has room for the rows only.
SL_AMX static inline void first(const uint8_t *states, const uint8_t *q, size_t steps, int32_t *out, int tokens, int rows) {
  const uint8_t *states1 = states + steps * 1024, *q1 = q + steps * 1024;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (size_t i = 0; i < steps * 1024; i += 1024) {
    _tile_stream_loadd(4, states + i, 64);
    _tile_loadd(6, q + i, 64);
    _tile_dpbssd(0, 4, 6);
    if (rows > 16) {
      _tile_loadd(7, q1 + i, 64);
      _tile_dpbssd(1, 4, 7);
    }
    if (tokens > 16) {
      _tile_stream_loadd(5, states1 + i, 64);
      _tile_dpbssd(2, 5, 6);
      if (rows > 16) _tile_dpbssd(3, 5, 7);
    }
  }
  _tile_stored(0, out, SL_ROWS * 4);
  if (rows > 16) _tile_stored(1, out + 16, SL_ROWS * 4);
  if (tokens > 16) {
    _tile_stored(2, out + 16 * SL_ROWS, SL_ROWS * 4);
    if (rows > 16) _tile_stored(3, out + 16 * SL_ROWS + 16, SL_ROWS * 4);
  }
}

// What becomes of the sums of rows r to r+rows, 32 columns at a time, while
// the tiles work on the next: floats are written; for bytes the largest
// magnitude of each row is found first.
typedef struct {
  const sl_attention *a;
  int rows;
  float *out[SL_ROWS];
  float factor[SL_ROWS];
  __m512i high[SL_ROWS];
  int32_t *sums;
} sink;

// sums_at is where the sums of the columns from c on go. Floats are written
// from two small buffers in turn, that stay near.
static inline size_t sums_stride(const sl_attention *a) { return a->out ? 32 : sl_up(a->width, 64); }
static inline int32_t *sums_at(const sink *k, int c) { return k->sums + (k->a->out ? c % 64 * 32 : c); }

SL_AMX static inline void drain(sink *k, int c, int from, int to) {
  size_t stride = sums_stride(k->a);
  const int32_t *sums = sums_at(k, c) + from * stride;
  __mmask16 m0 = sl_mask16(k->a->width - c), m1 = sl_mask16(k->a->width - c - 16);
  for (int i = from; i < to; i++, sums += stride) {
    __m512i x = _mm512_maskz_load_epi32(m0, sums), y = _mm512_maskz_load_epi32(m1, sums + 16);
    if (k->a->out) {
      __m512 f = _mm512_set1_ps(k->factor[i]);
      _mm512_mask_storeu_ps(k->out[i] + c, m0, _mm512_mul_ps(_mm512_cvtepi32_ps(x), f));
      _mm512_mask_storeu_ps(k->out[i] + c + 16, m1, _mm512_mul_ps(_mm512_cvtepi32_ps(y), f));
    } else {
      k->high[i] = _mm512_max_epi32(k->high[i], _mm512_max_epi32(_mm512_abs_epi32(x), _mm512_abs_epi32(y)));
    }
  }
}

// second is the sums of 32 columns from c on; those before are drained.
SL_AMX static inline void second(const uint8_t *p, const uint8_t *states, size_t steps, sink *k, int c) {
  const uint8_t *p1 = p + steps * 1024, *states1 = states + steps * 1024;
  int32_t *out = sums_at(k, c);
  size_t stride = sums_stride(k->a);
  int rows = k->rows, columns = k->a->width - c, done = c ? 0 : rows, share = (int)((rows + steps - 1) / steps);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (size_t i = 0; i < steps * 1024; i += 1024) {
    _tile_loadd(4, p + i, 64);
    _tile_stream_loadd(6, states + i, 64);
    _tile_dpbusd(0, 4, 6);
    if (columns > 16) {
      _tile_stream_loadd(7, states1 + i, 64);
      _tile_dpbusd(1, 4, 7);
    }
    if (rows > 16) {
      _tile_loadd(5, p1 + i, 64);
      _tile_dpbusd(2, 5, 6);
      if (columns > 16) _tile_dpbusd(3, 5, 7);
    }
    int to = done + share < rows ? done + share : rows;
    drain(k, c ? c - 32 : 0, done, to);
    done = to;
  }
  _tile_stored(0, out, stride * 4);
  if (columns > 16) _tile_stored(1, out + 16, stride * 4);
  if (rows > 16) {
    _tile_stored(2, out + 16 * stride, stride * 4);
    if (columns > 16) _tile_stored(3, out + 16 * stride + 16, stride * 4);
  }
}

// sums is P E of rows r to r+rows.
SL_AMX static void sums(const sl_attention *a, const sl_scratch *s, int r, int rows, const float *factor) {
  size_t blocks = sl_up(a->tokens, 64) / 64;
  sink k = {.a = a, .rows = rows, .sums = s->sums};
  for (int i = 0; i < rows; i++) {
    k.out[i] = a->out ? a->out + sl_row(a, r + i) : NULL;
    k.factor[i] = factor[i];
    k.high[i] = _mm512_set1_epi32(1);
  }
  int c = 0;
  for (; c < a->width; c += 32) second(s->p, sl_second(a) + c * blocks * 64, blocks, &k, c);
  drain(&k, c - 32, 0, rows);
  if (a->out) return;
  for (int i = 0; i < rows; i++) {
    sl_write8(a, r + i, s->sums + i * sums_stride(a), _mm512_reduce_max_epi32(k.high[i]), factor[i]);
  }
}

// block is rows r to r+rows.
SL_AMX static void block(const sl_attention *a, const sl_scratch *s, int r, int rows) {
  _Alignas(64) float factor[SL_ROWS] = {0}, sum[SL_ROWS], top[SL_ROWS];
  int tokens = (int)sl_up(a->tokens, 16);
  size_t steps = sl_up(a->width, 64) / 64, blocks = sl_up(a->tokens, 64) / 64;
  for (int i = 0; i < rows; i += 16) {
    sl_quantise16(a, r + i, rows - i < 16 ? rows - i : 16, s->q + i * steps * 64, factor + i, 0, (uint8_t *)s->sums);
  }
  __m512 high[2] = {_mm512_set1_ps(SL_NEVER), _mm512_set1_ps(SL_NEVER)};
  for (int t = 0; t < tokens; t += 32) {
    int n = tokens - t < 32 ? 16 : 32;
    float *scores = s->scores + (size_t)t * SL_ROWS;
    first(a->packed + t * steps * 64, s->q, steps, (int32_t *)scores, n, rows);
    sl_scaled(scores, n, &s->tokens, t, factor, high);
  }
  for (int i = 0; i < rows; i += 16) {
    _mm512_store_ps(top + i, high[i / 16]);
    _mm512_store_ps(sum + i, sl_weights16(s->scores + i, tokens, s->tokens.inverse, high[i / 16], s->p + i * blocks * 64));
  }
  for (int i = 0; i < rows; i++) factor[i] = sl_factor(factor[i], top[i], sum[i], s->tokens.zeros);
  sums(a, s, r, rows, factor);
}

// The configuration is this thread's until the release: Go moves a goroutine
// to another thread only between calls.
SL_AMX static void attend(const sl_attention *a) {
  sl_scratch s;
  int rows = a->heads * a->length;
  sl_carve(&s, a->scratch, a->tokens, a->width);
  sl_prepare(a, &s.tokens);
  configure();
  for (int r = 0; r < rows; r += SL_ROWS) block(a, &s, r, rows - r < SL_ROWS ? rows - r : SL_ROWS);
  _tile_release();
}

const sl_implementation sl_amx = {"amx", sl_pack_avx512, attend};

#endif
