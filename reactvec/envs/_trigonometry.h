// sin and cos of a block of numbers, bit for bit as np.sin and np.cos give them for one number.
#ifndef REACTVEC_TRIGONOMETRY_H
#define REACTVEC_TRIGONOMETRY_H

#include <stdint.h>

#define NPY_NO_DEPRECATED_API NPY_1_7_API_VERSION
#include "numpy/arrayobject.h"
#include "numpy/ufuncobject.h"

enum { BLOCK = 128 };

// The float64 loop of a unary NumPy ufunc.
typedef struct {
    PyUFuncGenericFunction call;
    void *data;
} NumpyLoop;

typedef struct {
    NumpyLoop sine, cosine;
    int64_t rows;  // how many numbers NumPy's loops may take at once without other bits
} Trigonometry;

// Finds the loop; 0 if the ufunc has none for float64.
static inline int numpy_loop(PyObject *function, NumpyLoop *loop) {
    const PyUFuncObject *ufunc = (const PyUFuncObject *)function;
    for (int k = 0; k < ufunc->ntypes; k++) {
        if (ufunc->types[2 * k] != NPY_DOUBLE || ufunc->types[2 * k + 1] != NPY_DOUBLE) continue;
        loop->call = ufunc->functions[k];
        loop->data = ufunc->data ? (void *)ufunc->data[k] : NULL;
        return 1;
    }
    return 0;
}

static inline void numpy_apply(const NumpyLoop *loop, const double *in, double *out, int64_t n) {
    const npy_intp count = n, strides[2] = {sizeof(double), sizeof(double)};
    char *args[2] = {(char *)in, (char *)out};
    loop->call(args, &count, strides, loop->data);
}

static inline void sine_cosine(const Trigonometry *self, const double *theta, double *sine, double *cosine, int64_t n) {
    for (int64_t i = 0; i < n; i += self->rows) {
        const int64_t rows = n - i < self->rows ? n - i : self->rows;
        numpy_apply(&self->sine, theta + i, sine + i, rows);
        numpy_apply(&self->cosine, theta + i, cosine + i, rows);
    }
}

#endif
