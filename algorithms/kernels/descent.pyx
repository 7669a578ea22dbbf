# What kernels of learners share: the Python side of descent.h.
cimport numpy as cnp
from libc.stdint cimport int64_t

from reactvec._kernel cimport kernel_capsule, kernel_run
from reactvec.algorithms.kernels.dense cimport Variant

from reactvec.algorithms.kernels.dense import aligned

cnp.import_array()


cdef class DescentKernel:
    cdef int make_descent(self, network, const Variant *variant, int64_t blocks, grad_clip, double eps) except -1:
        self.network, self.descent.variant = network, variant
        self.descent.size, self.descent.trained, self.descent.blocks = network.size, network.trained, blocks
        self.descent.parts, self.descent.part_end[0] = 1, network.trained
        self.descent.grad_clip = -1.0 if grad_clip is None else grad_clip
        self.descent.beta1, self.descent.beta2, self.descent.eps = 0.9, 0.999, eps
        self.memory = {name: aligned(network.size) for name in ("weights", "mean", "square")}
        self.memory["gradients"] = aligned(blocks * network.size)
        self.descent.weights, self.descent.mean = floats(self.memory["weights"]), floats(self.memory["mean"])
        self.descent.square, self.descent.gradients = floats(self.memory["square"]), floats(self.memory["gradients"])
        return 0

    cdef void run_by(self, kernel_run gradients, kernel_run descend, void *learner) noexcept:
        self.gradients_kernel.run, self.gradients_kernel.self = gradients, learner
        self.descend_kernel.run, self.descend_kernel.self = descend, learner

    def gradients(self):
        return kernel_capsule(&self.gradients_kernel, self)

    def descend(self):
        return kernel_capsule(&self.descend_kernel, self)

    @property
    def blocks(self):
        return self.descent.blocks

    @property
    def steps(self):
        return self.descent.steps

    def load(self, flat):
        self.network.pack(flat, self.memory["weights"])

    def store(self, flat):
        self.network.unpack(self.memory["weights"], flat)

    def load_moments(self, exp_avg, exp_avg_sq, int64_t step):
        self.network.pack(exp_avg, self.memory["mean"])
        self.network.pack(exp_avg_sq, self.memory["square"])
        self.descent.steps = step

    def store_moments(self, exp_avg, exp_avg_sq):
        self.network.unpack(self.memory["mean"], exp_avg)
        self.network.unpack(self.memory["square"], exp_avg_sq)
        return self.descent.steps


cdef float *floats(array) noexcept:
    return <float *>cnp.PyArray_DATA(<cnp.ndarray>array)
