// The loops of dense.h for each set of instructions, and which of them this processor has.
#ifndef REACTVEC_DENSE_VARIANTS_H
#define REACTVEC_DENSE_VARIANTS_H

#include <stddef.h>

#include "dense.h"

#if defined(__x86_64__)

#include <cpuid.h>

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

enum { AVX2 = 1 << 5, AVX512F = 1 << 16 };  // of leaf 7

// Does the processor have these instructions and FMA, and does the system save so much of its registers? By hand, since
// `__builtin_cpu_supports` needs a library that is empty where Zig is the compiler, as it may be of wheels.
static inline int has_fused(unsigned instructions, unsigned registers) {
    const unsigned fma = 1 << 12, osxsave = 1 << 27;
    unsigned a, b, c, d, saved, more;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & (fma | osxsave)) != (fma | osxsave)) return 0;
    __asm__("xgetbv" : "=a"(saved), "=d"(more) : "c"(0));
    return (saved & registers) == registers && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & instructions);
}

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
    if (has_fused(AVX512F, 0xE6)) found[count++] = &variant_avx512;
    if (has_fused(AVX2, 0x06)) found[count++] = &variant_avx2;
#endif
    found[count++] = &variant_plain;
    return number < count ? found[number] : NULL;
}

#endif
