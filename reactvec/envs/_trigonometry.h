// sin and cos of a block of numbers, bit for bit as np.sin and np.cos give them for one number; and squares, as pow does.
//
// NumPy's own loops are the definition. On x86-64 with glibc, where they are the C library's functions called one by one,
// most of the work is spared by a proof: glibc computes sin and cos "with ~0.55 ULP" (sysdeps/ieee754/dbl-64/s_sin.c) and
// pow with 0.511 ULP and 1.5 * 2**-15 times the result's logarithm (e_pow.c), so where the exact value is farther than 0.05
// or 0.012 ULP from the middle between two doubles, the nearer one is the only result it can return. A polynomial shows that for most arguments (Ziv's rounding test, IBM
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
    int proven;    // spare NumPy the angles whose result can be proven, and pow the squares
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

static inline double ulp_of(double value) {
    return as_double(as_bits(value) & UINT64_C(0x7FF0000000000000)) * 0x1p-52;
}

// The upper half of the bits: products of two such numbers are exact.
static inline double upper(double x) {
    return as_double((as_bits(x) + 0x4000000) & UINT64_C(0xFFFFFFFFF8000000));
}

// What is lost in product = x * y (Dekker, 1971).
static inline double product_tail(double x, double y, double product) {
    const double x_high = upper(x), x_low = x - x_high, y_high = upper(y), y_low = y - y_high;
    return ((x_high * y_high - product) + x_high * y_low + x_low * y_high) + x_low * y_low;
}

// Below 0.3 the Taylor terms left out are under 0.005 ULP. Zero keeps its sign by going to NumPy.
static inline int is_small(double square) {
    return (square < 0.09) & (square > 0x1p-600);
}

// sin x = x + r with |r| < 0.015 |x|: the roundings of r (about 5, of half an ULP each) stay under 0.055 ULP of the sum.
static inline double small_sine(double x, uint64_t *unsure) {
    const double z = x * x;
    const double p = -1.0 / 6 + z * (1.0 / 120 + z * (-1.0 / 5040 + z * (1.0 / 362880
        + z * (-1.0 / 39916800 + z * (1.0 / 6227020800.0)))));
    const double r = x * z * p, value = x + r, rest = r - (value - x);
    *unsure = certain(value, rest, 0.11 * ulp_of(value)) & is_small(z) ? 0 : ~UINT64_C(0);
    return value;
}

// cos x = (1 - z/2) + (z*z*q - tail/2), with x*x = z + tail exactly; errors stay under 0.01 ULP.
static inline double small_cosine(double x, uint64_t *unsure) {
    const double z = x * x, tail = product_tail(x, x, z);
    const double q = 1.0 / 24 + z * (-1.0 / 720 + z * (1.0 / 40320 + z * (-1.0 / 3628800 + z * (1.0 / 479001600))));
    const double near = 1 - 0.5 * z, lost = (1 - near) - 0.5 * z;
    const double r = lost + (z * z * q - 0.5 * tail), value = near + r, rest = r - (value - near);
    *unsure = certain(value, rest, 0.07 * 0x1p-53) & is_small(z) ? 0 : ~UINT64_C(0);
    return value;
}

// A value, and whether it is all that the C library can return.
typedef struct {
    double value;
    uint64_t unsure;
} Proven;

// An angle less the nearest multiple of pi/2: angle + tail, and which multiple.
typedef struct {
    double angle, tail;
    uint64_t quadrant;
    int usable;
} Reduced;

// Cody and Waite (1980): pi/2 in parts of 33 bits, whose multiples are exact up to 2**20, and the rest.
static inline Reduced reduced(double x) {
    const double first = 0x1.921fb544p+0, second = 0x1.0b4611a6p-34, third = 0x1.3198a2e037073p-69;
    const double shift = 0x1.8p52, shifted = x * 0.63661977236758134 + shift, k = shifted - shift;
    const double a = x - k * first, b = k * second, angle = a - b, back = a - angle;
    // The error of the difference (Knuth's two-sum), and what the third part takes away.
    const double lost = (a - (angle + back)) + (back - b);
    // Far from a multiple the tail is small beside the angle (an ULP at most), and its own error is nothing.
    const int usable = (fabs(x) < 0x1p15) & (fabs(angle) > 0x1p-20);
    return (Reduced){angle, lost - k * third, as_bits(shifted), usable};
}

