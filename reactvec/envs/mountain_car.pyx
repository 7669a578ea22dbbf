# The native kernel of gymnasium's MountainCar: bit for bit what the Python environments give for the same seeds.
from libc.stdint cimport int64_t

from reactvec.envs.kernel_bank cimport KernelBank, Rows

import numpy as np
from gymnasium.envs.classic_control.mountain_car import MountainCarEnv

cdef extern from "_mountain_car.h" nogil:
    const int DRAWN
    const int STEPPED
    const int AT_WALL
    ctypedef struct MountainCarBank:
        Rows rows
        double *position
        double *velocity
        int64_t *form
    int mountain_car_step(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag)

# Beyond it, and beyond infinity, math.cos raises.
cdef double FARTHEST = 1e300


cdef class MountainCars(KernelBank):
    environment = MountainCarEnv
    # In the order of the enum in _mountain_car.h.
    parameters = (
        "min_position", "max_position", "max_speed", "goal_position", "goal_velocity", "force", "gravity"
    )
    may_be_zero = ("goal_velocity",)

    cdef MountainCarBank bank

    def __cinit__(self, envs, autoreset_mode):
        self.bind(&self.bank.rows, mountain_car_step, &self.bank)
        cdef double *column = self.columns(3)
        cdef int64_t stride = self.bank.rows.stride
        self.bank.position, self.bank.velocity = column, column + stride
        self.bank.form = <int64_t *>(column + 2 * stride)

    cdef int read_state(self, int64_t i, core) except -1:
        state = getattr(core, "state", None)
        if type(state) is np.ndarray and state.dtype == np.float64 and state.shape == (2,):
            form = DRAWN
        elif type(state) is tuple and len(state) == 2 and type(state[0]) is np.float64:
            form = {np.float64: STEPPED, int: AT_WALL}.get(type(state[1]), -1)
        else:
            form = -1
        if form < 0 or not all(abs(value) < FARTHEST for value in state):
            raise ValueError(f"a car needs a state of two float64 numbers, not {state!r}; call reset() first")
        self.bank.position[i], self.bank.velocity[i] = state
        self.bank.form[i] = form
        return 0

    cdef int write_state(self, int64_t i, core) except -1:
        position, velocity = np.float64(self.bank.position[i]), np.float64(self.bank.velocity[i])
        if self.bank.form[i] == DRAWN:
            core.state = np.array([position, velocity])
        else:
            core.state = position, 0 if self.bank.form[i] == AT_WALL else velocity
        return 0

    @classmethod
    def another(cls, core):
        bounds = core.min_position, core.max_position
        return None if all(abs(bound) < FARTHEST for bound in bounds) else f"positions within {bounds}"

    @classmethod
    def trials(cls):
        # To the left until the wall stops it, then to the right; and back and forth until it is over the hill.
        swing = [2 if t % 84 < 42 else 0 for t in range(260)]
        return [(MountainCarEnv, [0] * 60 + [2] * 80), (MountainCarEnv, swing)]
