# The native kernel of gymnasium's MountainCarContinuous: bit for bit what the Python environments give for a seed.
from libc.stdint cimport int64_t

from reactvec.envs.kernel_bank cimport KernelBank, Rows

import numpy as np
from gymnasium.envs.classic_control.continuous_mountain_car import Continuous_MountainCarEnv

cdef extern from "_continuous_mountain_car.h" nogil:
    ctypedef struct ContinuousMountainCarBank:
        Rows rows
        double *position
        double *velocity
        int64_t *single
    int continuous_mountain_car_step(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag)

# Beyond it, and beyond infinity, math.cos raises.
cdef double FARTHEST = 1e30


cdef class ContinuousMountainCars(KernelBank):
    environment = Continuous_MountainCarEnv
    # In the order of the enum in _continuous_mountain_car.h.
    parameters = (
        "min_action", "max_action", "min_position", "max_position", "max_speed", "goal_position", "goal_velocity",
        "power",
    )
    may_be_zero = ("goal_velocity",)

    cdef ContinuousMountainCarBank bank

    def __cinit__(self, envs, autoreset_mode):
        self.bind(&self.bank.rows, continuous_mountain_car_step, &self.bank)
        cdef double *column = self.columns(3)
        cdef int64_t stride = self.bank.rows.stride
        self.bank.position, self.bank.velocity = column, column + stride
        self.bank.single = <int64_t *>(column + 2 * stride)

    cdef int read_state(self, int64_t i, core) except -1:
        state = getattr(core, "state", None)
        if type(state) is not np.ndarray or state.shape != (2,) or state.dtype not in (np.float32, np.float64):
            raise ValueError(f"a car needs a state of two numbers, not {state!r}; call reset() first")
        if not (abs(state) < FARTHEST).all():
            raise ValueError(f"the state {state!r}")
        self.bank.position[i], self.bank.velocity[i] = state.tolist()
        self.bank.single[i] = state.dtype == np.float32
        return 0

    cdef int write_state(self, int64_t i, core) except -1:
        dtype = np.float32 if self.bank.single[i] else np.float64
        core.state = np.array([self.bank.position[i], self.bank.velocity[i]], dtype)
        return 0

    @classmethod
    def another(cls, core):
        bounds = core.min_position, core.max_position
        return None if all(abs(bound) < FARTHEST for bound in bounds) else f"positions within {bounds}"

    @classmethod
    def trials(cls):
        # Weak and strong, beyond the bounds, to the wall, and over the hill.
        swing = [[(1.0 if t % 84 < 42 else -1.0) * (0.7 + 0.01 * (t % 60))] for t in range(260)]
        weak = [[0.3 * (t % 5 - 2)] for t in range(60)]
        return [(Continuous_MountainCarEnv, weak), (Continuous_MountainCarEnv, swing)]
