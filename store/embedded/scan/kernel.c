#include "kernel.h"

#include <stddef.h>

// A dot4 computes the integer dot products of the query with four rows. Four,
// because one load of the query then serves four rows and one tree of shuffles
// sums four accumulators; the caller repeats a row where fewer are left.
//
// Rows hold code + 128, because VNNI multiplies unsigned by signed bytes. That
// adds 128 * sum(query), which is one number per query and taken off at the end.
// No sum overflows 32 bits below 65536 dimensions (255 * 127 * 65536 < 2^31),
// and all of them are exact, so every kernel gives the same bits.
typedef void dot4(const scan_task *t, const uint8_t *const rows[4], int32_t out[4]);

static void dot4_scalar(const scan_task *t, const uint8_t *const rows[4], int32_t out[4]) {
	for (int j = 0; j < 4; j++) {
		int32_t sum = 0;
		for (int32_t i = 0; i < t->stride; i++)
			sum += (int32_t)rows[j][i] * t->query[i];
		out[j] = sum - t->bias;
	}
}

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))
#define VNNI __attribute__((target("avx512f,avx512vnni")))

AVX2 static inline void store_sums(__m256i a, __m256i b, __m256i c, __m256i d, int32_t bias, int32_t out[4]) {
	__m256i pairs = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
	__m128i sums = _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
	_mm_storeu_si128((__m128i *)out, _mm_sub_epi32(sums, _mm_set1_epi32(bias)));
}

// mul16 widens to 16 bits first: vpmaddubsw would saturate at 255 * 127 * 2.
AVX2 static inline __m256i mul16(const uint8_t *row, __m256i query) {
	return _mm256_madd_epi16(_mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)row)), query);
}

AVX2 static void dot4_avx2(const scan_task *t, const uint8_t *const rows[4], int32_t out[4]) {
	__m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
	for (int32_t i = 0; i < t->stride; i += 16) {
		__m256i q = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(t->query + i)));
		a = _mm256_add_epi32(a, mul16(rows[0] + i, q));
		b = _mm256_add_epi32(b, mul16(rows[1] + i, q));
		c = _mm256_add_epi32(c, mul16(rows[2] + i, q));
		d = _mm256_add_epi32(d, mul16(rows[3] + i, q));
	}
	store_sums(a, b, c, d, t->bias, out);
}

VNNI static inline __m256i halves(__m512i a) {
	return _mm256_add_epi32(_mm512_castsi512_si256(a), _mm512_extracti64x4_epi64(a, 1));
}

VNNI static void dot4_vnni(const scan_task *t, const uint8_t *const rows[4], int32_t out[4]) {
	__m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
	for (int32_t i = 0; i < t->stride; i += 64) {
		__m512i q = _mm512_loadu_si512(t->query + i);
		a = _mm512_dpbusd_epi32(a, _mm512_loadu_si512(rows[0] + i), q);
		b = _mm512_dpbusd_epi32(b, _mm512_loadu_si512(rows[1] + i), q);
		c = _mm512_dpbusd_epi32(c, _mm512_loadu_si512(rows[2] + i), q);
		d = _mm512_dpbusd_epi32(d, _mm512_loadu_si512(rows[3] + i), q);
	}
	store_sums(halves(a), halves(b), halves(c), halves(d), t->bias, out);
}
#endif

#if defined(__aarch64__)
#include <arm_neon.h>

// signed16 takes the 128 off again: ARM multiplies signed by signed bytes.
static inline int8x16_t signed16(const uint8_t *row) {
	return vreinterpretq_s8_u8(veorq_u8(vld1q_u8(row), vdupq_n_u8(128)));
}

static void dot4_neon(const scan_task *t, const uint8_t *const rows[4], int32_t out[4]) {
	for (int j = 0; j < 4; j++) {
		int32x4_t low = vdupq_n_s32(0), high = low;
		for (int32_t i = 0; i < t->stride; i += 16) {
			int8x16_t q = vld1q_s8(t->query + i), c = signed16(rows[j] + i);
			low = vpadalq_s16(low, vmull_s8(vget_low_s8(c), vget_low_s8(q)));
			high = vpadalq_s16(high, vmull_high_s8(c, q));
		}
		out[j] = vaddvq_s32(vaddq_s32(low, high));
	}
}

