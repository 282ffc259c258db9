//go:build cgo && !windows

#include "ops.h"
#include "ops_linear.h"
#include "ops_rows.h"

#include <stdlib.h>

// spread copies a block of sums to rows of floats: sum · row's scale · column's
// factor + bias.
INLINE void spread(const int32_t *c, int rows, int columns, const float *scale, const sl_spread *to) {
	for (int r = 0; r < rows; r++) {
		vf s = all(scale[r]);
		for (int j = 0; j < columns; j += LANES) {
			vf v = to_float(load_int(c + r * BLOCK + j)) * s;
			if (to->factor != NULL)
				v *= load(to->factor + j);
			if (to->bias != NULL)
				v += load(to->bias + (size_t)r * to->bias_row + j);
			store(to->out + (size_t)r * to->row + j, v);
		}
	}
}

// product multiplies quantised rows by all of w, a panel of columns after the
// other, so that weights are read once. rows is any number; a has 32 more or less.
INLINE void product(const sl_gemm *g, const uint8_t *a, const float *scale, int rows, const sl_weights *w, const sl_spread *to) {
	int32_t c[BLOCK * BLOCK] __attribute__((aligned(64)));
	for (int nb = 0; nb * BLOCK < w->n; nb++) {
		int columns = w->n - nb * BLOCK < BLOCK ? w->n - nb * BLOCK : BLOCK;
		for (int r = 0; r < rows; r += BLOCK) {
			size_t stride = (size_t)w->depth * 64;
			g->block(a + (size_t)r * stride, stride, w, nb, c);
			sl_spread part = *to;
			part.out += (size_t)r * to->row + nb * BLOCK;
			part.factor = to->factor == NULL ? NULL : to->factor + nb * BLOCK;
			part.bias = to->bias == NULL ? NULL : to->bias + (size_t)r * to->bias_row + nb * BLOCK;
			spread(c, rows - r < BLOCK ? rows - r : BLOCK, columns, scale + r, &part);
		}
	}
}

// quantise_rows rounds rows of x, or what before makes of them, to s->a.
INLINE void quantise_rows(const float *x, int rows, const sl_weights *w, const sl_norm *before, const sl_linear_scratch *s) {
	for (int r = 0; r < rows; r++, x += w->k) {
		const float *row = x;
		if (before->gamma != NULL) {
			norm(x, s->normed, w->k, before->gamma, before->beta, before->epsilon);
			row = s->normed;
		}
		s->scale[r] = quantise(row, w->k, s->a + (size_t)r * (size_t)w->depth * 64);
	}
}

// close_rows adds the residual and normalises.
INLINE void close_rows(const sl_norm *j, float *out, size_t first, int rows, size_t n) {
	if (j->residual == NULL)
		return;
	for (int r = 0; r < rows; r++, out += n) {
		const float *rest = j->residual + (first + (size_t)r) % j->residual_rows * n;
		for (size_t i = 0; i < n; i += LANES)
			store(out + i, load(out + i) + load(rest + i));
		if (j->gamma != NULL)
			norm(out, out, (int)n, j->gamma, j->beta, j->epsilon);
	}
}

INLINE void linear_rows(const sl_linear *j, size_t first, int rows, const sl_linear_scratch *s) {
	size_t n = (size_t)j->w->n;
	quantise_rows(j->x + first * (size_t)j->w->k, rows, j->w, &j->before, s);
	sl_spread to = {.out = j->out + first * n, .row = n, .factor = j->factor, .bias = j->bias};
	product(j->gemm, s->a, s->scale, rows, j->w, &to);
	close_rows(&j->norm, to.out, first, rows, n);
}

// activate takes a block of sums through scale, bias and GELU to block, [rows,32],
// and keeps each row's largest magnitude in peak.
INLINE void activate(const int32_t *c, int rows, const float *scale, const float *factor, const float *bias, float *block, float *peak) {
	vf f0 = load(factor), f1 = load(factor + LANES), b0 = load(bias), b1 = load(bias + LANES);
	for (int r = 0; r < rows; r++, c += BLOCK, block += BLOCK, peak += LANES) {
		vf v0 = gelu(to_float(load_int(c)) * scale[r] * f0 + b0);
		vf v1 = gelu(to_float(load_int(c + LANES)) * scale[r] * f1 + b1);
		store(block, v0);
		store(block + LANES, v1);
		store(peak, larger(magnitude(v0), larger(magnitude(v1), load(peak))));
	}
}

