// The loops of dense.h for one set of instructions. Included once for each, with
//
//   NAMED(x)    x with the name of the variant
//   SET         that name, as a string
//   TARGET      the attribute that selects the instructions
//   LANES       floats in a vector register
//   TALL, WIDE  the tile that the registers hold: rows, and vectors to a row
//
// A tile is computed in registers over all of k, so each sum is one chain of additions in the order of k.

// A tile of one row has so many vectors, that there are enough chains to hide what an addition takes.
#define LONG 8
#define UNROLLED _Pragma("GCC unroll 16")

typedef float NAMED(Lanes) __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

static inline __attribute__((always_inline)) TARGET void NAMED(tile)(
        const Product *product, int64_t row, int64_t column, const int rows, const int vectors) {
    const int64_t n = product->n, a_row = product->a_row, a_column = product->a_column, k_end = product->k;
    const float *a = product->a + row * a_row, *b = product->b + column;
    float *c = product->c + row * n + column;
    NAMED(Lanes) sum[TALL][LONG];
    if (product->start) {
        const float *start = product->start + row * product->start_row + column;
        UNROLLED for (int r = 0; r < rows; r++)
            UNROLLED for (int v = 0; v < vectors; v++)
                sum[r][v] = *(const NAMED(Lanes) *)(start + r * product->start_row + v * LANES);
    } else {
        UNROLLED for (int r = 0; r < rows; r++)
            UNROLLED for (int v = 0; v < vectors; v++) sum[r][v] = (NAMED(Lanes)){0.0f};
    }
    for (int64_t k = 0; k < k_end; k++, a += a_column, b += n) {
        NAMED(Lanes) right[LONG];
        UNROLLED for (int v = 0; v < vectors; v++) right[v] = *(const NAMED(Lanes) *)(b + v * LANES);
        UNROLLED for (int r = 0; r < rows; r++)
            UNROLLED for (int v = 0; v < vectors; v++) sum[r][v] += a[r * a_row] * right[v];
    }
    UNROLLED for (int r = 0; r < rows; r++)
        UNROLLED for (int v = 0; v < vectors; v++) *(NAMED(Lanes) *)(c + r * n + v * LANES) = sum[r][v];
}

// All rows of a strip of columns. The numbers of rows are constants, so that tiles are unrolled.
static inline __attribute__((always_inline)) TARGET void NAMED(strip)(
        const Product *product, int64_t column, const int vectors) {
    const int64_t m = product->m;
    int64_t row = 0;
    for (; row + TALL <= m; row += TALL) NAMED(tile)(product, row, column, TALL, vectors);
    for (; row + 4 <= m; row += 4) NAMED(tile)(product, row, column, 4, vectors);
    for (; row + 2 <= m; row += 2) NAMED(tile)(product, row, column, 2, vectors);
    if (row < m) NAMED(tile)(product, row, column, 1, vectors);
}

static TARGET void NAMED(multiply)(const Product *product) {
    int64_t column = 0;
    if (product->m == 1)
        for (; column + LONG * LANES <= product->n; column += LONG * LANES) NAMED(tile)(product, 0, column, 1, LONG);
    for (; column + WIDE * LANES <= product->n; column += WIDE * LANES) NAMED(strip)(product, column, WIDE);
    for (; column < product->n; column += LANES) NAMED(strip)(product, column, 1);
}

// Of everything else the compiler makes vectors itself.
#define ACTIVATION(name) \
    static TARGET void NAMED(name##_forward)(float *values, float *slopes, int64_t n) { \
        name##_forward(values, slopes, n); \
    } \
    static TARGET void NAMED(name##_backward)(float *deltas, const float *stored, int64_t n) { \
        name##_backward(deltas, stored, n); \
    }
ACTIVATION(relu)
ACTIVATION(tanh)
ACTIVATION(silu)

static TARGET void NAMED(adam)(
        const AdamStep *step, float *weights, float *mean, float *square, const float *gradient, int64_t n) {
    adam_step(step, weights, mean, square, gradient, n);
}

static TARGET double NAMED(norm)(const float *vector, int64_t n) {
    return euclidean_norm(vector, n);
}

static TARGET void NAMED(math)(int function, float *values, int64_t n) {
    math32(function, values, n);
}

static const Variant NAMED(variant) = {
    SET, NAMED(multiply),
    {NAMED(relu_forward), NAMED(tanh_forward), NAMED(silu_forward)},
    {NAMED(relu_backward), NAMED(tanh_backward), NAMED(silu_backward)},
    NAMED(adam), NAMED(norm), NAMED(math),
};

#undef ACTIVATION
#undef LONG
#undef UNROLLED
#undef NAMED
#undef SET
#undef TARGET
#undef LANES
#undef TALL
#undef WIDE
