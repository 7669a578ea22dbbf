# Networks over the rows of a port, for other kernels: see encoded_mlp.pyi for the Python side.
from libc.stdint cimport int64_t

from reactvec.algorithms.kernels.encoder cimport Encoder
from reactvec.algorithms.kernels.mlp cimport Mlp, MlpWeights


cdef class EncodedMlpKernel(MlpWeights):
    cdef Encoder *encoder  # lies in the struct of who inherits, as `mlp` does
    cdef int64_t outputs  # of a row, when they are finished
    cdef readonly object row_dtype
    cdef int read(self, Encoder *encoder, parts, row_dtype) except -1
    cdef int lay_out(self, Mlp *mlp, hiddens, int64_t width, int64_t outputs, activation, variant) except -1
    # Makes of a row's outputs what `forward` gives.
    cdef void finish(self, float *outputs) noexcept nogil
