"""The kernel of FerryEnv."""
from libc.stdint cimport int64_t

from reactvec.envs.kernel_bank cimport KernelBank, Rows

from ferry import FerryEnv

cdef extern from "ferry.h" nogil:
    ctypedef struct FerryBank:
        Rows rows
        double *offset
    int ferry_step(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag)


cdef class Ferries(KernelBank):
    environment = FerryEnv
    parameters = ("gust", "limit")

    cdef FerryBank bank

    def __cinit__(self, envs, autoreset_mode):
        self.bind(&self.bank.rows, ferry_step, &self.bank)
        self.bank.offset = self.columns(1)

    cdef int read_state(self, int64_t i, core) except -1:
        if type(core.offset) is not float:
            raise ValueError(f"a ferry needs an offset, not {core.offset!r}; call reset() first")
        self.bank.offset[i] = core.offset
        return 0

    cdef int write_state(self, int64_t i, core) except -1:
        core.offset = self.bank.offset[i]
        return 0

    @classmethod
    def trials(cls):
        return [(FerryEnv, [t * t % 3 for t in range(200)])]
