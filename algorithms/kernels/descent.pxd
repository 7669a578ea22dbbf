# Gradient steps for other kernels: see descent.h for the C side and descent.pyi for the Python side.
from libc.stdint cimport int64_t

from reactvec._kernel cimport Kernel, kernel_run
from reactvec.algorithms.kernels.dense cimport Variant

cdef extern from "descent.h" nogil:
    ctypedef struct Descent:
        const Variant *variant
        int64_t size
        int64_t trained
        int64_t blocks
        float *weights
        float *mean
        float *square
        float *gradients
        int parts
        int64_t *part_end
        double *lr
        double beta1
        double beta2
        double eps
        double grad_clip
        int64_t steps


cdef class DescentKernel:
    cdef Descent descent
    cdef Kernel gradients_kernel, descend_kernel
    cdef object network  # packs and unpacks
    cdef dict memory
    cdef int make_descent(self, network, const Variant *variant, int64_t blocks, grad_clip, double eps) except -1
    cdef void run_by(self, kernel_run gradients, kernel_run descend, void *learner) noexcept

# Where the values of a float32 array lie.
cdef float *floats(array) noexcept