// sin(x + tail), |x| < 0.79: x - x**3/6 in two doubles each, the further terms, under x/300, in one; 0.015 ULP.
static inline Proven reduced_sine(Reduced r) {
    const double x = r.angle, z = x * x, z_tail = product_tail(x, x, z);
    const double q = 1.0 / 120 + z * (-1.0 / 5040 + z * (1.0 / 362880 + z * (-1.0 / 39916800 + z * (1.0 / 6227020800.0
        + z * (-1.0 / 1307674368000.0 + z * (1.0 / 355687428096000.0))))));
    const double cube = x * z, cube_tail = product_tail(x, z, cube) + x * z_tail;
    const double sixth = 0x1.5555555555555p-3, sixth_tail = 0x1.5555555555555p-57;
    const double t = cube * sixth, t_tail = product_tail(cube, sixth, t) + (cube_tail * sixth + cube * sixth_tail);
    const double near = x - t, lost = (x - near) - t;
    const double more = lost + (cube * z * q - t_tail + r.tail * (1 - z * (0.5 - z * (1.0 / 24))));
    const double value = near + more, rest = more - (value - near);
    return (Proven){value, certain(value, rest, 0.065 * ulp_of(value)) & r.usable ? 0 : ~UINT64_C(0)};
}

// cos(x + tail), |x| < 0.79: 1 - x**2/2 + x**4/24 in two doubles, the further terms, under 1/3000, in one; 0.01 ULP.
static inline Proven reduced_cosine(Reduced r) {
    const double x = r.angle, z = x * x, z_tail = product_tail(x, x, z);
    const double q = -1.0 / 720 + z * (1.0 / 40320 + z * (-1.0 / 3628800 + z * (1.0 / 479001600
        + z * (-1.0 / 87178291200.0 + z * (1.0 / 20922789888000.0 + z * (-1.0 / 6402373705728000.0))))));
    const double fourth = z * z, fourth_tail = product_tail(z, z, fourth) + 2 * z * z_tail;
    const double part = 0x1.5555555555555p-5, part_tail = 0x1.5555555555555p-59;
    const double t = fourth * part, t_tail = product_tail(fourth, part, t) + (fourth_tail * part + fourth * part_tail);
    const double near = 1 - 0.5 * z, lost = (1 - near) - 0.5 * z;
    const double sum = near + t, sum_lost = (near - sum) + t;
    const double more = lost + sum_lost + (fourth * z * q + (t_tail - (0.5 * z_tail + x * (1 - z * (1.0 / 6)) * r.tail)));
    const double value = sum + more, rest = more - (value - sum);
    return (Proven){value, certain(value, rest, 0.06 * 0x1p-53) & r.usable ? 0 : ~UINT64_C(0)};
}

// One of two, bit by bit, with the sign changed where `negative` has its lowest bit set.
static inline double chosen(uint64_t other, double one, double two, uint64_t negative) {
    return as_double(((as_bits(one) & ~other) | (as_bits(two) & other)) ^ (negative << 63));
}

static inline void numpy_apply(const NumpyLoop *loop, int64_t rows, const double *in, double *out, int64_t n) {
    const npy_intp strides[2] = {sizeof(double), sizeof(double)};
    for (int64_t i = 0; i < n; i += rows) {
        const npy_intp count = n - i < rows ? n - i : rows;
        char *args[2] = {(char *)(in + i), (char *)(out + i)};
        loop->call(args, &count, strides, loop->data);
    }
}

// The unsure ones, and where they stand.
typedef struct {
    int64_t index[BLOCK], count;
    double in[BLOCK];
} Left;

static inline void leave_unsure(Left *left, const uint64_t *unsure, const double *in, int64_t n) {
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) {  // without a branch, which would be guessed wrong
        left->index[count] = i;
        left->in[count] = in[i];
        count += unsure[i] & 1;
    }
    left->count = count;
}

// Asks NumPy for the unsure angles only.
static inline void numpy_settle(
        const NumpyLoop *loop, int64_t rows, const uint64_t *unsure, const double *theta, double *value, int64_t n) {
    Left left;
    double out[BLOCK];
    leave_unsure(&left, unsure, theta, n);
    if (left.count) numpy_apply(loop, rows, left.in, out, left.count);
    for (int64_t k = 0; k < left.count; k++) value[left.index[k]] = out[k];
}