// round_hidden rounds the blocks of 16 rows at a time: more would leave the
// first-level cache, since rows of a stand a multiple of its sets apart.
INLINE void round_hidden(const float *hidden, int rows, int blocks, const float *inverse, uint8_t *a, size_t stride) {
	for (int top = 0; top < rows; top += 16) {
		int below = rows - top < 16 ? rows : top + 16;
		for (int nb = 0; nb < blocks; nb++) {
			for (int r = top; r < below; r++) {
				const float *v = hidden + ((size_t)nb * (size_t)rows + (size_t)r) * BLOCK;
				uint8_t *out = a + (size_t)r * stride + nb * BLOCK;
				store_bytes(out, load(v) * inverse[r]);
				store_bytes(out + LANES, load(v + LANES) * inverse[r]);
			}
		}
	}
}

// mlp_rows: the hidden values stay in scratch, in blocks of 32 columns of all
// rows, so that they are written and read one after the other.
INLINE void mlp_rows(const sl_mlp *j, size_t first, int rows, const sl_mlp_scratch *s) {
	const sl_weights *up = j->up, *down = j->down;
	size_t stride = (size_t)up->depth * 64, n = (size_t)down->n;
	int32_t c[BLOCK * BLOCK] __attribute__((aligned(64)));
	sl_linear_scratch one = {.a = s->a, .scale = s->scale, .normed = s->normed};
	quantise_rows(j->x + first * (size_t)up->k, rows, up, &j->before, &one);
	memset(s->peak, 0, (size_t)rows * LANES * sizeof(float));
	for (int nb = 0; nb * BLOCK < up->n; nb++) {
		for (int r = 0; r < rows; r += BLOCK) {
			j->gemm->block(s->a + (size_t)r * stride, stride, up, nb, c);
			activate(c, rows - r < BLOCK ? rows - r : BLOCK, s->scale + r, j->factor + nb * BLOCK, j->bias + nb * BLOCK,
			         s->hidden + ((size_t)nb * (size_t)rows + (size_t)r) * BLOCK, s->peak + (size_t)r * LANES);
		}
	}
	for (int r = 0; r < rows; r++) {
		float peak = peak_of(load(s->peak + (size_t)r * LANES));
		s->inverse[r] = 127.0f / peak;
		// A row that is not finite has shown in its scale, which is a factor of all.
		s->scale[r] = peak * (1.0f / 127) + (s->scale[r] - s->scale[r]);
	}
	round_hidden(s->hidden, rows, up->n / BLOCK, s->inverse, s->a, (size_t)down->depth * 64);
	sl_spread to = {.out = j->out + first * n, .row = n, .factor = j->down_factor, .bias = j->down_bias};
	product(j->gemm, s->a, s->scale, rows, down, &to);
	close_rows(&j->norm, to.out, first, rows, n);
}

// query_rows: x W_q, rounded anew for each head, times the head's part of W_k.
INLINE void query_rows(const sl_cross *j, size_t first, int rows, const sl_cross_scratch *s) {
	const sl_weights *w = j->query;
	size_t d = (size_t)w->n, k = (size_t)w->k, dv = (size_t)j->keys->n;
	for (int r = 0; r < rows; r++)
		s->scale[r] = quantise(j->x + (first + (size_t)r) % j->x_rows * k, (int)k, s->a + (size_t)r * (size_t)w->depth * 64);
	sl_spread to = {.out = s->q, .row = d, .factor = j->factor, .bias = j->bias};
	product(j->gemm, s->a, s->scale, rows, w, &to);
	for (size_t h = 0; h < j->heads; h++) {
		for (int r = 0; r < rows; r++)
			s->scale[r] = quantise(s->q + (size_t)r * d + h * HEAD, HEAD, s->head + (size_t)r * HEAD);
		sl_spread wide = {.out = s->wide + h * (size_t)rows * dv, .row = dv};
		product(j->gemm, s->head, s->scale, rows, &j->keys[h], &wide);
	}
}

