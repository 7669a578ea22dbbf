# The native kernel of gymnasium's Pendulum: bit for bit what the Python environments give for the same seeds.
from libc.stdint cimport int64_t

from reactvec.envs cimport _trigonometry
from reactvec.envs._trigonometry cimport Trigonometry
from reactvec.envs.kernel_bank cimport KernelBank, Rows

import numpy as np
from gymnasium.envs.classic_control.pendulum import PendulumEnv

cdef extern from "_pendulum.h" nogil:
    const int FALL
    ctypedef struct PendulumBank:
        Rows rows
        double *theta
        double *theta_dot
        double *sine
        double *torque
        int64_t *drawn
        Trigonometry trigonometry
    int pendulum_step(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag)


cdef class Pendulums(KernelBank):
    environment = PendulumEnv
    # In the order of the enum in _pendulum.h.
    parameters = ("max_speed", "max_torque", "dt", "g", "m", "l")
    reward_type = np.float64
    unavailable = _trigonometry.missing()

    cdef PendulumBank bank

    def __cinit__(self, envs, autoreset_mode):
        self.bind(&self.bank.rows, pendulum_step, &self.bank, 2)
        cdef double *column = self.columns(5)
        cdef int64_t stride = self.bank.rows.stride
        self.bank.theta, self.bank.theta_dot, self.bank.sine = column, column + stride, column + 2 * stride
        self.bank.torque, self.bank.drawn = column + 3 * stride, <int64_t *>(column + 4 * stride)
        self.bank.trigonometry = _trigonometry.trigonometry()

    cdef int read_state(self, int64_t i, core) except -1:
        state = getattr(core, "state", None)
        if type(state) is not np.ndarray or state.shape != (2,) or state.dtype != np.float64:
            raise ValueError(f"a pendulum needs a state of two float64 numbers, not {state!r}; call reset() first")
        self.bank.theta[i], self.bank.theta_dot[i] = state
        self.bank.sine[i] = np.sin(state[0])
        return 0

    cdef int write_state(self, int64_t i, core) except -1:
        core.state = np.array([self.bank.theta[i], self.bank.theta_dot[i]])
        core.last_u = None if self.bank.drawn[i] else np.float32(self.bank.torque[i])
        return 0

    cdef int read_parameters(self, int64_t i, core) except -1:
        cdef double *column = self.bank.rows.parameter + FALL * self.bank.rows.stride
        column[i] = 3 * core.g / (2 * core.l)
        column[self.bank.rows.stride + i] = 3.0 / (core.m * core.l ** 2)
        return KernelBank.read_parameters(self, i, core)

    @classmethod
    def another(cls, core):
        return None if core.m and core.l else "a mass or length of 0"

    @classmethod
    def trials(cls):
        return [(PendulumEnv, [[np.sin(t * t) * 2.5] for t in range(200)]), (PendulumEnv, [[2.0]] * 100)]
