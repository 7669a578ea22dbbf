// sin and cos of a block of numbers, bit for bit as np.sin and np.cos give them for one number.
//
// NumPy's own loops are the definition. On x86-64 with glibc, where they are the C library's functions called one by one,
// most of the work is spared by a proof: glibc computes sin and cos "with ~0.55 ULP" (sysdeps/ieee754/dbl-64/s_sin.c), so
// where the exact value is farther than 0.05 ULP from the middle between two doubles, the nearer one is the only
// result it can return. A short polynomial shows that for about five angles in six (Ziv's rounding test, IBM
// Accurate Mathematical Library, 1991); the others go to NumPy. _trigonometry.pyx tries it out before it is used.
#ifndef REACTVEC_TRIGONOMETRY_H
#define REACTVEC_TRIGONOMETRY_H

#define NPY_NO_DEPRECATED_API NPY_1_7_API_VERSION
#include "numpy/arrayobject.h"
#include "numpy/ufuncobject.h"

#include "kernel_bank.h"

// A loop of a unary NumPy ufunc.
typedef struct {
    PyUFuncGenericFunction call;
    void *data;
} NumpyLoop;

typedef struct {
    NumpyLoop sine, cosine;
    NumpyLoop single_sine, single_cosine;  // of float32
    int64_t rows;  // how many numbers NumPy's loops may take at once without other bits
    int proven;    // spare NumPy the angles whose result can be proven
} Trigonometry;

// Finds the loop for a type; 0 if the ufunc has none.
static inline int numpy_loop(PyObject *function, int type, NumpyLoop *loop) {
    const PyUFuncObject *ufunc = (const PyUFuncObject *)function;
    for (int k = 0; k < ufunc->ntypes; k++) {
        if (ufunc->types[2 * k] != type || ufunc->types[2 * k + 1] != type) continue;
        loop->call = ufunc->functions[k];
        loop->data = ufunc->data ? (void *)ufunc->data[k] : NULL;
        return 1;
    }
    return 0;
}

// x ** 2 of Python's floats and of NumPy's scalars: the C library's pow, which is not always x * x, as compilers think.
static const volatile double TWO = 2.0;
static const volatile float SINGLE_TWO = 2.0f;

static inline double square(double x) {
    return pow(x, TWO);
}

static inline float single_square(float x) {
    return powf(x, SINGLE_TWO);
}

// Does value + rest round to value, even if it were off by the margin?
static inline int certain(double value, double rest, double margin) {
    return (value + (rest + margin) == value) & (value + (rest - margin) == value);
}

// Below 0.3 the Taylor terms left out are under 0.005 ULP. Zero keeps its sign by going to NumPy.
static inline int in_range(double square) {
    return (square < 0.09) & (square > 0x1p-600);
}

// sin x = x + r with |r| < 0.015 |x|: the roundings of r (about 5, of half an ULP each) stay under 0.055 ULP of the sum.
static inline double proven_sine(double x, uint64_t *unsure) {
    const double z = x * x;
    const double p = -1.0 / 6 + z * (1.0 / 120 + z * (-1.0 / 5040 + z * (1.0 / 362880
        + z * (-1.0 / 39916800 + z * (1.0 / 6227020800.0)))));
    const double r = x * z * p, value = x + r, rest = r - (value - x);
    const double ulp = as_double(as_bits(value) & UINT64_C(0x7FF0000000000000)) * 0x1p-52;
    *unsure = certain(value, rest, 0.11 * ulp) & in_range(z) ? 0 : ~UINT64_C(0);
    return value;
}

// cos x = (1 - z/2) + (z*z*q - tail/2), with x*x = z + tail exactly (Dekker, 1971); errors stay under 0.01 ULP.
static inline double proven_cosine(double x, uint64_t *unsure) {
    const double z = x * x;
    const double high = as_double((as_bits(x) + 0x4000000) & UINT64_C(0xFFFFFFFFF8000000)), low = x - high;
    const double tail = ((high * high - z) + 2 * high * low) + low * low;
    const double q = 1.0 / 24 + z * (-1.0 / 720 + z * (1.0 / 40320 + z * (-1.0 / 3628800 + z * (1.0 / 479001600))));
    const double near = 1 - 0.5 * z, lost = (1 - near) - 0.5 * z;
    const double r = lost + (z * z * q - 0.5 * tail), value = near + r, rest = r - (value - near);
    *unsure = certain(value, rest, 0.07 * 0x1p-53) & in_range(z) ? 0 : ~UINT64_C(0);
    return value;
}

static inline void numpy_apply(const NumpyLoop *loop, int64_t rows, const double *in, double *out, int64_t n) {
    const npy_intp strides[2] = {sizeof(double), sizeof(double)};
    for (int64_t i = 0; i < n; i += rows) {
        const npy_intp count = n - i < rows ? n - i : rows;
        char *args[2] = {(char *)(in + i), (char *)(out + i)};
        loop->call(args, &count, strides, loop->data);
    }
}

// Asks NumPy for the unsure angles only.
static inline void numpy_settle(
        const NumpyLoop *loop, int64_t rows, const uint64_t *unsure, const double *theta, double *value, int64_t n) {
    int64_t index[BLOCK], count = 0;
    double in[BLOCK], out[BLOCK];
    for (int64_t i = 0; i < n; i++) {
        index[count] = i;
        in[count] = theta[i];
        count += unsure[i] & 1;
    }
    if (count) numpy_apply(loop, rows, in, out, count);
    for (int64_t k = 0; k < count; k++) value[index[k]] = out[k];
}

WIDE static void proven_sine_cosine(
        const double *restrict theta, double *restrict sine, double *restrict cosine, uint64_t *restrict unsure_sine,
        uint64_t *restrict unsure_cosine, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        sine[i] = proven_sine(theta[i], unsure_sine + i);
        cosine[i] = proven_cosine(theta[i], unsure_cosine + i);
    }
}

// n <= BLOCK; the outputs overlap neither theta nor each other.
static inline void sine_cosine(
        const Trigonometry *self, const double *theta, double *sine, double *cosine, int64_t n) {
    if (!self->proven) {
        numpy_apply(&self->sine, self->rows, theta, sine, n);
        numpy_apply(&self->cosine, self->rows, theta, cosine, n);
        return;
    }
    uint64_t unsure_sine[BLOCK], unsure_cosine[BLOCK];
    proven_sine_cosine(theta, sine, cosine, unsure_sine, unsure_cosine, n);
    numpy_settle(&self->sine, self->rows, unsure_sine, theta, sine, n);
    numpy_settle(&self->cosine, self->rows, unsure_cosine, theta, cosine, n);
}

// The same of the cosine alone.
static inline void cosine_only(const Trigonometry *self, const double *theta, double *cosine, int64_t n) {
    numpy_apply(&self->cosine, self->rows, theta, cosine, n);
}

static inline void single_cosine_sine(const Trigonometry *self, float theta, float *cosine, float *sine) {
    const npy_intp strides[2] = {sizeof(float), sizeof(float)}, count = 1;
    char *args[2] = {(char *)&theta, (char *)cosine};
    self->single_cosine.call(args, &count, strides, self->single_cosine.data);
    args[1] = (char *)sine;
    self->single_sine.call(args, &count, strides, self->single_sine.data);
}

#endif
