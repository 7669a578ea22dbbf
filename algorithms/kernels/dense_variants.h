// The loops of dense.h for each set of instructions, and which of them this processor has.
#ifndef REACTVEC_DENSE_VARIANTS_H
#define REACTVEC_DENSE_VARIANTS_H

#include <stddef.h>

#include "dense.h"

#if defined(__x86_64__)

#define NAMED(x) x##_avx512
#define SET "avx512"
#define TARGET __attribute__((target("avx512f,fma")))
#define LANES 16
#define TALL 8
#define WIDE 2
#include "dense_tile.h"

#define NAMED(x) x##_avx2
#define SET "avx2"
#define TARGET __attribute__((target("avx2,fma")))
#define LANES 8
#define TALL 6
#define WIDE 2
#include "dense_tile.h"

#define HAS_AVX512 (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("fma"))
#define HAS_AVX2 (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))

#endif

// What every processor of the architecture has: SSE2, without fused multiply-adds and with half as many registers, or NEON.
#define NAMED(x) x##_plain
#define SET "plain"
#define TARGET
#define LANES 4
#if defined(__x86_64__)
#define TALL 4
#else
#define TALL 8
#endif
#define WIDE 2
#include "dense_tile.h"

// The variants that this processor can run, best first; NULL beyond the last.
static inline const Variant *dense_variant(int number) {
    const Variant *found[4] = {NULL};
    int count = 0;
#if defined(__x86_64__)
    if (HAS_AVX512) found[count++] = &variant_avx512;
    if (HAS_AVX2) found[count++] = &variant_avx2;
#endif
    found[count++] = &variant_plain;
    return number < count ? found[number] : NULL;
}

#endif
