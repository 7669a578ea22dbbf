// One step of Adam (Kingma and Ba, 2015, algorithm 1) as torch.optim.Adam computes it, and the norm of a gradient.
#ifndef REACTVEC_ADAM_H
#define REACTVEC_ADAM_H

#include <math.h>
#include <stdint.h>

typedef struct {
    float scale;                  // of the gradient, before all else
    float mean_rate, square_rate; // 1 - beta1, 1 - beta2
    float size;                   // lr / (1 - beta1**step)
    float correction;             // 1 / sqrt(1 - beta2**step)
    float eps;
} AdamStep;

// The coefficients of step number `step`, the first being 1.
static inline AdamStep adam_coefficients(
        double lr, double beta1, double beta2, double eps, int64_t step, double scale) {
    const double mean = 1.0 - pow(beta1, (double)step), square = 1.0 - pow(beta2, (double)step);
    const AdamStep made = {
        (float)scale, (float)(1.0 - beta1), (float)(1.0 - beta2), (float)(lr / mean), (float)(1.0 / sqrt(square)),
        (float)eps,
    };
    return made;
}

// The moments of weights that no gradient reaches any more, those of units that are dead, fade. They count as 0 before they
// are subnormal, with which a step takes many times as long on some processors; a mean so small moves no weight.
#define FADED 1e-32f

// Each sum has one product, so that what a compiler fuses, and with it the bits of an element, does not depend on where it
// lies. Moving towards the new value is as exact as the weighted sum where beta2 is at least 1/2. A weight whose gradient
// has always been 0 does not move.
static inline __attribute__((always_inline)) void adam_step(
        const AdamStep *step, float *restrict weights, float *restrict mean, float *restrict square,
        const float *restrict gradient, int64_t n) {
    const AdamStep by = *step;
    for (int64_t i = 0; i < n; i++) {
        const float slope = gradient[i] * by.scale;
        const float first = (slope - mean[i]) * by.mean_rate + mean[i];
        const float second = (slope * slope - square[i]) * by.square_rate + square[i];
        mean[i] = fabsf(first) < FADED ? 0.0f : first;
        square[i] = fabsf(first) + second < FADED ? 0.0f : second;  // not before the mean
        weights[i] -= by.size * mean[i] / (sqrtf(square[i]) * by.correction + by.eps);
    }
}

// The Euclidean norm. Squares of float32 are exact in float64, and element i is added to sum i mod 16, whatever the
// instruction set: the bits are the same everywhere.
static inline __attribute__((always_inline)) double euclidean_norm(const float *restrict vector, int64_t n) {
    double sum[16] = {0.0};
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (int64_t k = 0; k < 16; k++) sum[k] += (double)vector[i + k] * vector[i + k];
    for (; i < n; i++) sum[i & 15] += (double)vector[i] * vector[i];
    for (int64_t width = 8; width; width /= 2)
        for (int64_t k = 0; k < width; k++) sum[k] += sum[k + width];
    return sqrt(sum[0]);
}

#endif