// Dot-product instructions: either every processor of the target has them
// (Apple), or Linux says whether this one does. Older compilers lack the
// intrinsics unless the whole build targets them.
#if defined(__ARM_FEATURE_DOTPROD)
#define DOTPROD
static int has_dotprod(void) { return 1; }
#elif defined(__linux__) && ((defined(__clang__) && __clang_major__ >= 16) || (!defined(__clang__) && __GNUC__ >= 8))
#include <sys/auxv.h>
#define DOTPROD __attribute__((target("arch=armv8.2-a+dotprod")))
static int has_dotprod(void) { return (getauxval(AT_HWCAP) >> 20) & 1; } // HWCAP_ASIMDDP
#endif

#if defined(DOTPROD)
DOTPROD static void dot4_dotprod(const scan_task *t, const uint8_t *const rows[4], int32_t out[4]) {
	int32x4_t a = vdupq_n_s32(0), b = a, c = a, d = a;
	for (int32_t i = 0; i < t->stride; i += 16) {
		int8x16_t q = vld1q_s8(t->query + i);
		a = vdotq_s32(a, signed16(rows[0] + i), q);
		b = vdotq_s32(b, signed16(rows[1] + i), q);
		c = vdotq_s32(c, signed16(rows[2] + i), q);
		d = vdotq_s32(d, signed16(rows[3] + i), q);
	}
	vst1q_s32(out, vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d)));
}
#endif
#endif

// choose returns NULL for a kernel that this build or this processor lacks.
static dot4 *choose(int kernel) {
	switch (kernel) {
	case SCAN_SCALAR:
		return dot4_scalar;
#if defined(__x86_64__)
	case SCAN_AVX2:
		return __builtin_cpu_supports("avx2") ? dot4_avx2 : NULL;
	case SCAN_VNNI:
		return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vnni") ? dot4_vnni : NULL;
#endif
#if defined(__aarch64__)
	case SCAN_NEON:
		return dot4_neon;
#endif
#if defined(DOTPROD)
	case SCAN_DOTPROD:
		return has_dotprod() ? dot4_dotprod : NULL;
#endif
	}
	return NULL;
}

int scan_supported(int kernel) { return choose(kernel) != NULL; }

// expand writes the selected slots, ascending, and returns their number.
static int32_t expand(const scan_task *t) {
	int32_t n = 0;
	for (int32_t w = 0; w < t->words; w++) {
		for (uint64_t bits = t->selected[w]; bits != 0; bits &= bits - 1)
			t->slots[n++] = (uint32_t)(64 * w + __builtin_ctzll(bits));
	}
	return n;
}

static const uint8_t *row_of(const scan_task *t, int32_t i) {
	return t->codes + (size_t)t->slots[i] * (size_t)t->stride;
}

// upper is query.upper of bound.go.
static inline float upper(const scan_task *t, uint32_t slot, int32_t dot) {
	const float *m = t->metas + 3 * (size_t)slot;
	return (float)dot * (t->scale * m[0]) + (t->per_residual * m[1] + t->per_norm * m[2]);
}

// There is no prefetching: 8 to 64 rows ahead, into L1 or L2, for all rows or a
// few, made no difference on a Xeon (Sapphire Rapids).
int32_t scan_block(int kernel, scan_task t) {
	dot4 *dot = choose(kernel);
	int32_t n = expand(&t), proposed = 0;
	for (int32_t i = 0; i < n; i += 4) {
		const uint8_t *rows[4];
		int32_t dots[4], group = n - i < 4 ? n - i : 4;
		for (int32_t j = 0; j < 4; j++)
			rows[j] = row_of(&t, i + (j < group ? j : 0));
		dot(&t, rows, dots);
		for (int32_t j = 0; j < group; j++) {
			uint32_t slot = t.slots[i + j];
			if (upper(&t, slot, dots[j]) >= t.floor) { // proposed <= i + j: the list is shortened in place
				t.slots[proposed] = slot;
				t.dots[proposed++] = dots[j];
			}
		}
	}
	return proposed;
}
