# The native kernel of gymnasium's Acrobot: bit for bit what the Python environments give for the same seeds.
from libc.stdint cimport int64_t

from reactvec.envs cimport _trigonometry
from reactvec.envs._trigonometry cimport Trigonometry
from reactvec.envs.kernel_bank cimport KernelBank, Rows

import numpy as np
from gymnasium.envs.classic_control.acrobot import AcrobotEnv

cdef extern from "_acrobot.h" nogil:
    const int NIPS
    ctypedef struct AcrobotBank:
        Rows rows
        double *theta_1
        double *theta_2
        double *dtheta_1
        double *dtheta_2
        int64_t *single
        double *sine_2
        double *cosine_2
        Trigonometry trigonometry
    int acrobot_step(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag)

cdef tuple LINKS = (
    "dt", "LINK_LENGTH_1", "LINK_MASS_1", "LINK_MASS_2", "LINK_COM_POS_1", "LINK_COM_POS_2", "LINK_MOI",
    "MAX_VEL_1", "MAX_VEL_2",
)


cdef class Acrobots(KernelBank):
    environment = AcrobotEnv
    # In the order of the enum in _acrobot.h, where more follow.
    parameters = (*LINKS, "torque_noise_max")
    unavailable = _trigonometry.missing()

    cdef AcrobotBank bank

    def __cinit__(self, envs, autoreset_mode):
        self.bind(&self.bank.rows, acrobot_step, &self.bank, 7)
        cdef double *column = self.columns(7)
        cdef int64_t stride = self.bank.rows.stride
        self.bank.theta_1, self.bank.theta_2 = column, column + stride
        self.bank.dtheta_1, self.bank.dtheta_2 = column + 2 * stride, column + 3 * stride
        self.bank.single = <int64_t *>(column + 4 * stride)
        self.bank.sine_2, self.bank.cosine_2 = column + 5 * stride, column + 6 * stride
        self.bank.trigonometry = _trigonometry.trigonometry()

    cdef int read_state(self, int64_t i, core) except -1:
        state = core.state
        if type(state) is not np.ndarray or state.shape != (4,) or state.dtype not in (np.float32, np.float64):
            raise ValueError(f"an acrobot needs a state of four numbers, not {state!r}; call reset() first")
        if not (abs(state) < 1e3).all():
            raise ValueError(f"the state {state!r}")
        self.bank.theta_1[i], self.bank.theta_2[i], self.bank.dtheta_1[i], self.bank.dtheta_2[i] = state.tolist()
        self.bank.single[i] = state.dtype == np.float32
        self.bank.sine_2[i], self.bank.cosine_2[i] = np.sin(self.bank.theta_2[i]), np.cos(self.bank.theta_2[i])
        return 0

    cdef int write_state(self, int64_t i, core) except -1:
        state = self.bank.theta_1[i], self.bank.theta_2[i], self.bank.dtheta_1[i], self.bank.dtheta_2[i]
        core.state = np.array(state, np.float32 if self.bank.single[i] else np.float64)
        return 0

    cdef int read_parameters(self, int64_t i, core) except -1:
        more = [core.book_or_nips == "nips", *core.AVAIL_TORQUE]
        more += [length ** 2 for length in (core.LINK_LENGTH_1, core.LINK_COM_POS_1, core.LINK_COM_POS_2)]
        for k in range(7):
            self.bank.rows.parameter[(NIPS + k) * self.bank.rows.stride + i] = more[k]
        return KernelBank.read_parameters(self, i, core)

    def refusal(self, action):
        return IndexError("list index out of range")

    @classmethod
    def another(cls, core):
        # With links of odd sizes an angle may leap so far that to wrap it takes for ever.
        for name in LINKS:
            if not 1e-2 <= getattr(core, name) <= 1e2:
                return f"{name}={getattr(core, name)!r}"
        torques = core.AVAIL_TORQUE
        numbers = type(torques) is list and all(type(torque) in (int, float) for torque in torques)
        if not numbers or len(torques) != 3:
            return f"AVAIL_TORQUE={torques!r}"
        if any(abs(torque) > 1e3 for torque in (*torques, core.torque_noise_max)):
            return f"torques of {torques!r} and a noise of {core.torque_noise_max!r}"
        return None

    @classmethod
    def trials(cls):
        def nips():
            env = AcrobotEnv()
            env.book_or_nips, env.torque_noise_max = "nips", 0.3
            return env

        return [(AcrobotEnv, [t // 7 % 3 for t in range(150)]), (nips, [t // 5 % 6 - 3 for t in range(150)])]
