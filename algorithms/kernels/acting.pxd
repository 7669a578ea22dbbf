# Policies for other kernels: see acting.h for the C side and acting.pyi for the Python side.
from libc.stdint cimport int64_t

cdef extern from "acting.h" nogil:
    ctypedef struct Acting:
        int whole
        int64_t rows
        int64_t room
        int64_t weights
        float *memory
        const float *first
        const float **current


cdef class ActingKernel:
    cdef Acting acting
    cdef object memory, first
    cdef int make_areas(self, int64_t rows, int64_t room, int64_t weights, bint whole) except -1
