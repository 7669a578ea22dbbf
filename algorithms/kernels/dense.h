// What fully connected layers are computed by: a matrix product, activations, and the optimizer's step, on float32.
//
// A `Variant` is these loops compiled for one set of instructions (dense_variants.h). Within a variant an element's bits depend
// on nothing but what it is computed from: not on how many rows there are, nor on their neighbours.
#ifndef REACTVEC_DENSE_H
#define REACTVEC_DENSE_H

#include <stdint.h>

#include "activation.h"
#include "adam.h"

// Rows of all matrices are padded with zeros to a multiple of so many floats.
enum { PADDING = 16 };

static inline int64_t padded_width(int64_t width) {
    return (width + PADDING - 1) / PADDING * PADDING;
}

// c[m][n] = start[m][n] + the sum over k of a[m][k] b[k][n], added in the order of k by fused multiply-adds, where there
// are such instructions. `n` is a multiple of PADDING; b and c have no gaps between rows.
typedef struct {
    const float *a;
    int64_t a_row, a_column;  // floats from one row of a to the next, and from one column to the next
    const float *b;
    const float *start;       // NULL: zeros
    int64_t start_row;        // 0: one row, a bias, for all
    float *c;                 // may be start
    int64_t m, k, n;
} Product;

typedef struct {
    const char *name;
    void (*multiply)(const Product *product);
    void (*activate[ACTIVATIONS])(float *values, float *slopes, int64_t n);
    void (*derive[ACTIVATIONS])(float *deltas, const float *stored, int64_t n);
    void (*adam)(const AdamStep *step, float *weights, float *mean, float *square, const float *gradient, int64_t n);
    double (*norm)(const float *vector, int64_t n);
    void (*math)(int function, float *values, int64_t n);  // of math32.h, in place
} Variant;

#endif
