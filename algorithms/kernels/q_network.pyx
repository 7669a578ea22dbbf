# Networks of action values, and the policy that they make: the Python side of q_network.h.
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

from reactvec._kernel cimport Kernel, kernel_capsule
from reactvec.algorithms.kernels.acting cimport ActingKernel
from reactvec.algorithms.kernels.dense cimport checked, variant_named
from reactvec.algorithms.kernels.encoder cimport encode_padded, read_parts, rows_of
from reactvec.algorithms.kernels.head cimport HeadKernel
from reactvec.algorithms.kernels.mlp cimport BLOCK_ROWS, MOST_LAYERS, mlp_made, mlp_pack, mlp_unpack

import numpy as np

from reactvec.algorithms.kernels.dense import ACTIVATIONS, aligned


cdef class QNetworkKernel:
    def __cinit__(self, parts, row_dtype, hiddens, str activation, int64_t actions, bint dueling, *, variant=None):
        cdef int64_t[MOST_LAYERS + 1] width
        cdef int layers = len(hiddens) + 1, k
        if layers > MOST_LAYERS:
            raise ValueError(f"{len(hiddens)} hidden layers; at most {MOST_LAYERS - 1} have a kernel")
        self.row_dtype = np.dtype(row_dtype)
        read_parts(&self.net.encoder, parts, self.row_dtype)
        for k, hidden in enumerate(hiddens):
            width[k + 1] = hidden
        width[0], width[layers] = self.net.encoder.features, actions + dueling
        self.net.mlp = mlp_made(variant_named(variant), layers, width, ACTIVATIONS.index(activation))
        self.net.actions, self.net.dueling = actions, dueling

    @property
    def size(self):
        return self.net.mlp.size

    @property
    def trained(self):
        return self.net.mlp.size

    @property
    def flat_size(self):
        return self.net.mlp.flat_size

    def pack(self, flat, packed):
        cdef const float[::1] source = checked("flat", flat, (self.flat_size,))
        cdef float[::1] target = checked("packed", packed, (self.size,), True)
        mlp_pack(&self.net.mlp, &source[0], &target[0])

    def unpack(self, packed, flat):
        cdef const float[::1] source = checked("packed", packed, (self.size,))
        cdef float[::1] target = checked("flat", flat, (self.flat_size,), True)
        mlp_unpack(&self.net.mlp, &source[0], &target[0])

    def forward(self, packed, rows):
        cdef const float[::1] weights = checked("packed", packed, (self.size,))
        cdef const char *obs = rows_of(&self.net.encoder, "rows", rows, -1)
        cdef int64_t count = len(rows), first = 0, block, i, padded = self.net.mlp.padded[0]
        cdef float[:, ::1] outputs = np.empty((count, self.net.actions), np.float32)
        cdef float[::1] scratch = aligned(self.net.mlp.scratch)
        with nogil:
            while first < count:
                block = min(<int64_t>BLOCK_ROWS, count - first)
                for i in range(block):
                    encode_padded(
                        &self.net.encoder, obs + (first + i) * self.net.encoder.row, &scratch[i * padded], padded
                    )
                q_forward(&self.net, &weights[0], &scratch[0], block)
                for i in range(block):
                    memcpy(
                        &outputs[first + i, 0], q_values(&self.net, &scratch[0], i), self.net.actions * sizeof(float)
                    )
                first += block
        return np.asarray(outputs)


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
