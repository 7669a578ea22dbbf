// exp, log, tanh and the logistic function on float32, without branches or tables, so that loops over them vectorise.
//
// Polynomials and reductions are those of Cephes (Moshier, 1989: expf.c, logf.c, tanhf.c). Errors, over all float32:
// tests/algorithms/kernels/test_math32.py. Each sum has one product that can be fused with it, so that a compiler which
// contracts (-ffp-contract=fast) has no choice, and a vector's elements have the bits that one number would have.
#ifndef REACTVEC_MATH32_H
#define REACTVEC_MATH32_H

#include <math.h>
#include <stdint.h>
#include <string.h>

static inline int32_t bits32(float value) {
    int32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float float32_of(int32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// 2**power, -126 <= power <= 127.
static inline float power_of_two32(int32_t power) {
    return float32_of((int32_t)((uint32_t)(power + 127) << 23));
}

// e**x: 0 and infinity beyond the range, denormal numbers within it.
static inline float exp32(float x) {
    const float shift = 0x1.8p23f;  // added, it leaves whole numbers in the lowest bits
    float at = x < -104.0f ? -104.0f : x;  // a NaN stays
    at = at > 89.0f ? 89.0f : at;
    const float shifted = at * 1.44269504088896341f + shift, whole = shifted - shift;
    const int32_t power = bits32(shifted) - bits32(shift), half = power >> 1;
    const float rest = (at - whole * 0.693359375f) - whole * -2.12194440e-4f;
    float sum = 1.9875691500e-4f;
    sum = sum * rest + 1.3981999507e-3f;
    sum = sum * rest + 8.3334519073e-3f;
    sum = sum * rest + 4.1665795894e-2f;
    sum = sum * rest + 1.6666665459e-1f;
    sum = sum * rest + 5.0000001201e-1f;
    sum = sum * (rest * rest) + rest;
    // In two halves, since 2**power itself may be out of range. (Of a NaN the power means nothing, and the sum is NaN.)
    return (sum + 1.0f) * power_of_two32(half) * power_of_two32(power - half);
}

// The natural logarithm: -infinity of 0, NaN of negative numbers.
static inline float log32(float x) {
    const int tiny = x < 0x1p-126f;
    const float scaled = tiny ? x * 0x1p23f : x;
    const uint32_t from = (uint32_t)bits32(scaled) - (uint32_t)bits32(0x1.6a09e6p-1f);  // sqrt(1/2)
    const int32_t power = (int32_t)from >> 23;
    const float rest = float32_of((int32_t)((from & 0x7FFFFF) + (uint32_t)bits32(0x1.6a09e6p-1f))) - 1.0f;
    const float whole = (float)(power - (tiny ? 23 : 0)), square = rest * rest;
    float sum = 7.0376836292e-2f;
    sum = sum * rest + -1.1514610310e-1f;
    sum = sum * rest + 1.1676998740e-1f;
    sum = sum * rest + -1.2420140846e-1f;
    sum = sum * rest + 1.4249322787e-1f;
    sum = sum * rest + -1.6668057665e-1f;
    sum = sum * rest + 2.0000714765e-1f;
    sum = sum * rest + -2.4999993993e-1f;
    sum = sum * rest + 3.3333331174e-1f;
    float tail = sum * (square * rest);
    tail = whole * -2.12194440e-4f + tail;
    tail = square * -0.5f + tail;
    const float found = whole * 0.693359375f + (rest + tail);
    const float special = x > 0.0f ? x : x == 0.0f ? -INFINITY : NAN;
    return x > 0.0f && x < INFINITY ? found : special;
}

// The hyperbolic tangent.
static inline float tanh32(float x) {
    const float size = fabsf(x), square = x * x;
    float sum = -5.70498872745e-3f;
    sum = sum * square + 2.06390887954e-2f;
    sum = sum * square + -5.37397155531e-2f;
    sum = sum * square + 1.33314422036e-1f;
    sum = sum * square + -3.33332819422e-1f;
    const float near = sum * (square * x) + x;
    const float far = 1.0f - 2.0f / (exp32(2.0f * size) + 1.0f);
    return size < 0.625f ? near : copysignf(far, x);
}

// The logistic function 1 / (1 + e**-x).
static inline float sigmoid32(float x) {
    return 1.0f / (1.0f + exp32(-x));
}

enum { EXP32, LOG32, TANH32, SIGMOID32 };

// A function of each number, in place.
static inline __attribute__((always_inline)) void math32(int function, float *values, int64_t n) {
    switch (function) {
        case EXP32: for (int64_t i = 0; i < n; i++) values[i] = exp32(values[i]); break;
        case LOG32: for (int64_t i = 0; i < n; i++) values[i] = log32(values[i]); break;
        case TANH32: for (int64_t i = 0; i < n; i++) values[i] = tanh32(values[i]); break;
        default: for (int64_t i = 0; i < n; i++) values[i] = sigmoid32(values[i]);
    }
}

#endif
