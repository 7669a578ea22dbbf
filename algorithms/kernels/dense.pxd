# The loops of dense.h, compiled for the instruction sets that this processor has.
from libc.stdint cimport int64_t

cdef extern from "dense.h" nogil:
    const int PADDING
    ctypedef struct AdamStep:
        pass
    ctypedef struct Product:
        const float *a
        int64_t a_row
        int64_t a_column
        const float *b
        const float *start
        int64_t start_row
        float *c
        int64_t m
        int64_t k
        int64_t n
    ctypedef struct Variant:
        const char *name
        void (*multiply)(const Product *product) noexcept nogil
        void (**activate)(float *values, float *slopes, int64_t n) noexcept nogil
        void (**derive)(float *deltas, const float *stored, int64_t n) noexcept nogil
        void (*adam)(
            const AdamStep *step, float *weights, float *mean, float *square, const float *gradient, int64_t n
        ) noexcept nogil
        double (*norm)(const float *vector, int64_t n) noexcept nogil
        void (*math)(int function, float *values, int64_t n) noexcept nogil
    AdamStep adam_coefficients(double lr, double beta1, double beta2, double eps, int64_t step, double scale)
    int64_t padded_width(int64_t width)

# The variant of that name; None: the best. ValueError where this processor has none.
cdef const Variant *variant_named(name) except NULL

# The array, if it is contiguous float32 of the shape (-1: of any size); ValueError that says what it is.
cdef object checked(str name, array, tuple shape, bint written=*)
