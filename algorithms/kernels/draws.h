// Random draws that are functions of (seed, purpose, counters): what algorithms/draws.py computes, in C.
#ifndef REACTVEC_DRAWS_H
#define REACTVEC_DRAWS_H

#include <stdint.h>

static inline uint64_t draw_mix(uint64_t z) {
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

// The state after one more counter.
static inline uint64_t draw_next(uint64_t state, uint64_t counter) {
    return draw_mix(state ^ (counter * UINT64_C(0x9E3779B97F4A7C15) + UINT64_C(0xBF58476D1CE4E5B9)));
}

// Uniform in [0, 1).
static inline double draw_uniform(uint64_t state) {
    return (double)(state >> 11) * 0x1p-53;
}

// Uniform in [0, high), high at most 2**53.
static inline int64_t draw_below(uint64_t state, int64_t high) {
    return (int64_t)(draw_uniform(state) * (double)high);
}

#endif
