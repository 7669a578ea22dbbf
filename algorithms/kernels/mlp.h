// A fully connected network over blocks of at most BLOCK_ROWS rows: forward and backward, in memory that the caller has.
//
// Packed weights: for each layer its weights transposed, [in][out padded], then its bias, [out padded]. Padding is 0, and
// the gradient's padding is, so that it stays 0. All memory is float32 and faster where it begins at a multiple of 64 bytes.
//
//   scratch + value_at[0]  --multiply-->  value_at[1]  --activate-->  the same  -- ... -->  value_at[layers]
//   deltas  + value_at[0]  <--multiply--  value_at[1]  <---derive---  the same  <- ... ---  value_at[layers]
#ifndef REACTVEC_MLP_H
#define REACTVEC_MLP_H

#include <stddef.h>
#include <string.h>

#include "dense.h"

enum { MOST_LAYERS = 8, BLOCK_ROWS = 64 };

typedef struct {
    const Variant *variant;
    int layers, activation;                       // layers of weights
    int64_t width[MOST_LAYERS + 1], padded[MOST_LAYERS + 1];  // in, hidden..., out
    int64_t weight_at[MOST_LAYERS], bias_at[MOST_LAYERS];     // in the packed weights
    int64_t transposed_at[MOST_LAYERS];                       // in the transposed weights
    int64_t value_at[MOST_LAYERS + 1];            // where values [rows][padded] begin in the scratch
    int64_t slope_at;                             // from there to the slopes of silu
    int64_t size, flat_size, transposed, scratch, deltas;     // floats: packed, in torch's order, and of memory to work in
} Mlp;

// `width` has layers + 1 numbers of at least 1; 1 <= layers <= MOST_LAYERS.
static inline Mlp mlp_made(const Variant *variant, int layers, const int64_t *width, int activation) {
    Mlp mlp = {.variant = variant, .layers = layers, .activation = activation};
    for (int layer = 0; layer <= layers; layer++) {
        mlp.width[layer] = width[layer];
        mlp.padded[layer] = padded_width(width[layer]);
        mlp.value_at[layer] = mlp.deltas;
        mlp.deltas += BLOCK_ROWS * mlp.padded[layer];
    }
    for (int layer = 0; layer < layers; layer++) {
        mlp.weight_at[layer] = mlp.size;
        mlp.bias_at[layer] = mlp.size + width[layer] * mlp.padded[layer + 1];
        mlp.size = mlp.bias_at[layer] + mlp.padded[layer + 1];
        mlp.flat_size += (width[layer] + 1) * width[layer + 1];
        mlp.transposed_at[layer] = mlp.transposed;
        mlp.transposed += width[layer + 1] * mlp.padded[layer];
    }
    mlp.slope_at = mlp.deltas;
    mlp.scratch = activation == SILU ? 2 * mlp.deltas : mlp.deltas;
    return mlp;
}

// A square of four: columns become rows.
static inline void transpose_four(const float *from, float *to, int64_t from_row, int64_t to_row) {
    typedef float Four __attribute__((vector_size(16), aligned(4), may_alias));
    const Four a = *(const Four *)from, b = *(const Four *)(from + from_row);
    const Four c = *(const Four *)(from + 2 * from_row), d = *(const Four *)(from + 3 * from_row);
    for (int k = 0; k < 4; k++) *(Four *)(to + k * to_row) = (Four){a[k], b[k], c[k], d[k]};
}

// to[column][i] = from[i][column] where i < rows, else 0, for i < to_row; in squares that fit the first cache level.
static inline void transpose(
        const float *restrict from, int64_t from_row, float *restrict to, int64_t to_row, int64_t rows, int64_t columns) {
    for (int64_t row = 0; row < to_row; row += PADDING)
        for (int64_t first = 0; first < columns; first += PADDING) {
            const float *square = from + row * from_row + first;
            if (row + PADDING <= rows && first + PADDING <= columns) {
                for (int64_t column = 0; column < PADDING; column += 4)
                    for (int64_t i = 0; i < PADDING; i += 4)
                        transpose_four(
                            square + i * from_row + column, to + (first + column) * to_row + row + i, from_row, to_row);
                continue;
            }
            for (int64_t column = first; column < columns && column < first + PADDING; column++)
                for (int64_t i = row; i < row + PADDING && i < to_row; i++)
                    to[column * to_row + i] = i < rows ? from[i * from_row + column] : 0.0f;
        }
}

// From torch's order: of each layer the weights, [out][in], then the bias.
static inline void mlp_pack(const Mlp *mlp, const float *restrict flat, float *restrict packed) {
    memset(packed, 0, (size_t)mlp->size * sizeof *packed);
    for (int layer = 0; layer < mlp->layers; layer++) {
        const int64_t in = mlp->width[layer], out = mlp->width[layer + 1];
        transpose(flat, in, packed + mlp->weight_at[layer], mlp->padded[layer + 1], out, in);
        memcpy(packed + mlp->bias_at[layer], flat + in * out, (size_t)out * sizeof *flat);
        flat += (in + 1) * out;
    }
}

