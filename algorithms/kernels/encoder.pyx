# How the rows of an observation port become inputs: the Python side of encoder.h.
cimport numpy as cnp
from libc.stdint cimport int64_t

import numpy as np

cnp.import_array()

cdef tuple TYPES = tuple(map(np.dtype, ("f4", "f8", "u1", "i1", "i2", "i4", "i8")))


def reads(dtype):
    return dtype in TYPES


cdef int read_parts(Encoder *encoder, parts, row_dtype) except -1:
    cdef int k
    if len(parts) > MOST_PARTS:
        raise ValueError(f"an observation of {len(parts)} parts; at most {MOST_PARTS} have a kernel")
    encoder.row, encoder.parts, encoder.features = row_dtype.itemsize, len(parts), 0
    for k, (dtype, at, count, categories, start, divisor) in enumerate(parts):
        part = &encoder.part[k]
        part.type, part.at, part.count = TYPES.index(np.dtype(dtype)), at, count
        part.categories, part.start, part.divisor = categories, start, divisor
        encoder.features += count * max(categories, 1)
    return 0


cdef int read_mask(Encoder *encoder, mask, int64_t categories) except -1:
    dtype, at, count = mask
    if count != categories:
        raise ValueError(f"a mask of {count} numbers does not fit {categories} categories")
    encoder.mask_type, encoder.mask_at, encoder.masked = TYPES.index(np.dtype(dtype)), at, count
    return 0


cdef const char *rows_of(const Encoder *encoder, str name, rows, int64_t count) except NULL:
    if not rows.flags.c_contiguous or rows.nbytes != (len(rows) if count < 0 else count) * encoder.row:
        raise ValueError(f"{name} must be contiguous, and of the port that this network reads")
    return <const char *>cnp.PyArray_DATA(<cnp.ndarray>rows)
