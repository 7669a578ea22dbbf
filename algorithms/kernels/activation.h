// Activations over blocks of `n` floats, n a multiple of 16: 0 stays 0, so padding does.
//
// The derivatives are found from what the forward pass stored: relu's and tanh's from the outputs, silu's from the
// slopes that it wrote beside them, which is cheaper than e**x once more.
#ifndef REACTVEC_ACTIVATION_H
#define REACTVEC_ACTIVATION_H

#include "math32.h"

enum { RELU, TANH, SILU, ACTIVATIONS };

// `slopes` is written by silu alone.
#define ACTIVATE(name) static inline __attribute__((always_inline)) void name( \
    float *restrict values, float *restrict slopes, int64_t n)
// Of silu, `stored` are the slopes, else the outputs.
#define DERIVE(name) static inline __attribute__((always_inline)) void name( \
    float *restrict deltas, const float *restrict stored, int64_t n)
// In sixteens, so that no compiler makes a remainder.
#define EACH(i, n) for (int64_t block = 0; block < (n); block += 16) for (int64_t i = block; i < block + 16; i++)

ACTIVATE(relu_forward) {
    (void)slopes;
    EACH(i, n) values[i] = values[i] < 0.0f ? 0.0f : values[i];  // a NaN stays
}

DERIVE(relu_backward) {
    EACH(i, n) deltas[i] = stored[i] <= 0.0f ? 0.0f : deltas[i];
}

ACTIVATE(tanh_forward) {
    (void)slopes;
    EACH(i, n) values[i] = tanh32(values[i]);
}

DERIVE(tanh_backward) {
    EACH(i, n) deltas[i] *= 1.0f - stored[i] * stored[i];
}

// x s(x) (Elfwing, Uchibe and Doya, 2018), whose slope is s(x) + x s(x) (1 - s(x)).
ACTIVATE(silu_forward) {
    EACH(i, n) {
        const float share = sigmoid32(values[i]), value = values[i] * share;
        values[i] = value;
        slopes[i] = value * (1.0f - share) + share;
    }
}

DERIVE(silu_backward) {
    EACH(i, n) deltas[i] *= stored[i];
}

#undef ACTIVATE
#undef DERIVE

#endif
