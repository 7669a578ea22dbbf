# What kernels of policies share: the Python side of acting.h.
cimport numpy as cnp
from libc.stdint cimport int64_t

from reactvec.algorithms.kernels.dense cimport checked

import numpy as np

from reactvec.algorithms.kernels.dense import aligned

cnp.import_array()

cdef extern from "acting.h" nogil:
    const int AREAS
    const int most_workers "MOST_WORKERS"
    int64_t area_at(int64_t rows, int64_t lo)


MOST_WORKERS = most_workers


def area(rows, lo):
    return area_at(rows, lo)


cdef class ActingKernel:
    cdef int make_areas(self, int64_t rows, int64_t room, int64_t weights, bint whole) except -1:
        self.acting.whole = whole
        self.acting.rows, self.acting.room, self.acting.weights = rows, room, weights
        self.memory, self.first = aligned(AREAS * (room + weights)), aligned(weights)
        self.acting.memory = <float *>cnp.PyArray_DATA(<cnp.ndarray>self.memory)
        self.acting.first = <float *>cnp.PyArray_DATA(<cnp.ndarray>self.first)
        self.begin_with(self.first)
        return 0

    def begin_with(self, packed):
        cdef int area
        self.first[...] = checked("packed", packed, (self.acting.weights,))
        for area in range(AREAS):
            self.acting.current[area] = self.acting.first

    def acting_by(self):
        return np.asarray(<float[:self.acting.weights]>self.acting.current[0]).copy()
