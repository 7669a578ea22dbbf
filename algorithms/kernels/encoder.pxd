# Encoders for other kernels: see encoder.h for the C side.
from libc.stdint cimport int64_t

cdef extern from "encoder.h" nogil:
    const int MOST_PARTS
    ctypedef struct Part:
        int type
        int64_t at
        int64_t count
        int64_t categories
        int64_t start
        float divisor
    ctypedef struct Encoder:
        int64_t row
        int64_t features
        int parts
        Part *part
        int mask_type
        int64_t mask_at
        int64_t masked
    void encode_rows(const Encoder *encoder, const char *rows, float *values, int64_t stride, int64_t count)

# Reads what encoding.encoded_parts says of rows of `row_dtype`; ValueError where there are too many parts.
cdef int read_parts(Encoder *encoder, parts, row_dtype) except -1

# Lets the encoder find the mask of that many categories in a row; ValueError where it is of another number.
cdef int read_mask(Encoder *encoder, mask, int64_t categories) except -1

# The first of contiguous rows of the port that the encoder reads, `count` of them (-1: any number), or ValueError.
cdef const char *rows_of(const Encoder *encoder, str name, rows, int64_t count) except NULL
