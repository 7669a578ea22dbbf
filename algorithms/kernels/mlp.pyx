# Fully connected networks: the Python side of mlp.h.
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from reactvec.algorithms.kernels.dense cimport checked, variant_named

import numpy as np

from reactvec.algorithms.kernels.dense import ACTIVATIONS, aligned


cdef int make_mlp(Mlp *mlp, int64_t inputs, hiddens, int64_t outputs, activation, variant) except -1:
    cdef int64_t[MOST_LAYERS + 1] width
    cdef int layers = len(hiddens) + 1, layer
    if layers > MOST_LAYERS:
        raise ValueError(f"{len(hiddens)} hidden layers; at most {MOST_LAYERS - 1} have a kernel")
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation is {activation!r}; it must be one of {', '.join(ACTIVATIONS)}")
    width[0], width[layers] = inputs, outputs
    for layer, hidden in enumerate(hiddens, 1):
        width[layer] = hidden
    mlp[0] = mlp_made(variant_named(variant), layers, width, ACTIVATIONS.index(activation))
    return 0


cdef class MlpWeights:
    @property
    def size(self):
        return self.mlp.size

    @property
    def trained(self):
        return self.mlp.size

    @property
    def flat_size(self):
        return self.mlp.flat_size

    def pack(self, flat, packed):
        cdef const float[::1] source = checked("flat", flat, (self.flat_size,))
        cdef float[::1] target = checked("packed", packed, (self.size,), True)
        mlp_pack(self.mlp, &source[0], &target[0])

    def unpack(self, packed, flat):
        cdef const float[::1] source = checked("packed", packed, (self.size,))
        cdef float[::1] target = checked("flat", flat, (self.flat_size,), True)
        mlp_unpack(self.mlp, &source[0], &target[0])


cdef class MlpKernel(MlpWeights):
    def __cinit__(self, widths, activation, *, variant=None):
        self.widths = tuple(widths)
        if not 2 <= len(self.widths) <= MOST_LAYERS + 1 or min(self.widths) < 1:
            raise ValueError(f"widths are {self.widths}; give 2 to {MOST_LAYERS + 1} whole numbers of at least 1")
        inputs, *hiddens, outputs = self.widths
        self.mlp = &self.network
        make_mlp(self.mlp, inputs, hiddens, outputs, activation, variant)
        self.activation, self.variant = activation, self.mlp.variant.name.decode()

    def forward(self, packed, x):
        cdef const float[::1] weights = checked("packed", packed, (self.size,))
        cdef const float[:, ::1] inputs = checked("x", x, (-1, self.widths[0]))
        cdef float[:, ::1] outputs = np.empty((inputs.shape[0], self.widths[self.mlp.layers]), np.float32)
        cdef float[::1] scratch = aligned(self.mlp.scratch)
        cdef int64_t first = 0, rows
        with nogil:
            while first < inputs.shape[0]:
                rows = min(<int64_t>BLOCK_ROWS, inputs.shape[0] - first)
                widen(self.mlp, 0, &inputs[first, 0], &scratch[0], rows)
                mlp_forward(self.mlp, &weights[0], &scratch[0], rows)
                narrow(self.mlp, self.mlp.layers, &scratch[0], &outputs[first, 0], rows)
                first += rows
        return np.asarray(outputs)

    def gradient(self, packed, x, dy):
        return self.gradients(packed, x, dy)[0]

    def gradients(self, packed, x, dy):
        cdef const float[::1] weights = checked("packed", packed, (self.size,))
        cdef const float[:, ::1] inputs = checked("x", x, (-1, self.widths[0]))
        cdef const float[:, ::1] slopes = checked("dy", dy, (inputs.shape[0], self.widths[self.mlp.layers]))
        cdef float[:, ::1] dx = np.empty((inputs.shape[0], self.widths[0]), np.float32)
        cdef float[::1] gradient = aligned(self.mlp.size), scratch = aligned(self.mlp.scratch)
        cdef float[::1] deltas = aligned(self.mlp.deltas), transposed = aligned(self.mlp.transposed)
        cdef int64_t first = 0, rows
        with nogil:
            mlp_transpose(self.mlp, &weights[0], &transposed[0])
            while first < inputs.shape[0]:
                rows = min(<int64_t>BLOCK_ROWS, inputs.shape[0] - first)
                widen(self.mlp, 0, &inputs[first, 0], &scratch[0], rows)
                mlp_forward(self.mlp, &weights[0], &scratch[0], rows)
                widen(self.mlp, self.mlp.layers, &slopes[first, 0], &deltas[0], rows)
                mlp_backward(self.mlp, &transposed[0], &scratch[0], &deltas[0], &gradient[0], rows, 1, 1)
                narrow(self.mlp, 0, &deltas[0], &dx[first, 0], rows)
                first += rows
        return np.asarray(gradient), np.asarray(dx)


cdef void widen(const Mlp *mlp, int layer, const float *source, float *values, int64_t rows) noexcept nogil:
    # Copies rows to where the values of a layer lie, with their padding.
    cdef int64_t row, width = mlp.width[layer], padded = mlp.padded[layer]
    cdef float *target = values + mlp.value_at[layer]
    memset(target, 0, rows * padded * sizeof(float))
    for row in range(rows):
        memcpy(target + row * padded, source + row * width, width * sizeof(float))


cdef void narrow(const Mlp *mlp, int layer, const float *values, float *target, int64_t rows) noexcept nogil:
    cdef int64_t row, width = mlp.width[layer], padded = mlp.padded[layer]
    for row in range(rows):
        memcpy(target + row * width, values + mlp.value_at[layer] + row * padded, width * sizeof(float))
