# Banks of environments that walk over a table of transitions, `P` in Gymnasium.
from libc.stdint cimport int8_t, int64_t

from reactvec._kernel cimport kernel_run
from reactvec.envs.kernel_bank cimport KernelBank, Rows

cdef extern from "_walk.h" nogil:
    ctypedef struct Outcome:
        pass
    ctypedef struct Table:
        const Outcome *outcome
        const int64_t *first
        const double *start
        const int8_t *mask
        int64_t states
        int64_t actions
        int64_t only_start
    ctypedef struct WalkBank:
        Rows rows
        const Table **table
        int64_t *state
        int64_t *last_action
        int64_t *drawn
    ctypedef struct WalkInfo:
        pass
    int walk_step(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag)


# The table of one or more equal environments, and the memory that it lies in.
cdef class Transitions:
    cdef Table table
    cdef list arrays
    cdef object key, state_type


cdef class Walks(KernelBank):
    cdef dict tables
    cdef list table_of, seen
    cdef WalkBank *walks

    # For `__cinit__`, in place of `bind`.
    cdef int bind_walks(self, WalkBank *walks, kernel_run run, void *bank) except -1
    # Per state, which actions it says to have an effect; None where the environment does not say so.
    cdef masks(self, core)
    # What that comes from, to be compared.
    cdef mask_source(self, core)

    # Its own
    cdef sight(self, core)
    cdef int take_table(self, int64_t i, core) except -1
