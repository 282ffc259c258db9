#ifndef SIGHTLINE_ATTEND_H
#define SIGHTLINE_ATTEND_H

#include <stddef.h>
#include <stdint.h>

// The cross-attention of one picture's patch states with the rows of all heads,
// with W_k and W_v folded into the graph around it ("absorbed", docs/models.md):
//
//   out = softmax(q Eᵀ) E,   E = states * scale[token]
//
// q: rows of float32, [heads, length, width] at strides; already has 1/8 in it.
// They are rounded to int8 with a scale a row, P to uint8 of which a row's
// largest is 255, as the graphs without the kernels do it.
// states: int8 [tokens, width]; scale: float32 [tokens] (0 for a row of zeros).
// packed: states as sl_pack wrote them. Only the portable code reads states.
// The result goes to out (float32) or, where out is NULL, to out8 (uint8, zero
// point 128) with a scale a row in out_scale; both in q's layout.
//
// Any heads, length and width; at most 65536 tokens, so that sums fit int32.
// A row of q that is not finite gives a row of NaN (out8: its scale), a token's
// scale that is not finite or is below 0 gives NaN everywhere. Results are the
// same bits on every CPU. Calls may run at once, each with its own scratch.

typedef struct {
  const float *q;         // row (h, l) at q + h*q_head + l*width
  const float *q_scale;   // NULL, or a factor a row at q_scale + h*(q_head/width) + l
  size_t q_head;          // floats from one head's rows to the next's
  int heads, length;      // rows = heads*length
  const int8_t *states;
  const uint8_t *packed;
  const float *scale;
  int tokens, width;
  float *out;             // layout of q
  uint8_t *out8;          // layout of q
  float *out_scale;       // layout of q_scale
  void *scratch;          // sl_scratch_size bytes, one a call
} sl_attention;

// A multiple of 64: several pictures' packed states may follow each other. They
// are read quickest at a multiple of 64.
size_t sl_packed_size(int tokens, int width);
size_t sl_scratch_size(int rows, int tokens, int width);
void sl_pack(const int8_t *states, int tokens, int width, uint8_t *packed);
void sl_attend(const sl_attention *a);

// The instructions in use: "amx", "avx512vnni", "avx2" or "portable". The first
// call chooses, within the limit of the environment variable SIGHTLINE_CPU.
const char *sl_instructions(void);

#endif
