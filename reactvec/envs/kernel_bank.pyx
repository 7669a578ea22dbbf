# What the kernels of environments share. See kernel_bank.pyi for the contract of each member.
cimport numpy as cnp
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport INT64_MAX

from reactvec._kernel cimport kernel_capsule

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode

from reactvec.envs import _recognition
from reactvec.envs.recorders import Recorders
from reactvec.port_types import port_type, unpack_row

cnp.import_array()

cdef dict MODES = {
    AutoresetMode.NEXT_STEP: NEXT_STEP, AutoresetMode.SAME_STEP: SAME_STEP, AutoresetMode.DISABLED: DISABLED,
}
cdef dict expected_spaces = {}
# What odd values of attributes end in.
cdef tuple UNFIT = (ValueError, ArithmeticError, LookupError, TypeError, AttributeError)


cdef class KernelBank:
    environment = None
    parameters = ()
    may_be_zero = ()
    unavailable = None
    info_type = None
    reset_types = {}
    reward_type = float

    def __cinit__(self, envs, autoreset_mode):
        self.num_envs = len(envs)
        if self.num_envs == 0:
            raise ValueError("a bank needs at least one environment")
        self.memory = []

    def __init__(self, envs, autoreset_mode):
        first = envs[0].unwrapped
        self.envs = list(envs)
        self.cores = [env.unwrapped for env in envs]
        self.time_limits = [_recognition.time_limit(env) for env in envs]
        self.bit_generators = [None] * self.num_envs
        self.row_of_generator = {}
        self.rows.autoreset = MODES[autoreset_mode]
        self.rows.obs_size = size_of(first.observation_space)
        for k, (dtype, at, *_) in enumerate(self.info_type.fields.values() if self.info_type is not None else ()):
            self.rows.info_at[<int64_t>k], self.rows.info_size[<int64_t>k] = at, dtype.itemsize
            self.rows.info_fields += 1
        for i in range(self.num_envs):
            self.read_limit(i)
            try:
                self.read_parameters(i, self.cores[i])
            except UNFIT as error:
                raise ValueError(f"environment {i}: {error}") from error
        self.compare_parameters()
        if any(map(_recognition.recorders, envs)):
            self.record()

    cdef int record(self) except -1:
        cdef Rows *rows = self.rows
        limits = [rows.limit[i] for i in range(self.num_envs)]
        self.recorders = recorders = Recorders(self.envs, limits, self.reward_type)
        rows.total, rows.length = <double *>data_of(recorders.total), <int64_t *>data_of(recorders.length)
        rows.previous, rows.history = <double *>data_of(recorders.previous), <double *>data_of(recorders.history)
        rows.final_previous = <double *>data_of(recorders.final_previous)
        rows.final_length = <int64_t *>data_of(recorders.final_length)
        rows.most = recorders.history.shape[1]
        return 0

    cdef int bind(self, Rows *rows, kernel_run run, void *bank, int more_parameters=0) except -1:
        cdef double *column
        cdef int64_t stride
        self.rows = rows
        self.kernel.run, self.kernel.self = run, bank
        # The padding keeps columns off each other's cache sets when their length is a power of two.
        rows.stride = stride = (self.num_envs + 15) // 16 * 16 + 16
        column = self.columns(7)
        rows.elapsed, rows.limit = <int64_t *>column, <int64_t *>(column + stride)
        rows.generator = <bitgen_t **>(column + 2 * stride)
        rows.phase = <uint8_t *>(column + 3 * stride)
        rows.phase += self.lead(rows.phase, 1)
        rows.touched = <uint8_t *>(column + 5 * stride)
        rows.touched += self.lead(rows.touched, 1)
        rows.parameter = self.columns(len(self.parameters) + more_parameters)
        rows.count = self.num_envs
        rows.alike, rows.fused_draw, rows.unloaded = True, fused_draw, self.num_envs
        for i in range(self.num_envs):
            rows.phase[i] = UNLOADED
        return 0

    cdef double *columns(self, int number) except NULL:
        cdef char *begin
        array = np.zeros((number + 1) * self.rows.stride)
        begin = <char *>cnp.PyArray_DATA(<cnp.ndarray>array)
        cdef int64_t skipped = self.lead(begin, sizeof(double))
        first = skipped // <int64_t>sizeof(double)
        self.memory.append(array[first : first + number * self.rows.stride].reshape(number, self.rows.stride))
        return <double *>(begin + skipped)

    cdef int64_t lead(self, void *begin, int64_t size):
        # The bytes after which rows may begin, so that the second half of them begins a pair of cache lines: two
        # workers do not write to one then.
        return -(<int64_t>begin + (self.num_envs + 1) // 2 * size) & 127

    cdef int read_state(self, int64_t i, core) except -1:
        raise NotImplementedError

    cdef int write_state(self, int64_t i, core) except -1:
        raise NotImplementedError

    cdef int read_parameters(self, int64_t i, core) except -1:
        for k, name in enumerate(self.parameters):
            self.rows.parameter[<int64_t>k * self.rows.stride + i] = getattr(core, name)
        return 0

    cdef int read_limit(self, int64_t i) except -1:
        time_limit = self.time_limits[i]
        self.rows.limit[i] = INT64_MAX if time_limit is None else time_limit._max_episode_steps
        return 0

    cdef int compare_parameters(self) except -1:
        # Whether the kernel can take those of row 0 for all.
        values = self.memory[1][:, : self.num_envs]
        self.rows.alike = bool((values == values[:, :1]).all())
        return 0

    @property
    def step(self):
        return kernel_capsule(&self.kernel, self)

    def load(self, int64_t i, *, bint after_reset=True):
        self.check_row(i)
        cdef Rows *rows = self.rows
        core, time_limit = self.cores[i], self.time_limits[i]
        elapsed = 0 if time_limit is None else time_limit._elapsed_steps
        if type(elapsed) is not int:
            raise ValueError(f"environment {i}: TimeLimit counts {elapsed!r} steps; call reset() first")
        phase = rows.phase[i]
        if after_reset or phase == UNLOADED:
            rows.phase[i] = LIVE
        try:
            if not after_reset:
                self.load_parameters(i)
            self.read_state(i, core)
            rows.elapsed[i] = elapsed
            self.adopt_generator(i, core.np_random.bit_generator)
            if self.recorders is not None:
                left = 0 if rows.phase[i] != LIVE else rows.limit[i] - <int64_t>elapsed
                self.recorders.load(i, left, after_reset)
        except BaseException as error:
            rows.phase[i] = phase
            if isinstance(error, UNFIT):
                raise ValueError(f"environment {i}: {error}") from error
            raise
        rows.touched[i] = False
        if phase == UNLOADED:
            rows.unloaded -= 1

    cdef int load_parameters(self, int64_t i) except -1:
        self.read_limit(i)
        self.read_parameters(i, self.cores[i])
        values = self.memory[1]
        if i in (0, self.num_envs - 1):  # the last one may be the one that makes all alike again
            self.compare_parameters()
        elif self.rows.alike:
            self.rows.alike = bool((values[:, i] == values[:, 0]).all())
        return 0

    def store(self, int64_t i):
        self.check_row(i)
        if not self.rows.touched[i]:
            return
        self.write_state(i, self.cores[i])
        if self.time_limits[i] is not None:
            self.time_limits[i]._elapsed_steps = self.rows.elapsed[i]
        if self.recorders is not None:
            self.recorders.store(i)

    def adopt(self, int64_t i, env):
        self.check_row(i)
        reason = _recognition.recognise(env, type(self)) or _recognition.random_generators([env])
        if reason is None and (
            _recognition.core(env) is not self.cores[i] or _recognition.time_limit(env) is not self.time_limits[i]
        ):
            reason = "another environment took its place"
        if reason is None:
            try:
                if self.rows.phase[i] == UNLOADED:
                    self.load_parameters(i)
                else:
                    self.load(i, after_reset=False)
            except UNFIT as error:
                reason = str(error)
        return reason

    def ended(self, int64_t i):
        self.check_row(i)
        return self.rows.phase[i] in (ENDED, TERMINATED)

    def fault(self, int64_t code, actions):
        row = code - 1
        self.check_row(row)
        if self.rows.phase[row] == UNLOADED:
            return ResetNeeded("Cannot call env.step() before calling env.reset()")
        return self.refusal(actions[row])

    def refusal(self, action):
        return AssertionError(f"{action!r} ({type(action)}) invalid")

    cdef int check_row(self, int64_t i) except -1:
        if not 0 <= i < self.num_envs:
            raise IndexError(f"row {i} of a bank of {self.num_envs}")
        return 0

    cdef int adopt_generator(self, int64_t i, bit_generator) except -1:
        # Two rows must not draw from one generator: they may run at the same time.
        old = self.bit_generators[i]
        if old is bit_generator:
            return 0
        row = self.row_of_generator.get(id(bit_generator), i)
        if row != i:
            raise ValueError(f"environments {row} and {i} share a random generator; give each its own")
        self.rows.generator[i] = <bitgen_t *>PyCapsule_GetPointer(bit_generator.capsule, "BitGenerator")
        self.row_of_generator.pop(id(old), None)
        self.row_of_generator[id(bit_generator)] = i
        self.bit_generators[i] = bit_generator
        return 0

    def observation(self, row):
        return unpack_row(self.cores[0].observation_space, row)

    @classmethod
    def another(cls, core):
        return None

    @classmethod
    def spaces(cls, core):
        if cls not in expected_spaces:
            official = cls.environment()
            expected_spaces[cls] = official.action_space, official.observation_space
        return expected_spaces[cls]

    @classmethod
    def trials(cls):
        raise NotImplementedError

    def run(self, list ports):
        cdef void *pointers[8]
        cdef int k
        for k in range(8):
            pointers[k] = cnp.PyArray_DATA(<cnp.ndarray?>ports[k])
        return self.kernel.run(self.kernel.self, pointers, 0, self.num_envs, 0)


cdef void *data_of(array):
    return cnp.PyArray_DATA(<cnp.ndarray>array)


cdef int64_t size_of(space) except -1:
    shape, dtype = port_type(space)
    return int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize


# What NumPy does on this machine, found out once

cdef int fused_draw = 0


cdef int find_draw() except -1:
    # Whether Generator.uniform multiplies and adds with one rounding or with two.
    global fused_draw
    cdef Rows rows
    cdef bitgen_t *generator
    cdef double[::1] draws = np.empty(256)
    expected = np.random.Generator(np.random.PCG64(0)).uniform(low=-0.05, high=0.05, size=256)
    rows.generator = &generator
    for rows.fused_draw in (0, 1):
        bit_generator = np.random.PCG64(0)
        generator = <bitgen_t *>PyCapsule_GetPointer(bit_generator.capsule, "BitGenerator")
        for i in range(256):
            draws[i] = draw_uniform(&rows, 0, -0.05, 0.05)
        if np.asarray(draws).tobytes() == expected.tobytes():
            fused_draw = rows.fused_draw
    return 0


find_draw()


def draws_below(bit_generator, unsigned int number, int64_t count):
    cdef Rows rows
    cdef bitgen_t *generator = <bitgen_t *>PyCapsule_GetPointer(bit_generator.capsule, "BitGenerator")
    rows.generator = &generator
    return [draw_below(&rows, 0, number) for _ in range(count)]
