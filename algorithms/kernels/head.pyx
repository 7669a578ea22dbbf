# How actions are drawn. See head.pyi for the contract.
cimport numpy as cnp
from libc.stdint cimport int64_t, uint64_t

import numpy as np

cnp.import_array()

cdef tuple TYPES = tuple(map(np.dtype, ("i8", "i4", "i2", "i1", "u1", "f4", "f8")))


cdef class HeadKernel:
    def __init__(self, str kind, first, second, dtype, uint64_t key):
        dtype = np.dtype(dtype)
        if dtype not in TYPES:
            raise ValueError(f"actions of dtype {dtype} have no kernel; wrap the environment so that they have another")
        real = kind != "categories"
        self.head.kind = {"categories": CATEGORIES, "clip": CLIPPED, "squash": SQUASHED}[kind]
        self.head.type = TYPES.index(dtype)
        wide = np.float64 if real else np.int64
        bounds = [np.ascontiguousarray(values, wide).reshape(-1) for values in (first, second)]
        self.memory = bounds
        self.head.parts = self.parts = len(bounds[0])
        if real:
            self.head.low = <double *>cnp.PyArray_DATA(<cnp.ndarray>bounds[0])
            self.head.high = <double *>cnp.PyArray_DATA(<cnp.ndarray>bounds[1])
        else:
            self.head.sizes = <int64_t *>cnp.PyArray_DATA(<cnp.ndarray>bounds[0])
            self.head.starts = <int64_t *>cnp.PyArray_DATA(<cnp.ndarray>bounds[1])
        self.head.outputs = self.outputs = 2 * self.parts if real else int(bounds[0].sum())
        self.choice_dtype, self.action_dtype = np.dtype(np.float32 if real else np.int64), dtype
        self.head.key = key

    def act(self, const float[:, ::1] outputs, uint64_t first, uint64_t step, bint explore):
        cdef int64_t rows = outputs.shape[0], i
        if outputs.shape[1] != self.outputs:
            raise ValueError(f"outputs are [{rows}, {outputs.shape[1]}], not [{rows}, {self.outputs}]")
        choices = np.empty((rows, self.parts), self.choice_dtype)
        actions = np.empty((rows, self.parts), self.action_dtype)
        cdef float[::1] log_probs = np.empty(rows, np.float32)
        cdef void *choice = cnp.PyArray_DATA(<cnp.ndarray>choices)
        cdef void *action = cnp.PyArray_DATA(<cnp.ndarray>actions)
        cdef uint64_t state
        with nogil:
            for i in range(rows):
                state = draw_next(draw_next(self.head.key, first + <uint64_t>i), step)
                act(&self.head, &outputs[i, 0], state, explore, choice, action, i, &log_probs[i])
        return choices, actions, np.asarray(log_probs)
