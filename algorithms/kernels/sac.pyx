# Learning by SAC: the Python side of sac.h.
cimport numpy as cnp
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

from reactvec.algorithms.kernels.actor cimport Actor, ActorKernel
from reactvec.algorithms.kernels.dense cimport checked, padded_width
from reactvec.algorithms.kernels.descent cimport Descent, DescentKernel, floats
from reactvec.algorithms.kernels.encoder cimport rows_of
from reactvec.algorithms.kernels.mlp cimport (
    BLOCK_ROWS, MOST_LAYERS, Mlp, mlp_made, mlp_pack, mlp_unpack,
)

import numpy as np

from reactvec.algorithms.kernels.dense import aligned

cnp.import_array()

cdef extern from "sac.h" nogil:
    const int MOST_CRITICS
    const int SUMS
    const int METRICS
    ctypedef struct Sac:
        const Actor *actor
        Mlp critic
        int64_t critics
        int64_t alpha_at
        int64_t size
        Descent *descent
        const char *observations
        const char *next_observations
        const float *actions
        const float *returns
        const float *discounts
        const float *importance
        float *td_errors
        int64_t minibatch
        int64_t at
        uint64_t luck
        int64_t drawn
        double target_entropy
        float tau
        float *target
        float *transposed
        float *areas
        int64_t area
        int64_t critic_at
        int64_t deltas_at
        int64_t noise_at
        int64_t action_at
        int64_t rows_at
        double *block_sums
        double *metrics
    int sac_gradients(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag)
    int sac_descend(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag)
    void sac_transpose(const Sac *sac)


cdef class SACNetworks:
    # Lays out the weights of actor, critics and alpha; what DescentKernel packs and unpacks by.
    cdef ActorKernel actor
    cdef Mlp critic
    cdef readonly int64_t critics, size, trained, flat_size, alpha_at

    def __init__(self, ActorKernel actor, int64_t critics):
        cdef const Mlp *mlp = &actor.actor.mlp
        cdef int64_t[MOST_LAYERS + 1] width
        cdef int layer
        if not 1 <= critics <= MOST_CRITICS:
            raise ValueError(f"{critics} critics; 1 to {MOST_CRITICS} have a kernel")
        for layer in range(1, mlp.layers):
            width[layer] = mlp.width[layer]
        width[0], width[mlp.layers] = mlp.width[0] + actor.actor.head.parts, 1
        self.actor, self.critics = actor, critics
        self.critic = mlp_made(mlp.variant, mlp.layers, width, mlp.activation)
        self.alpha_at = mlp.size + critics * self.critic.size
        self.size = self.trained = self.alpha_at + padded_width(1)
        self.flat_size = mlp.flat_size + critics * self.critic.flat_size + 1

    def pack(self, flat, packed):
        cdef const float[::1] source = checked("flat", flat, (self.flat_size,))
        cdef float[::1] target = checked("packed", packed, (self.size,), True)
        cdef const Mlp *mlp = &self.actor.actor.mlp
        memset(&target[self.alpha_at], 0, padded_width(1) * sizeof(float))
        mlp_pack(mlp, &source[0], &target[0])
        self.pack_critics(&source[mlp.flat_size], &target[mlp.size])
        target[self.alpha_at] = source[self.flat_size - 1]

    def unpack(self, packed, flat):
        cdef const float[::1] source = checked("packed", packed, (self.size,))
        cdef float[::1] target = checked("flat", flat, (self.flat_size,), True)
        cdef const Mlp *mlp = &self.actor.actor.mlp
        mlp_unpack(mlp, &source[0], &target[0])
        self.unpack_critics(&source[mlp.size], &target[mlp.flat_size])
        target[self.flat_size - 1] = source[self.alpha_at]

    cdef void pack_critics(self, const float *flat, float *packed) noexcept:
        cdef int64_t k
        for k in range(self.critics):
            mlp_pack(&self.critic, flat + k * self.critic.flat_size, packed + k * self.critic.size)

    cdef void unpack_critics(self, const float *packed, float *flat) noexcept:
        cdef int64_t k
        for k in range(self.critics):
            mlp_unpack(&self.critic, packed + k * self.critic.size, flat + k * self.critic.flat_size)


