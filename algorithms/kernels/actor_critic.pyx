# Actors and critics, and the policy that they make: the Python side of actor_critic.h.
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from reactvec._kernel cimport Kernel, kernel_capsule
from reactvec.algorithms.kernels.acting cimport ActingKernel
from reactvec.algorithms.kernels.dense cimport checked, padded_width
from reactvec.algorithms.kernels.encoder cimport read_mask, read_parts, rows_of
from reactvec.algorithms.kernels.head cimport CATEGORIES
from reactvec.algorithms.kernels.mlp cimport BLOCK_ROWS, make_mlp, mlp_forward, mlp_pack, mlp_unpack

import numpy as np

from reactvec.algorithms.kernels.dense import aligned


cdef class ActorCriticKernel:
    def __cinit__(self, parts, row_dtype, hiddens, str activation, HeadKernel head, bint normalized, mask=None,
                  *, variant=None):
        self.row_dtype = np.dtype(row_dtype)
        read_parts(&self.net.encoder, parts, self.row_dtype)
        self.features = self.net.encoder.features
        if mask is not None:
            read_mask(&self.net.encoder, mask, head.outputs if head.head.kind == CATEGORIES else 0)
        self.head, self.net.head = head, head.head
        self.net.normalized = normalized
        outputs = head.outputs if head.head.kind == CATEGORIES else head.parts
        make_mlp(&self.net.actor, self.features, hiddens, outputs, activation, variant)
        make_mlp(&self.net.critic, self.features, hiddens, 1, activation, variant)
        self.lay_out()

    cdef int lay_out(self) except -1:
        self.reals = 0 if self.net.head.kind == CATEGORIES else self.net.head.parts
        self.inputs = self.features if self.net.normalized else 0
        self.net.critic_at = self.net.actor.size
        self.net.log_std_at = self.net.critic_at + self.net.critic.size
        self.net.trained = self.net.mean_at = self.net.log_std_at + padded_width(self.reals)
        self.net.scale_at = self.net.mean_at + padded_width(self.inputs)
        self.net.size = self.size = self.net.scale_at + padded_width(self.inputs)
        self.flat_size = self.reals + self.net.actor.flat_size + self.net.critic.flat_size + 2 * self.inputs
        return 0

    @property
    def trained(self):
        return self.net.trained

    def pack(self, flat, packed):
        cdef const float[::1] source = checked("flat", flat, (self.flat_size,))
        cdef float[::1] target = checked("packed", packed, (self.size,), True)
        cdef const float *at = &source[0]
        cdef float *to = &target[0]
        memset(to, 0, self.size * sizeof(float))
        memcpy(to + self.net.log_std_at, at, self.reals * sizeof(float))
        at += self.reals
        mlp_pack(&self.net.actor, at, to)
        at += self.net.actor.flat_size
        mlp_pack(&self.net.critic, at, to + self.net.critic_at)
        at += self.net.critic.flat_size
        memcpy(to + self.net.mean_at, at, self.inputs * sizeof(float))
        memcpy(to + self.net.scale_at, at + self.inputs, self.inputs * sizeof(float))

    def unpack(self, packed, flat):
        cdef const float[::1] source = checked("packed", packed, (self.size,))
        cdef float[::1] target = checked("flat", flat, (self.flat_size,), True)
        cdef const float *at = &source[0]
        cdef float *to = &target[0]
        memcpy(to, at + self.net.log_std_at, self.reals * sizeof(float))
        to += self.reals
        mlp_unpack(&self.net.actor, at, to)
        to += self.net.actor.flat_size
        mlp_unpack(&self.net.critic, at + self.net.critic_at, to)
        to += self.net.critic.flat_size
        memcpy(to, at + self.net.mean_at, self.inputs * sizeof(float))
        memcpy(to + self.inputs, at + self.net.scale_at, self.inputs * sizeof(float))

    def forward(self, packed, rows):
        cdef const float[::1] weights = checked("packed", packed, (self.size,))
        cdef const char *obs = rows_of(&self.net.encoder, "rows", rows, -1)
        cdef int64_t count = len(rows), first = 0, block, i
        cdef float[:, ::1] made = np.empty((count, self.head.outputs + 1), np.float32)
        cdef float[::1] scratch = aligned(max(self.net.actor.scratch, self.net.critic.scratch))
        cdef float[::1] room = aligned(self.head.outputs)
        with nogil:
            while first < count:
                block = min(<int64_t>BLOCK_ROWS, count - first)
                encode_normalized(&self.net, &weights[0], obs + first * self.net.encoder.row, &scratch[0], block)
                mlp_forward(&self.net.actor, &weights[0], &scratch[0], block)
                for i in range(block):
                    memcpy(
                        &made[first + i, 0],
                        head_outputs(
                            &self.net, &weights[0], &scratch[0], i, obs + (first + i) * self.net.encoder.row, &room[0]
                        ),
                        self.net.head.outputs * sizeof(float),
                    )
                mlp_forward(&self.net.critic, &weights[0] + self.net.critic_at, &scratch[0], block)
                for i in range(block):
                    made[first + i, self.net.head.outputs] = value_of(&self.net, &scratch[0], i)
                first += block
        return np.asarray(made)


cdef class PolicyKernel(ActingKernel):
    cdef Policy policy
    cdef Kernel act_kernel, ends_kernel
    cdef ActorCriticKernel net

    def __init__(
        self, ActorCriticKernel net, int64_t rows, int64_t length, int64_t begin, int64_t tags_before, bint whole
    ):
        cdef int64_t scratch = max(net.net.actor.scratch, net.net.critic.scratch), room = padded_width(net.head.outputs)
        self.make_areas(rows, scratch + room, net.size, whole)
        self.net, self.policy.net, self.policy.acting = net, &net.net, &self.acting
        self.policy.length, self.policy.begin, self.policy.tags_before = length, begin, tags_before
        self.policy.outputs_at = scratch
        self.act_kernel.run, self.act_kernel.self = policy_act, &self.policy
        self.ends_kernel.run, self.ends_kernel.self = policy_value_ends, &self.policy

    def act(self):
        return kernel_capsule(&self.act_kernel, self)

    def value_ends(self):
        return kernel_capsule(&self.ends_kernel, self)
