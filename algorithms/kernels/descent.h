// Gradient steps on packed weights: the gradients of the blocks of a minibatch are added in their order, limited, and taken
// by Adam. So the bits do not depend on who computes which block. Weights are learned in parts, each with its own rate and
// its own limit of the norm.
#ifndef REACTVEC_DESCENT_H
#define REACTVEC_DESCENT_H

#include "dense.h"

enum { MOST_RATES = 3 };

typedef struct {
    const Variant *variant;
    int64_t size, trained, blocks;     // floats of the packed weights; of those that are learned, the first; of a minibatch
    float *weights, *mean, *square;    // [size]
    float *gradients;                  // [blocks][size]
    int parts;
    int64_t part_end[MOST_RATES];      // floats; the last is `trained`
    double lr[MOST_RATES], beta1, beta2, eps, grad_clip;  // grad_clip < 0: none
    int64_t steps;                     // of Adam, over all times
} Descent;

static inline void add_blocks(const Descent *descent, int64_t blocks) {
    float *restrict gradient = descent->gradients;
    for (int64_t block = 1; block < blocks; block++) {
        const float *restrict other = descent->gradients + block * descent->size;
        for (int64_t i = 0; i < descent->trained; i++) gradient[i] += other[i];
    }
}

// By the gradient of the first block.
static inline void descend(Descent *descent) {
    descent->steps++;
    for (int64_t part = 0, begin = 0; part < descent->parts; begin = descent->part_end[part++]) {
        const int64_t size = descent->part_end[part] - begin;
        const float *gradient = descent->gradients + begin;
        double scale = 1.0;
        if (descent->grad_clip >= 0.0) {
            scale = descent->grad_clip / (descent->variant->norm(gradient, size) + 1e-6);
            scale = scale < 1.0 ? scale : 1.0;
        }
        const AdamStep step = adam_coefficients(
            descent->lr[part], descent->beta1, descent->beta2, descent->eps, descent->steps, scale);
        descent->variant->adam(
            &step, descent->weights + begin, descent->mean + begin, descent->square + begin, gradient, size);
    }
}

#endif
