# Actors and critics for other kernels: see actor_critic.h for the C side and actor_critic.pyi for the Python side.
from libc.stdint cimport int64_t

from reactvec.algorithms.kernels.acting cimport Acting
from reactvec.algorithms.kernels.encoder cimport Encoder
from reactvec.algorithms.kernels.head cimport Head, HeadKernel
from reactvec.algorithms.kernels.mlp cimport Mlp

cdef extern from "actor_critic.h" nogil:
    ctypedef struct ActorCritic:
        Encoder encoder
        Head head
        Mlp actor
        Mlp critic
        int normalized
        int64_t critic_at
        int64_t log_std_at
        int64_t mean_at
        int64_t scale_at
        int64_t trained
        int64_t size
    void encode_normalized(const ActorCritic *net, const float *packed, const char *obs, float *values, int64_t rows)
    const float *head_outputs(
        const ActorCritic *net, const float *packed, float *scratch, int64_t i, const char *obs, float *room
    )
    float value_of(const ActorCritic *net, float *scratch, int64_t i)
    ctypedef struct Policy:
        const ActorCritic *net
        Acting *acting
        int64_t length
        int64_t begin
        int64_t tags_before
        int64_t outputs_at
    int policy_act(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag)
    int policy_value_ends(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag)


cdef class ActorCriticKernel:
    cdef ActorCritic net
    cdef HeadKernel head
    cdef readonly object row_dtype
    cdef readonly int64_t size, flat_size, features
    cdef int64_t reals, inputs  # real numbers of an action, and normalised features
    cdef int lay_out(self) except -1
