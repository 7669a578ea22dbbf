# The Engine of _sched.pyx, for the one that builds on it.
from libc.stdint cimport int64_t, uint32_t

from reactvec._program cimport Instruction
from reactvec._sync cimport rv_clock
from reactvec._worker cimport Control, Worker


cdef enum:  # what became of a command
    _DONE = 0
    _FAILED = 1
    _PENDING = 2


cdef void *allocate(size_t size) except NULL  # zeroed


cdef class Engine:
    cdef int workers
    cdef Control *control
    cdef rv_clock *clocks
    cdef char *own           # the block in which these lie, where no other is shared
    cdef Worker **team
    cdef public int64_t tag  # that the next command runs as; counted here, where no signal can come between
    cdef uint32_t issued
    cdef int64_t chunk
    cdef int commands
    cdef list kept

    cdef void settle(self, char *block) noexcept
    cdef void begin_counting(self, bint shared) noexcept
    cdef int bind(self, Instruction *at, const int64_t[::1] row, binding) except -1
    cpdef int run(self, int command, int64_t cycles, prepare=*) except -1
    cpdef int begin(self, int command, int64_t cycles, prepare=*) except -1
    cpdef int finish(self, int64_t timeout_ns=*) except -1
    cdef int take(self) except -1
    cdef void release(self) noexcept
    cdef void issue(self, int command, int64_t cycles) noexcept
    cdef int conclude(self, int64_t deadline_ns) noexcept
    cdef int judge(self, int outcome) noexcept
    cdef void count(self) noexcept
