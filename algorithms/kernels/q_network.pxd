# Networks of action values for other kernels: see q_network.h for the C side and q_network.pyi for the Python side.
from libc.stdint cimport int64_t, uint64_t

from reactvec.algorithms.kernels.acting cimport Acting
from reactvec.algorithms.kernels.encoded_mlp cimport EncodedMlpKernel
from reactvec.algorithms.kernels.encoder cimport Encoder
from reactvec.algorithms.kernels.head cimport Head
from reactvec.algorithms.kernels.mlp cimport Mlp

cdef extern from "q_network.h" nogil:
    ctypedef struct QNetwork:
        Encoder encoder
        Mlp mlp
        int64_t actions
        int dueling
    void join_advantages(const QNetwork *net, float *values)
    ctypedef struct Ramp:
        int64_t points
        const double *times
        const double *values
    ctypedef struct EpsilonGreedy:
        const QNetwork *net
        Acting *acting
        const Head *head
        Ramp epsilon
        uint64_t luck
        uint64_t random
        int64_t begin
        int64_t tags_before
        int64_t steps_before
    int epsilon_greedy_act(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag)


cdef class QNetworkKernel(EncodedMlpKernel):
    cdef QNetwork net
