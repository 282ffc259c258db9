// Passes over rows of float32, written with GCC's and Clang's vector types: a
// function that inlines them with __attribute__((target)) gets the registers of
// that target. Rows do not see each other, and every sum has one order.
#ifndef SIGHTLINE_OPS_ROWS_H
#define SIGHTLINE_OPS_ROWS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// All functions that take or return vectors are inlined, so how they would be
// passed does not matter.
#pragma GCC diagnostic ignored "-Wpsabi"

enum { LANES = 16 };

typedef float vf __attribute__((vector_size(64)));
typedef int32_t vi __attribute__((vector_size(64)));
typedef uint8_t vb __attribute__((vector_size(16)));

#define INLINE static inline __attribute__((always_inline))

INLINE vf load(const float *p) { vf v; memcpy(&v, p, sizeof v); return v; }
INLINE void store(float *p, vf v) { memcpy(p, &v, sizeof v); }
INLINE vi load_int(const int32_t *p) { vi v; memcpy(&v, p, sizeof v); return v; }
INLINE vf all(float x) { return (vf){0} + x; }
INLINE vf choose(vi mask, vf a, vf b) { return (vf)((mask & (vi)a) | (~mask & (vi)b)); }
INLINE vf larger(vf a, vf b) { return choose(a > b, a, b); }
INLINE vf magnitude(vf a) { return (vf)((vi)a & 0x7fffffff); }
INLINE vf to_float(vi v) { return __builtin_convertvector(v, vf); }

INLINE float sum_of(vf v) {
	float s[LANES];
	memcpy(s, &v, sizeof s);
	for (int n = LANES / 2; n > 0; n /= 2) {
		for (int i = 0; i < n; i++)
			s[i] += s[i + n];
	}
	return s[0];
}

INLINE float largest_of(vf v) {
	float s[LANES];
	memcpy(s, &v, sizeof s);
	for (int n = LANES / 2; n > 0; n /= 2) {
		for (int i = 0; i < n; i++)
			s[i] = s[i] > s[i + n] ? s[i] : s[i + n];
	}
	return s[0];
}

// Adding ROUND to a small float leaves its nearest integer in the low bits.
#define ROUND 12582912.0f

// exp2_of is 2^x, relative error 3e-7, 0 at -126 and below; x is at most 127.
INLINE vf exp2_of(vf x) {
	vi zero = x <= -126.0f;
	x = choose(zero, (vf){0}, x);
	vf k = x + ROUND, r = x - (k - ROUND);
	vf p = r * 1.33335581e-3f + 9.61812911e-3f;
	p = p * r + 5.55041087e-2f;
	p = p * r + 2.40226507e-1f;
	p = p * r + 6.93147181e-1f;
	p = p * r + 1.0f;
	return choose(zero, (vf){0}, (vf)((vi)p + ((vi)k << 23)));
}

// gelu is x·Φ(x), error 2e-6: Φ(x) - 1/2 is x times a polynomial in x², by
// Chebyshev's interpolation for |x| below 5, where Φ is 1 but for 3e-7. A division
// and an exponential, as erf is usually computed, took three times as long.
INLINE vf gelu(vf x) {
	vf z = choose(x > 5.0f, all(5.0f), choose(x < -5.0f, all(-5.0f), x));
	vf s = z * z * 0.08f - 1.0f, p = all(7.353763795e-04f);
	p = p * s + -1.676730928e-03f;
	p = p * s + 1.374596148e-03f;
	p = p * s + -2.526916796e-03f;
	p = p * s + 6.766527425e-03f;
	p = p * s + -1.130712498e-02f;
	p = p * s + 1.623608917e-02f;
	p = p * s + -2.321312763e-02f;
	p = p * s + 3.147675842e-02f;
	p = p * s + -4.045128077e-02f;
	p = p * s + 5.151792988e-02f;
	p = p * s + -7.029590756e-02f;
	p = p * s + 1.413638145e-01f;
	return x * (z * p + 0.5f);
}

// peak_of is the largest lane; a row of zeros would divide by 0.
INLINE float peak_of(vf v) {
	float peak = largest_of(v);
	return peak > 1e-30f ? peak : 1e-30f;
}

// store_bytes rounds values of at most 127 to uint8 with zero point 128.
INLINE void store_bytes(uint8_t *p, vf v) {
	vb bytes = __builtin_convertvector(((vi)(v + ROUND) + 128) & 255, vb);
	memcpy(p, &bytes, sizeof bytes);
}

// quantise rounds a row of n values, n a multiple of 16, to uint8 with zero point
// 128, and returns its scale. A row with a value that is not finite gets NaN for
// a scale.
INLINE float quantise(const float *x, int n, uint8_t *out) {
	vf high = {0}, odd = {0};
	for (int i = 0; i < n; i += LANES) {
		vf v = load(x + i);
		high = larger(magnitude(v), high);
		odd += v - v; // 0 but for what is not finite
	}
	float peak = peak_of(high), inverse = 127.0f / peak;
	for (int i = 0; i < n; i += LANES)
		store_bytes(out + i, load(x + i) * inverse);
	return peak * (1.0f / 127) + sum_of(odd);
}

// norm is LayerNorm of a row of n values. out may be x.
INLINE void norm(const float *x, float *out, int n, const float *gamma, const float *beta, float epsilon) {
	vf sum = {0}, squares = {0};
	for (int i = 0; i < n; i += LANES)
		sum += load(x + i);
	float mean = sum_of(sum) / (float)n;
	for (int i = 0; i < n; i += LANES) {
		vf v = load(x + i) - mean;
		squares += v * v;
	}
	float inverse = 1.0f / sqrtf(sum_of(squares) / (float)n + epsilon);
	for (int i = 0; i < n; i += LANES)
		store(out + i, (load(x + i) - mean) * inverse * load(gamma + i) + load(beta + i));
}

#endif
