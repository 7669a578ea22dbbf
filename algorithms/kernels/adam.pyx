# The optimizer: the Python side of adam.h.
from libc.stdint cimport int64_t

from reactvec.algorithms.kernels.dense cimport AdamStep, Variant, adam_coefficients, checked, variant_named

from reactvec.algorithms.kernels.dense import aligned


cdef class Adam:
    cdef const Variant *chosen
    cdef readonly object exp_avg, exp_avg_sq
    cdef public int64_t step
    cdef readonly double beta1, beta2, eps

    def __cinit__(self, int64_t size, *, betas=(0.9, 0.999), double eps=1e-8, variant=None):
        self.beta1, self.beta2 = betas
        self.eps, self.step = eps, 0
        if size < 1:
            raise ValueError(f"size is {size}; it must be at least 1")
        if not (0 <= self.beta1 < 1 and 0 <= self.beta2 < 1):
            raise ValueError(f"betas are {betas}; they must be at least 0 and below 1")
        self.chosen = variant_named(variant)
        self.exp_avg, self.exp_avg_sq = aligned(size), aligned(size)

    def update(self, weights, gradient, double lr, *, double scale=1.0):
        size = self.exp_avg.shape
        cdef float[::1] moved = checked("weights", weights, size, True)
        cdef const float[::1] slopes = checked("gradient", gradient, size)
        cdef float[::1] mean = self.exp_avg, square = self.exp_avg_sq
        cdef AdamStep by = adam_coefficients(lr, self.beta1, self.beta2, self.eps, self.step + 1, scale)
        with nogil:
            self.chosen.adam(&by, &moved[0], &mean[0], &square[0], &slopes[0], moved.shape[0])
        self.step += 1


def norm(vector, *, variant=None):
    cdef const float[::1] numbers = checked("vector", vector, (-1,))
    cdef const Variant *chosen = variant_named(variant)
    return chosen.norm(&numbers[0], numbers.shape[0]) if numbers.shape[0] else 0.0
