# What the kernels of environments share: see kernel_bank.h for the C side and kernel_bank.pyi for the Python side.
#
# A kernel is a subclass of KernelBank with a C struct that begins with `Rows`. Its `__cinit__` calls `bind` and takes
# its columns from `columns`; it overrides `read_state` and `write_state`.
from libc.stdint cimport int64_t, uint8_t
from numpy.random cimport bitgen_t

from reactvec._kernel cimport Kernel, kernel_run

cdef extern from "kernel_bank.h" nogil:
    const int BLOCK
    const int LIVE
    const int ENDED
    const int TERMINATED
    const int UNLOADED
    const int NEXT_STEP
    const int SAME_STEP
    const int DISABLED
    bint HAS_WIDE
    ctypedef struct Rows:
        int64_t *elapsed
        int64_t *limit
        bitgen_t **generator
        double *parameter
        int64_t stride
        int alike
        uint8_t *phase
        uint8_t *touched
        int64_t unloaded
        int autoreset
        int fused_draw
        int64_t count
        int64_t obs_size
        int64_t info_fields
        int64_t *info_at
        int64_t *info_size
        double *total
        double *previous
        double *final_previous
        double *history
        int64_t *length
        int64_t *final_length
        int64_t most
    ctypedef struct Ports:
        const void *action
        void *obs
        double *reward
        uint8_t *terminated
        uint8_t *truncated
        void *final_obs
        void *info
        void *final_info
    ctypedef struct Law:
        int64_t least
        int64_t most
        void (*step)(void *self, const Ports *ports, int64_t first, int64_t n) noexcept nogil
        void (*reset)(void *self, const Ports *ports, int64_t i) noexcept nogil
    void *info_column(const Rows *rows, void *info, int64_t at)
    double draw_uniform(const Rows *rows, int64_t i, double low, double high)
    int64_t draw_below(const Rows *rows, int64_t i, unsigned int number)
    int rows_step(const Law *law, void *self, void **ports, int64_t lo, int64_t hi)


cdef class KernelBank:
    cdef Rows *rows
    cdef Kernel kernel
    cdef readonly int num_envs
    cdef readonly list envs
    cdef list cores, time_limits, bit_generators, memory
    cdef dict row_of_generator
    cdef readonly object recorders

    # For `__cinit__`: the kernel's own struct, whose first member is `rows`, and its `run`. The columns of parameters
    # are those of `parameters`, and `more_parameters` that the kernel fills itself.
    cdef int bind(self, Rows *rows, kernel_run run, void *bank, int more_parameters=*) except -1
    # Memory for `number` columns of 8 bytes per row, zeroed, `rows.stride` rows apart; it lives as long as the bank.
    cdef double *columns(self, int number) except NULL
    # Takes over the state of a Python environment that was reset; ValueError where the kernel could not go on with it.
    cdef int read_state(self, int64_t i, core) except -1
    # Brings its state up to date.
    cdef int write_state(self, int64_t i, core) except -1
    # Takes over what can be set from outside and is no state; the base class reads the attributes `parameters`.
    cdef int read_parameters(self, int64_t i, core) except -1

    # Its own
    cdef int64_t lead(self, void *begin, int64_t size)
    cdef int check_row(self, int64_t i) except -1
    cdef int read_limit(self, int64_t i) except -1
    cdef int compare_parameters(self) except -1
    cdef int record(self) except -1
    cdef int load_parameters(self, int64_t i) except -1
    cdef int adopt_generator(self, int64_t i, bit_generator) except -1
