# Learning action values by DQN: the Python side of dqn.h.
cimport numpy as cnp
from libc.stdint cimport int64_t

from reactvec.algorithms.kernels.dense cimport checked, padded_width
from reactvec.algorithms.kernels.descent cimport Descent, DescentKernel, floats
from reactvec.algorithms.kernels.encoder cimport rows_of
from reactvec.algorithms.kernels.mlp cimport BLOCK_ROWS, Mlp, mlp_transpose
from reactvec.algorithms.kernels.q_network cimport QNetwork, QNetworkKernel

import numpy as np

from reactvec.algorithms.kernels.dense import aligned

cnp.import_array()

cdef extern from "dqn.h" nogil:
    const int SHARE_ROWS
    ctypedef struct Dqn:
        const QNetwork *net
        Descent *descent
        const char *observations
        const char *next_observations
        const int64_t *actions
        const float *returns
        const float *discounts
        const float *importance
        float *td_errors
        int64_t minibatch
        int64_t at
        int double_q
        float *target
        float *transposed
        float *areas
        int64_t area
        int64_t targets_at
        int64_t deltas_at
        double *block_losses
        double loss
    int dqn_gradients(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag)
    int dqn_descend(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag)


cdef class DQNKernel(DescentKernel):
    cdef Dqn dqn
    cdef QNetworkKernel net
    cdef tuple drawn

    def __init__(self, QNetworkKernel net, int64_t minibatch, *, bint double_q, grad_clip, double eps):
        cdef const Mlp *mlp = &net.net.mlp
        self.make_descent(net, mlp.variant, (minibatch + SHARE_ROWS - 1) // SHARE_ROWS, grad_clip, eps)
        self.net, self.dqn.net, self.dqn.descent = net, &net.net, &self.descent
        self.dqn.minibatch, self.dqn.double_q = minibatch, double_q
        self.dqn.targets_at = mlp.scratch
        self.dqn.deltas_at = self.dqn.targets_at + padded_width(BLOCK_ROWS)
        self.dqn.area = self.dqn.deltas_at + mlp.deltas
        self.memory["target"], self.memory["transposed"] = aligned(mlp.size), aligned(mlp.transposed)
        self.memory["areas"], self.memory["losses"] = aligned(self.blocks * self.dqn.area), np.zeros(self.blocks)
        self.dqn.target, self.dqn.transposed = floats(self.memory["target"]), floats(self.memory["transposed"])
        self.dqn.areas = floats(self.memory["areas"])
        self.dqn.block_losses = <double *>cnp.PyArray_DATA(<cnp.ndarray>self.memory["losses"])
        self.run_by(dqn_gradients, dqn_descend, &self.dqn)

    def load(self, flat):
        DescentKernel.load(self, flat)
        mlp_transpose(&self.net.net.mlp, self.descent.weights, self.dqn.transposed)

    def load_target(self, flat):
        self.net.pack(flat, self.memory["target"])

    def begin(self, batch, importance, td_errors, *, double lr):
        observations, actions, returns, discounts, next_observations = batch
        shape = (len(actions), self.dqn.minibatch)
        count = shape[0] * shape[1]
        self.dqn.observations = rows_of(&self.net.net.encoder, "observations", observations, count)
        self.dqn.next_observations = rows_of(&self.net.net.encoder, "next_observations", next_observations, count)
        if actions.dtype != np.int64 or actions.shape != shape or not actions.flags.c_contiguous:
            raise ValueError(f"actions are {actions.dtype} {actions.shape}; they must be contiguous, int64 {shape}")
        if actions.size and not 0 <= actions.min() <= actions.max() < self.net.net.actions:
            raise ValueError(f"actions are {actions.min()} to {actions.max()}; there are {self.net.net.actions}")
        self.dqn.actions = <const int64_t *>cnp.PyArray_DATA(<cnp.ndarray>actions)
        self.dqn.returns = floats(checked("returns", returns, shape))
        self.dqn.discounts = floats(checked("discounts", discounts, shape))
        self.dqn.importance = floats(checked("importance", importance, shape))
        self.dqn.td_errors = floats(checked("td_errors", td_errors, shape, True))
        self.drawn = (batch, importance, td_errors)
        self.descent.lr[0], self.dqn.at, self.dqn.loss = lr, 0, 0.0

    @property
    def loss(self):
        return self.dqn.loss
