#define _GNU_SOURCE
#include <stdatomic.h>
#include <stdlib.h>

#include "internal.h"

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

static uint64_t enabled_state(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}

// tiles_allowed asks the kernel for the tiles' state, for the whole process.
// ONNX Runtime asks too; asking twice does no harm.
static int tiles_allowed(void) {
#if defined(__linux__)
  const long request = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM
  return syscall(SYS_arch_prctl, request, tile_data) == 0;
#else
  return 0;
#endif
}

static int has(uint32_t bits, uint32_t want) { return (bits & want) == want; }

// capable counts what this CPU and its system can run: 1 AVX2, 2 AVX-512 with
// VNNI, 3 AMX with its bytes and its bfloat16.
static int capable(void) {
  uint32_t a, b, c, d, b7, c7, d7;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !has(c, 1u << 27 | 1u << 28 | 1u << 12)) return 0;  // OSXSAVE, AVX, FMA
  uint64_t state = enabled_state();
  if ((state & 6) != 6 || !__get_cpuid_count(7, 0, &a, &b7, &c7, &d7) || !has(b7, 1u << 5)) return 0;
  uint32_t avx512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;  // F, DQ, BW, VL
  if ((state & 0xe6) != 0xe6 || !has(b7, avx512) || !has(c7, 1u << 11)) return 1;
  if ((state >> 17 & 3) != 3 || !has(d7, 1u << 22 | 1u << 24 | 1u << 25) || !tiles_allowed()) return 2;
  return 3;
}
#else
static int capable(void) { return 0; }
#endif

// In the order of what they need of a CPU.
static const sl_implementation *const all[] = {
    &sl_portable,
#if defined(__x86_64__)
    &sl_avx2, &sl_avx512, &sl_amx,
#endif
};

static const struct {
  const char *name;
  int level;
} limits[] = {{"portable", 0}, {"avx2", 1}, {"avx512", 2}, {"amx", 3}};

int sl_limit(const char *name) {
  if (!name || !*name) return 3;
  for (int i = 0; i < 4; i++) {
    if (strcmp(name, limits[i].name) == 0) return limits[i].level;
  }
  return -1;
}

// The choice is made once: two threads that both make it find the same.
static _Atomic(int) best;  // 1 + what capable says
static _Atomic(const sl_implementation *) choice;

int sl_capable(void) {
  int found = atomic_load_explicit(&best, memory_order_relaxed);
  if (!found) {
    found = 1 + capable();
    atomic_store_explicit(&best, found, memory_order_relaxed);
  }
  return found - 1;
}

static const sl_implementation *chosen(void) {
  const sl_implementation *c = atomic_load_explicit(&choice, memory_order_relaxed);
  if (!c) {
    int limit = sl_limit(getenv("SIGHTLINE_CPU")), level = sl_capable();
    c = all[limit >= 0 && limit < level ? limit : level];
    atomic_store_explicit(&choice, c, memory_order_relaxed);
  }
  return c;
}

const char *sl_instructions(void) { return chosen()->name; }

void sl_pack(const int8_t *states, int tokens, int width, uint8_t *packed) { chosen()->pack(states, tokens, width, packed); }

void sl_attend(const sl_attention *a) { chosen()->attend(a); }

const sl_implementation *sl_level(int level) { return level >= 0 && level <= sl_capable() ? all[level] : NULL; }

size_t sl_packed_size(int tokens, int width) {
  return sl_first_size(tokens, width) + sl_second_size(tokens, width) + sl_up(tokens, 64) * sizeof(int32_t);
}

// Rows are taken a few at a time, so that their number does not count.
size_t sl_scratch_size(int rows, int tokens, int width) {
  sl_scratch s;
  (void)rows;
  return sl_carve(&s, NULL, tokens, width);
}
