# Networks over the rows of a port: what actors and networks of action values share.
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from reactvec.algorithms.kernels.dense cimport checked
from reactvec.algorithms.kernels.encoder cimport Encoder, encode_rows, read_parts, rows_of
from reactvec.algorithms.kernels.mlp cimport BLOCK_ROWS, Mlp, MlpWeights, make_mlp, mlp_forward, mlp_outputs

import numpy as np

from reactvec.algorithms.kernels.dense import aligned


cdef class EncodedMlpKernel(MlpWeights):
    cdef int read(self, Encoder *encoder, parts, row_dtype) except -1:
        self.encoder, self.row_dtype = encoder, np.dtype(row_dtype)
        return read_parts(encoder, parts, self.row_dtype)

    cdef int lay_out(self, Mlp *mlp, hiddens, int64_t width, int64_t outputs, activation, variant) except -1:
        self.mlp, self.outputs = mlp, outputs
        return make_mlp(mlp, self.encoder.features, hiddens, width, activation, variant)

    cdef void finish(self, float *outputs) noexcept nogil:
        pass

    def forward(self, packed, rows):
        cdef const float[::1] weights = checked("packed", packed, (self.size,))
        cdef const char *obs = rows_of(self.encoder, "rows", rows, -1)
        cdef int64_t count = len(rows), first = 0, block, i
        cdef float[:, ::1] made = np.empty((count, self.outputs), np.float32)
        cdef float[::1] scratch = aligned(self.mlp.scratch)
        cdef float *outputs
        with nogil:
            while first < count:
                block = min(<int64_t>BLOCK_ROWS, count - first)
                encode_rows(self.encoder, obs + first * self.encoder.row, &scratch[0], self.mlp.padded[0], block)
                mlp_forward(self.mlp, &weights[0], &scratch[0], block)
                for i in range(block):
                    outputs = mlp_outputs(self.mlp, &scratch[0], i)
                    self.finish(outputs)
                    memcpy(&made[first + i, 0], outputs, self.outputs * sizeof(float))
                first += block
        return np.asarray(made)