// value_rows: averages of each head times its part of W_v, plus a picture's bias.
INLINE void value_rows(const sl_cross *j, size_t first, int rows, const sl_cross_scratch *s) {
	size_t dv = (size_t)j->values->k, d = j->heads * HEAD, stride = (size_t)j->values->depth * 64;
	for (size_t h = 0; h < j->heads; h++) {
		const uint8_t *x = s->average + h * (size_t)rows * dv;
		if (stride != dv) { // the product reads whole tiles
			for (int r = 0; r < rows; r++)
				memcpy(s->a + (size_t)r * stride, x + (size_t)r * dv, dv);
			x = s->a;
		}
		sl_spread to = {.out = j->out + first * d + h * HEAD, .row = d, .factor = j->value_factor + h * HEAD};
		product(j->gemm, x, s->average_scale + h * (size_t)rows, rows, &j->values[h], &to);
	}
	for (int r = 0; r < rows; r++) {
		const float *bias = j->value_bias + (first + (size_t)r) / j->length * d;
		float *out = j->out + (first + (size_t)r) * d;
		for (size_t i = 0; i < d; i += LANES)
			store(out + i, load(out + i) + load(bias + i));
	}
}

// attend_text is one head's self-attention of a text to its first length tokens:
// queries, keys and values are parts of rows of 3·width.
INLINE void attend_text(const sl_self *j, const float *text, size_t length, size_t head, float *out, float *p) {
	size_t d = j->width, row = 3 * d, asking = j->first ? 1 : j->length;
	const float *keys = text + d + head * HEAD, *values = keys + d;
	for (size_t i = 0; i < asking; i++) {
		const float *q = text + i * row + head * HEAD;
		float high = -INFINITY, sum = 0;
		for (size_t t = 0; t < length; t++) {
			vf s = {0};
			for (int c = 0; c < HEAD; c += LANES)
				s += load(q + c) * load(keys + t * row + c);
			p[t] = sum_of(s) * 1.44269504f;
			high = p[t] > high ? p[t] : high;
		}
		for (size_t t = length; t % LANES != 0; t++)
			p[t] = -INFINITY;
		for (size_t t = 0; t < length; t += LANES)
			store(p + t, exp2_of(load(p + t) - high));
		vf average[HEAD / LANES] = {{0}};
		for (size_t t = 0; t < length; t++) {
			sum += p[t];
			for (int c = 0; c < HEAD / LANES; c++)
				average[c] += load(values + t * row + c * LANES) * p[t];
		}
		for (int c = 0; c < HEAD / LANES; c++)
			store(out + i * d + head * HEAD + (size_t)c * LANES, average[c] / sum);
	}
}

INLINE void self_text(const sl_self *j, size_t text) {
	size_t asking = j->first ? 1 : j->length, length = j->length;
	if (j->lengths != NULL && j->lengths[text] > 0 && (size_t)j->lengths[text] < length)
		length = (size_t)j->lengths[text];
	float p[TEXT] __attribute__((aligned(64)));
	for (size_t h = 0; h < j->width / HEAD; h++)
		attend_text(j, j->qkv + text * j->length * 3 * j->width, length, h, j->out + text * asking * j->width, p);
}

// LEVEL makes the passes for one level of instructions.
#define LEVEL(name, target) \
	target static void linear_##name(const sl_linear *j, size_t f, int n, const sl_linear_scratch *s) { linear_rows(j, f, n, s); } \
	target static void mlp_##name(const sl_mlp *j, size_t f, int n, const sl_mlp_scratch *s) { mlp_rows(j, f, n, s); } \
	target static void query_##name(const sl_cross *j, size_t f, int n, const sl_cross_scratch *s) { query_rows(j, f, n, s); } \
	target static void value_##name(const sl_cross *j, size_t f, int n, const sl_cross_scratch *s) { value_rows(j, f, n, s); } \
	target static void self_##name(const sl_self *j, size_t text) { self_text(j, text); } \
	static const sl_passes passes_##name = {linear_##name, mlp_##name, query_##name, value_##name, self_##name};

LEVEL(portable, )
#if defined(__x86_64__)
LEVEL(avx2, __attribute__((target("avx2,fma"))))
LEVEL(avx512, __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))))
#endif

const sl_passes *sl_passes_of(const char *level) {
#if defined(__x86_64__)
	if (strcmp(level, "amx") == 0 || strcmp(level, "avx512vnni") == 0)
		return &passes_avx512;
	if (strcmp(level, "avx2") == 0)
		return &passes_avx2;
#endif
	return &passes_portable;
}