cdef class SACKernel(DescentKernel):
    cdef Sac sac
    cdef SACNetworks nets
    cdef tuple kept

    def __init__(
        self, SACNetworks nets, int64_t minibatch, *, double target_entropy, double tau, grad_clip, double eps,
        uint64_t luck,
    ):
        cdef const Mlp *mlp = &nets.actor.actor.mlp
        cdef int64_t drawn = padded_width(BLOCK_ROWS * nets.actor.actor.head.parts)
        self.make_descent(nets, mlp.variant, (minibatch + BLOCK_ROWS - 1) // BLOCK_ROWS, grad_clip, eps)
        self.descent.parts = 3
        self.descent.part_end[0], self.descent.part_end[1] = mlp.size, nets.alpha_at
        self.descent.part_end[2] = nets.size
        self.nets, self.sac.actor, self.sac.descent = nets, &nets.actor.actor, &self.descent
        self.sac.critic, self.sac.critics, self.sac.alpha_at = nets.critic, nets.critics, nets.alpha_at
        self.sac.size, self.sac.minibatch, self.sac.luck = nets.size, minibatch, luck
        self.sac.target_entropy, self.sac.tau = target_entropy, tau
        self.sac.critic_at = mlp.scratch
        self.sac.deltas_at = self.sac.critic_at + nets.critics * nets.critic.scratch
        self.sac.noise_at = self.sac.deltas_at + max(mlp.deltas, nets.critic.deltas)
        self.sac.action_at = self.sac.noise_at + drawn
        self.sac.rows_at = self.sac.action_at + 2 * drawn
        self.sac.area = self.sac.rows_at + 2 * BLOCK_ROWS
        self.memory["target"] = aligned(nets.critics * nets.critic.size)
        self.memory["transposed"] = aligned(mlp.transposed + nets.critics * nets.critic.transposed)
        self.memory["areas"] = aligned(self.blocks * self.sac.area)
        self.memory["sums"] = np.zeros((self.blocks, SUMS))
        self.sac.target, self.sac.transposed = floats(self.memory["target"]), floats(self.memory["transposed"])
        self.sac.areas = floats(self.memory["areas"])
        self.sac.block_sums = <double *>cnp.PyArray_DATA(<cnp.ndarray>self.memory["sums"])
        self.run_by(sac_gradients, sac_descend, &self.sac)

    def load(self, flat):
        DescentKernel.load(self, flat)
        sac_transpose(&self.sac)

    def load_target(self, flat):
        cdef const float[::1] source = checked("flat", flat, (self.nets.critics * self.nets.critic.flat_size,))
        self.nets.pack_critics(&source[0], self.sac.target)

    def store_target(self, flat):
        cdef float[::1] target = checked("flat", flat, (self.nets.critics * self.nets.critic.flat_size,), True)
        self.nets.unpack_critics(self.sac.target, &target[0])

    @property
    def actor_size(self):
        return self.nets.actor.flat_size

    def store_actor(self, flat):
        self.nets.actor.unpack(self.memory["weights"][: self.nets.actor.size], flat)

    def begin(self, batch, importance, td_errors, *, lrs, int64_t drawn):
        observations, actions, returns, discounts, next_observations = batch
        cdef const Actor *actor = &self.nets.actor.actor
        cdef int k
        shape = (len(returns), self.sac.minibatch)
        count = shape[0] * shape[1]
        self.sac.observations = rows_of(&actor.encoder, "observations", observations, count)
        self.sac.next_observations = rows_of(&actor.encoder, "next_observations", next_observations, count)
        self.sac.actions = floats(checked("actions", actions, (*shape, actor.head.parts)))
        self.sac.returns = floats(checked("returns", returns, shape))
        self.sac.discounts = floats(checked("discounts", discounts, shape))
        self.sac.importance = floats(checked("importance", importance, shape))
        self.sac.td_errors = floats(checked("td_errors", td_errors, shape, True))
        self.kept = (batch, importance, td_errors)
        for k, lr in enumerate(lrs):
            self.descent.lr[k] = lr
        self.sac.drawn, self.sac.at = drawn, 0
        for k in range(METRICS):
            self.sac.metrics[k] = 0.0

    @property
    def sums(self):
        return [self.sac.metrics[k] for k in range(METRICS)]