WIDE static void proven_small(
        const double *restrict theta, double *restrict sine, double *restrict cosine, uint64_t *restrict unsure_sine,
        uint64_t *restrict unsure_cosine, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        sine[i] = small_sine(theta[i], unsure_sine + i);
        cosine[i] = small_cosine(theta[i], unsure_cosine + i);
    }
}

WIDE static void proven_sine_cosine(
        const double *restrict theta, double *restrict sine, double *restrict cosine, uint64_t *restrict unsure_sine,
        uint64_t *restrict unsure_cosine, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        const Reduced r = reduced(theta[i]);
        const Proven s = reduced_sine(r), c = reduced_cosine(r);
        const uint64_t odd = -(r.quadrant & 1);
        sine[i] = chosen(odd, s.value, c.value, r.quadrant >> 1);
        cosine[i] = chosen(odd, c.value, s.value, (r.quadrant + 1) >> 1);
        unsure_sine[i] = (s.unsure & ~odd) | (c.unsure & odd);
        unsure_cosine[i] = (c.unsure & ~odd) | (s.unsure & odd);
    }
}

WIDE static void proven_squares(
        const double *restrict x, double *restrict out, uint64_t *restrict unsure, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        const double value = x[i] * x[i];
        const int usable = (value < 0x1p16) & (value > 0x1p-16);  // |log(value)| < 11.1
        out[i] = value;
        unsure[i] = certain(value, product_tail(x[i], x[i], value), 0.013 * ulp_of(value)) & usable ? 0 : ~UINT64_C(0);
    }
}

typedef void (*Prover)(
    const double *theta, double *sine, double *cosine, uint64_t *unsure_sine, uint64_t *unsure_cosine, int64_t n);

static inline void sine_cosine_by(
        const Trigonometry *self, Prover prove, const double *theta, double *sine, double *cosine, int64_t n) {
    if (!self->proven) {
        numpy_apply(&self->sine, self->rows, theta, sine, n);
        numpy_apply(&self->cosine, self->rows, theta, cosine, n);
        return;
    }
    uint64_t unsure_sine[BLOCK], unsure_cosine[BLOCK];
    prove(theta, sine, cosine, unsure_sine, unsure_cosine, n);
    numpy_settle(&self->sine, self->rows, unsure_sine, theta, sine, n);
    numpy_settle(&self->cosine, self->rows, unsure_cosine, theta, cosine, n);
}

// n <= BLOCK; the outputs overlap neither theta nor each other.
static inline void sine_cosine(
        const Trigonometry *self, const double *theta, double *sine, double *cosine, int64_t n) {
    sine_cosine_by(self, proven_sine_cosine, theta, sine, cosine, n);
}

// The same, quicker for angles that are small as a rule.
static inline void small_sine_cosine(
        const Trigonometry *self, const double *theta, double *sine, double *cosine, int64_t n) {
    sine_cosine_by(self, proven_small, theta, sine, cosine, n);
}

// The cosine alone.
static inline void cosine_only(const Trigonometry *self, const double *theta, double *cosine, int64_t n) {
    if (!self->proven) {
        numpy_apply(&self->cosine, self->rows, theta, cosine, n);
        return;
    }
    double sine[BLOCK];
    uint64_t unsure_sine[BLOCK], unsure_cosine[BLOCK];
    proven_sine_cosine(theta, sine, cosine, unsure_sine, unsure_cosine, n);
    numpy_settle(&self->cosine, self->rows, unsure_cosine, theta, cosine, n);
}

// `square` of a block.
static inline void squares(const Trigonometry *self, const double *x, double *out, int64_t n) {
    if (!self->proven) {
        for (int64_t i = 0; i < n; i++) out[i] = square(x[i]);
        return;
    }
    Left left;
    uint64_t unsure[BLOCK];
    proven_squares(x, out, unsure, n);
    leave_unsure(&left, unsure, x, n);
    for (int64_t k = 0; k < left.count; k++) out[left.index[k]] = square(left.in[k]);
}

static inline void single_cosine_sine(const Trigonometry *self, float theta, float *cosine, float *sine) {
    const npy_intp strides[2] = {sizeof(float), sizeof(float)}, count = 1;
    char *args[2] = {(char *)&theta, (char *)cosine};
    self->single_cosine.call(args, &count, strides, self->single_cosine.data);
    args[1] = (char *)sine;
    self->single_sine.call(args, &count, strides, self->single_sine.data);
}

#endif
