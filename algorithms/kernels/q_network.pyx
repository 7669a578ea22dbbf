# Networks of action values, and the policy that they make: the Python side of q_network.h.
from libc.stdint cimport int64_t, uint64_t

from reactvec._kernel cimport Kernel, kernel_capsule
from reactvec.algorithms.kernels.acting cimport ActingKernel
from reactvec.algorithms.kernels.encoded_mlp cimport EncodedMlpKernel
from reactvec.algorithms.kernels.head cimport HeadKernel

import numpy as np


cdef class QNetworkKernel(EncodedMlpKernel):
    def __cinit__(self, parts, row_dtype, hiddens, str activation, int64_t actions, bint dueling, *, variant=None):
        self.net.actions, self.net.dueling = actions, dueling
        self.read(&self.net.encoder, parts, row_dtype)
        self.lay_out(&self.net.mlp, hiddens, actions + dueling, actions, activation, variant)

    cdef void finish(self, float *outputs) noexcept nogil:
        join_advantages(&self.net, outputs)


cdef class EpsilonGreedyKernel(ActingKernel):
    cdef EpsilonGreedy policy
    cdef Kernel kernel
    cdef tuple kept
    cdef const double[::1] times, values

    def __init__(
        self, QNetworkKernel net, HeadKernel head, int64_t rows, *, times, values, uint64_t luck, uint64_t random,
        int64_t begin, int64_t tags_before, int64_t steps_before, bint whole,
    ):
        self.make_areas(rows, net.net.mlp.scratch, net.size, whole)
        self.kept, self.times, self.values = (net, head), np.array(times, np.float64), np.array(values, np.float64)
        self.policy.net, self.policy.acting, self.policy.head = &net.net, &self.acting, &head.head
        self.policy.epsilon.points = self.times.shape[0]
        self.policy.epsilon.times, self.policy.epsilon.values = &self.times[0], &self.values[0]
        self.policy.luck, self.policy.random, self.policy.begin = luck, random, begin
        self.policy.tags_before, self.policy.steps_before = tags_before, steps_before
        self.kernel.run, self.kernel.self = epsilon_greedy_act, &self.policy

    def act(self):
        return kernel_capsule(&self.kernel, self)