static inline void mlp_unpack(const Mlp *mlp, const float *restrict packed, float *restrict flat) {
    for (int layer = 0; layer < mlp->layers; layer++) {
        const int64_t in = mlp->width[layer], out = mlp->width[layer + 1];
        transpose(packed + mlp->weight_at[layer], mlp->padded[layer + 1], flat, in, in, out);
        memcpy(flat + in * out, packed + mlp->bias_at[layer], (size_t)out * sizeof *flat);
        flat += (in + 1) * out;
    }
}

// What mlp_backward needs besides, once for each change of the weights: of every layer [out][in padded].
static inline void mlp_transpose(const Mlp *mlp, const float *packed, float *transposed) {
    for (int layer = 0; layer < mlp->layers; layer++)
        transpose(packed + mlp->weight_at[layer], mlp->padded[layer + 1], transposed + mlp->transposed_at[layer],
                  mlp->padded[layer], mlp->width[layer], mlp->width[layer + 1]);
}

// The inputs lie at value_at[0], [rows][padded[0]], whose padding is not read; the outputs come to value_at[layers], with no
// activation. 0 <= rows <= BLOCK_ROWS. What a row gives does not depend on the other rows, bit by bit.
static inline void mlp_forward(const Mlp *mlp, const float *packed, float *scratch, int64_t rows) {
    for (int layer = 0; layer < mlp->layers; layer++) {
        const int64_t n = mlp->padded[layer + 1];
        float *values = scratch + mlp->value_at[layer + 1];
        const Product product = {
            .a = scratch + mlp->value_at[layer], .a_row = mlp->padded[layer], .a_column = 1,
            .b = packed + mlp->weight_at[layer], .start = packed + mlp->bias_at[layer],
            .c = values, .m = rows, .k = mlp->width[layer], .n = n,
        };
        mlp->variant->multiply(&product);
        if (layer + 1 < mlp->layers)
            mlp->variant->activate[mlp->activation](values, values + mlp->slope_at, rows * n);
    }
}

// Where the outputs of row i lie, after mlp_forward.
static inline float *mlp_outputs(const Mlp *mlp, float *scratch, int64_t i) {
    return scratch + mlp->value_at[mlp->layers] + i * mlp->padded[mlp->layers];
}

// The gradient of a layer's weights and bias, from its inputs and its outputs' deltas, row after row.
static inline void layer_gradient(
        const Mlp *mlp, int layer, const float *scratch, const float *deltas, float *gradient, int64_t rows,
        int accumulate) {
    static const float ones[1] = {1.0f};
    float *weights = gradient + mlp->weight_at[layer], *bias = gradient + mlp->bias_at[layer];
    Product product = {
        .a = scratch + mlp->value_at[layer], .a_row = 1, .a_column = mlp->padded[layer],
        .b = deltas + mlp->value_at[layer + 1], .start = accumulate ? weights : NULL, .start_row = mlp->padded[layer + 1],
        .c = weights, .m = mlp->width[layer], .k = rows, .n = mlp->padded[layer + 1],
    };
    mlp->variant->multiply(&product);
    product.a = ones, product.a_row = product.a_column = 0, product.m = 1;
    product.start = accumulate ? bias : NULL, product.c = bias;
    mlp->variant->multiply(&product);
}

static inline void input_deltas(const Mlp *mlp, int layer, const float *transposed, float *deltas, int64_t rows) {
    const Product product = {
        .a = deltas + mlp->value_at[layer + 1], .a_row = mlp->padded[layer + 1], .a_column = 1,
        .b = transposed + mlp->transposed_at[layer], .c = deltas + mlp->value_at[layer],
        .m = rows, .k = mlp->width[layer + 1], .n = mlp->padded[layer],
    };
    mlp->variant->multiply(&product);
}

// After mlp_forward, whose scratch it reads. The caller has put the loss's derivatives by the outputs to value_at[layers]
// of `deltas`, padding 0. `gradient`, in the packed layout, is written or, with `accumulate`, added to row by row, so that
// many blocks give the bits of one; NULL: not wanted. With `inputs` the derivatives by the inputs come to value_at[0].
static inline void mlp_backward(
        const Mlp *mlp, const float *transposed, const float *scratch, float *deltas, float *gradient, int64_t rows,
        int accumulate, int inputs) {
    const int64_t stored_at = mlp->activation == SILU ? mlp->slope_at : 0;
    for (int layer = mlp->layers - 1; layer >= 0; layer--) {
        const int64_t at = mlp->value_at[layer];
        if (gradient) layer_gradient(mlp, layer, scratch, deltas, gradient, rows, accumulate);
        if (layer || inputs) input_deltas(mlp, layer, transposed, deltas, rows);
        if (layer) mlp->variant->derive[mlp->activation](deltas + at, scratch + stored_at + at, rows * mlp->padded[layer]);
    }
}

#endif
