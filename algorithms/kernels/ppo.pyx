# Learning from a rollout by PPO: the Python side of ppo.h.
cimport numpy as cnp
from libc.math cimport sqrt
from libc.stdint cimport int64_t

from reactvec.algorithms.kernels.actor_critic cimport ActorCritic, ActorCriticKernel
from reactvec.algorithms.kernels.dense cimport checked, padded_width
from reactvec.algorithms.kernels.descent cimport Descent, DescentKernel, floats
from reactvec.algorithms.kernels.encoder cimport rows_of
from reactvec.algorithms.kernels.mlp cimport BLOCK_ROWS

import numpy as np

from reactvec.algorithms.kernels.dense import aligned

cnp.import_array()

cdef extern from "ppo.h" nogil:
    const int SUMS
    ctypedef struct Ppo:
        const ActorCritic *net
        Descent *descent
        const char *obs
        const void *choices
        const float *log_probs
        const float *values
        const float *advantages
        const float *returns
        const int64_t *order
        const float *shift
        const float *scale
        int64_t batch
        int64_t minibatch
        int64_t per_epoch
        int64_t minibatches
        float clip
        float vf_clip
        float vf_coeff
        float entropy_coeff
        double target_kl
        float *transposed
        float *areas
        int64_t area
        int64_t critic_area
        int64_t deltas_area
        int64_t critic_deltas_area
        int64_t room_area
        double *block_sums
        double *sums
        int64_t at
        int stopped
    int ppo_gradients(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag)
    int ppo_descend(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag)
    void ppo_transpose(const Ppo *ppo)


cdef class PPOKernel(DescentKernel):
    cdef Ppo ppo
    cdef ActorCriticKernel net
    cdef tuple rollout

    def __init__(
        self, ActorCriticKernel net, int64_t minibatch, *, vf_clip, double vf_coeff, grad_clip, target_kl, double eps
    ):
        blocks = (minibatch + BLOCK_ROWS - 1) // BLOCK_ROWS
        self.make_descent(net, net.net.actor.variant, blocks, grad_clip, eps)
        self.net, self.ppo.net, self.ppo.descent, self.ppo.minibatch = net, &net.net, &self.descent, minibatch
        self.ppo.vf_clip, self.ppo.vf_coeff = -1.0 if vf_clip is None else vf_clip, vf_coeff
        self.ppo.target_kl = -1.0 if target_kl is None else target_kl
        self.lay_out()
        self.run_by(ppo_gradients, ppo_descend, &self.ppo)

    cdef int lay_out(self) except -1:
        cdef const ActorCritic *net = self.ppo.net
        self.ppo.critic_area = net.actor.scratch
        self.ppo.deltas_area = self.ppo.critic_area + net.critic.scratch
        self.ppo.critic_deltas_area = self.ppo.deltas_area + net.actor.deltas
        self.ppo.room_area = self.ppo.critic_deltas_area + net.critic.deltas
        self.ppo.area = self.ppo.room_area + padded_width(net.head.outputs)
        self.memory["transposed"] = aligned(net.actor.transposed + net.critic.transposed)
        self.memory["areas"] = aligned(self.blocks * self.ppo.area)
        self.memory["block_sums"], self.memory["sums"] = np.zeros((self.blocks, SUMS)), np.zeros(SUMS)
        self.ppo.transposed, self.ppo.areas = floats(self.memory["transposed"]), floats(self.memory["areas"])
        self.ppo.block_sums = <double *>cnp.PyArray_DATA(<cnp.ndarray>self.memory["block_sums"])
        self.ppo.sums = <double *>cnp.PyArray_DATA(<cnp.ndarray>self.memory["sums"])
        return 0

    def load(self, flat):
        DescentKernel.load(self, flat)
        ppo_transpose(&self.ppo)

    def begin(
        self, steps, const int64_t[:, ::1] order, *, bint normalize_advantages, double lr, double clip,
        double entropy_coeff,
    ):
        cdef int64_t batch = order.shape[1]
        obs, choices, log_probs, values, advantages, returns = steps
        self.ppo.obs = rows_of(&self.ppo.net.encoder, "obs", obs, batch)
        if choices.dtype != self.net.head.choice_dtype or choices.shape != (batch, self.net.head.parts):
            raise ValueError(f"choices are {choices.dtype} {choices.shape}; they must fit the head")
        for name, array in zip(
            ("log_probs", "values", "advantages", "returns"), (log_probs, values, advantages, returns)
        ):
            checked(name, array, (batch,))
        self.ppo.choices = cnp.PyArray_DATA(<cnp.ndarray>choices)
        self.ppo.log_probs, self.ppo.values = floats(log_probs), floats(values)
        self.ppo.advantages, self.ppo.returns = floats(advantages), floats(returns)
        self.ppo.order, self.ppo.batch = &order[0, 0], batch
        self.ppo.per_epoch = (batch + self.ppo.minibatch - 1) // self.ppo.minibatch
        self.ppo.minibatches = order.shape[0] * self.ppo.per_epoch
        self.descent.lr[0], self.ppo.clip, self.ppo.entropy_coeff = lr, clip, entropy_coeff
        shift, scale = np.zeros(self.ppo.minibatches, np.float32), np.ones(self.ppo.minibatches, np.float32)
        self.ppo.shift, self.ppo.scale = floats(shift), floats(scale)
        if normalize_advantages:
            moments(advantages, order, self.ppo.minibatch, shift, scale)
        self.rollout = (steps, order, shift, scale)
        self.memory["sums"][...] = 0
        self.ppo.at = self.ppo.stopped = 0
        return self.ppo.minibatches

    def means(self):
        return self.memory["sums"] / self.ppo.at, self.ppo.at


cdef int moments(
    const float[::1] advantages, const int64_t[:, ::1] order, int64_t minibatch, float[::1] shift, float[::1] scale
) except -1:
    # What brings the advantages of each minibatch to mean 0 and standard deviation 1 (unbiased); of one step, nothing.
    cdef int64_t epoch, first, i, end, number = 0
    cdef double mean, square
    for epoch in range(order.shape[0]):
        for first in range(0, order.shape[1], minibatch):
            end = min(first + minibatch, order.shape[1])
            mean = square = 0.0
            for i in range(first, end):
                mean += advantages[order[epoch, i]]
            mean /= end - first
            for i in range(first, end):
                square += (advantages[order[epoch, i]] - mean) ** 2
            if end - first > 1:
                shift[number] = <float>mean
                scale[number] = <float>(1 / (sqrt(square / (end - first - 1)) + 1e-8))
            number += 1
    return 0
