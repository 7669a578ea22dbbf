# Networks for other kernels: see mlp.h for the C side and mlp.pyi for the Python side.
from libc.stdint cimport int64_t

from reactvec.algorithms.kernels.dense cimport Variant

cdef extern from "mlp.h" nogil:
    const int MOST_LAYERS
    const int BLOCK_ROWS
    ctypedef struct Mlp:
        const Variant *variant
        int layers
        int activation
        int64_t *width
        int64_t *padded
        int64_t *weight_at
        int64_t *bias_at
        int64_t *transposed_at
        int64_t *value_at
        int64_t slope_at
        int64_t size
        int64_t flat_size
        int64_t transposed
        int64_t scratch
        int64_t deltas
    Mlp mlp_made(const Variant *variant, int layers, const int64_t *width, int activation)
    void mlp_pack(const Mlp *mlp, const float *flat, float *packed)
    void mlp_unpack(const Mlp *mlp, const float *packed, float *flat)
    void mlp_transpose(const Mlp *mlp, const float *packed, float *transposed)
    void mlp_forward(const Mlp *mlp, const float *packed, float *scratch, int64_t rows)
    float *mlp_outputs(const Mlp *mlp, float *scratch, int64_t i)
    void mlp_backward(
        const Mlp *mlp, const float *transposed, const float *scratch, float *deltas, float *gradient, int64_t rows,
        int accumulate, int inputs
    )


# Lays out a network over `inputs`; ValueError where it has more hidden layers than a kernel, or an unknown activation.
cdef int make_mlp(Mlp *mlp, int64_t inputs, hiddens, int64_t outputs, activation, variant) except -1


cdef class MlpWeights:
    cdef Mlp *mlp  # lies in who inherits


cdef class MlpKernel(MlpWeights):
    cdef Mlp network
    cdef readonly tuple widths
    cdef readonly str activation, variant
