# Actors of squashed real numbers, and the policy that they make: the Python side of actor.h.
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

from reactvec._kernel cimport Kernel, kernel_capsule
from reactvec.algorithms.kernels.acting cimport ActingKernel
from reactvec.algorithms.kernels.dense cimport checked, variant_named
from reactvec.algorithms.kernels.encoder cimport read_parts, rows_of
from reactvec.algorithms.kernels.head cimport SQUASHED, HeadKernel
from reactvec.algorithms.kernels.mlp cimport (
    BLOCK_ROWS, MOST_LAYERS, mlp_forward, mlp_made, mlp_pack, mlp_unpack,
)

import numpy as np

from reactvec.algorithms.kernels.dense import ACTIVATIONS, aligned


cdef class ActorKernel:
    def __cinit__(self, parts, row_dtype, hiddens, str activation, HeadKernel head, *, variant=None):
        cdef int64_t[MOST_LAYERS + 1] width
        cdef int layers = len(hiddens) + 1, k
        if layers > MOST_LAYERS:
            raise ValueError(f"{len(hiddens)} hidden layers; at most {MOST_LAYERS - 1} have a kernel")
        if head.head.kind != SQUASHED:
            raise ValueError("actions that are not squashed")
        self.row_dtype = np.dtype(row_dtype)
        read_parts(&self.actor.encoder, parts, self.row_dtype)
        self.head, self.actor.head = head, head.head
        for k, hidden in enumerate(hiddens):
            width[k + 1] = hidden
        width[0], width[layers] = self.actor.encoder.features, head.outputs
        self.actor.mlp = mlp_made(variant_named(variant), layers, width, ACTIVATIONS.index(activation))

    @property
    def size(self):
        return self.actor.mlp.size

    @property
    def flat_size(self):
        return self.actor.mlp.flat_size

    def pack(self, flat, packed):
        cdef const float[::1] source = checked("flat", flat, (self.flat_size,))
        cdef float[::1] target = checked("packed", packed, (self.size,), True)
        mlp_pack(&self.actor.mlp, &source[0], &target[0])

    def unpack(self, packed, flat):
        cdef const float[::1] source = checked("packed", packed, (self.size,))
        cdef float[::1] target = checked("flat", flat, (self.flat_size,), True)
        mlp_unpack(&self.actor.mlp, &source[0], &target[0])

    def forward(self, packed, rows):
        cdef const float[::1] weights = checked("packed", packed, (self.size,))
        cdef const char *obs = rows_of(&self.actor.encoder, "rows", rows, -1)
        cdef int64_t count = len(rows), first = 0, block, i, size = self.actor.head.outputs
        cdef float[:, ::1] made = np.empty((count, size), np.float32)
        cdef float[::1] scratch = aligned(self.actor.mlp.scratch)
        cdef float *outputs
        with nogil:
            while first < count:
                block = min(<int64_t>BLOCK_ROWS, count - first)
                encode_seen(&self.actor, obs + first * self.actor.encoder.row, &scratch[0], block)
                mlp_forward(&self.actor.mlp, &weights[0], &scratch[0], block)
                for i in range(block):
                    outputs = actor_outputs(&self.actor, &scratch[0], i)
                    clamp_deviations(&self.actor, outputs)
                    memcpy(&made[first + i, 0], outputs, size * sizeof(float))
                first += block
        return np.asarray(made)


cdef class SoftPolicyKernel(ActingKernel):
    cdef SoftPolicy policy
    cdef Kernel kernel
    cdef ActorKernel net

    def __init__(
        self, ActorKernel net, int64_t rows, *, uint64_t luck, int64_t random_steps, int64_t begin,
        int64_t tags_before, int64_t steps_before, bint whole,
    ):
        self.make_areas(rows, net.actor.mlp.scratch, net.size, whole)
        self.net, self.policy.actor, self.policy.acting = net, &net.actor, &self.acting
        self.policy.luck, self.policy.random_steps, self.policy.begin = luck, random_steps, begin
        self.policy.tags_before, self.policy.steps_before = tags_before, steps_before
        self.kernel.run, self.kernel.self = soft_policy_act, &self.policy

    def act(self):
        return kernel_capsule(&self.kernel, self)
