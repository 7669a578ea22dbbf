# Actors for other kernels: see actor.h for the C side and actor.pyi for the Python side.
from libc.stdint cimport int64_t, uint64_t

from reactvec.algorithms.kernels.acting cimport Acting
from reactvec.algorithms.kernels.encoded_mlp cimport EncodedMlpKernel
from reactvec.algorithms.kernels.encoder cimport Encoder
from reactvec.algorithms.kernels.head cimport Head, HeadKernel
from reactvec.algorithms.kernels.mlp cimport Mlp

cdef extern from "actor.h" nogil:
    ctypedef struct Actor:
        Encoder encoder
        Head head
        Mlp mlp
    void clamp_deviations(const Actor *actor, float *outputs)
    ctypedef struct SoftPolicy:
        const Actor *actor
        Acting *acting
        uint64_t luck
        int64_t random_steps
        int64_t begin
        int64_t tags_before
        int64_t steps_before
    int soft_policy_act(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag)


cdef class ActorKernel(EncodedMlpKernel):
    cdef Actor actor
    cdef readonly HeadKernel head
