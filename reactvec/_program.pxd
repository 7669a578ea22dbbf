# The program of a worker: an array of instructions per command, that it runs once per tag.
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t, uint32_t

from reactvec._kernel cimport kernel_run


cdef extern from *:
    """
    #define RV_LEVELS ((int64_t)1 << 20) /* more than a program has levels */
    #define RV_NEVER INT64_MAX
    """
    int64_t LEVELS "RV_LEVELS"
    int64_t NEVER "RV_NEVER"


cdef enum:
    EXEC = 0
    PUBLISH = 1
    AWAIT = 2
    ADVANCE = 3


cdef struct Instruction:
    int kind
    int reaction           # EXEC: index in the schedule
    int64_t level
    int64_t lo             # EXEC: rows [lo, hi)
    int64_t hi
    kernel_run run         # EXEC native: the kernel and its self
    void *self
    PyObject *callable     # EXEC Python: the bound method, NULL for a kernel
    PyObject **arguments   # EXEC Python: a tuple per slot
    PyObject **row_arguments  # ... of a bank with guards: and per slot one for each row
    void **table           # EXEC: per slot the addresses of ports, then of guard flags, then of effect flags
    int64_t *lengths       # EXEC: bytes of each guard's and each effect's flags
    int64_t mask           # EXEC: slots - 1; the slot of a tag is tag & mask
    int width
    int ports
    int guards
    int effects
    bint bank              # EXEC: guards hold row by row
    bint timed             # EXEC: not due at every tag; period and offset are in 1/unit tags
    int64_t period
    int64_t offset
    int64_t unit
    int other              # AWAIT: the worker to wait for
    int64_t number         # PUBLISH, AWAIT: which PUBLISH of a tag
    int64_t back           # AWAIT: how many tags ago


cdef struct Program:
    Instruction *code
    int64_t length
    uint32_t *publishes    # PUBLISH instructions per tag, of every worker
    int64_t tags           # that a cycle takes: 1, or 0 of an aside
