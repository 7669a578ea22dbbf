from libc.stdint cimport int64_t, uint64_t

cdef extern from "draws.h" nogil:
    uint64_t draw_next(uint64_t state, uint64_t counter)
    double draw_uniform(uint64_t state)
    int64_t draw_below(uint64_t state, int64_t high)

cdef extern from "head.h" nogil:
    enum:
        CATEGORIES
        CLIPPED
        SQUASHED
    ctypedef struct Head:
        int kind
        int type
        int64_t parts
        int64_t outputs
        const int64_t *sizes
        const int64_t *starts
        const double *low
        const double *high
        uint64_t key
    void act(const Head *head, const float *outputs, uint64_t state, int explore, void *choices, void *actions,
             int64_t row, float *log_prob)

cdef class HeadKernel:
    cdef Head head
    cdef list memory
    cdef readonly int64_t parts, outputs
    cdef readonly object choice_dtype, action_dtype
