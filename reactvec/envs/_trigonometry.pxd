# sin and cos of a block of numbers, bit for bit as np.sin and np.cos give them for one number.
from libc.stdint cimport int64_t

cdef extern from "_trigonometry.h" nogil:
    ctypedef struct NumpyLoop:
        pass
    ctypedef struct Trigonometry:
        NumpyLoop sine
        NumpyLoop cosine
        NumpyLoop single_sine
        NumpyLoop single_cosine
        int64_t rows
        int proven

# What to pass to the functions of the header on this machine, if nothing is `missing`.
cdef Trigonometry trigonometry() noexcept
cpdef missing()
