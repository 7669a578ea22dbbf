# The native kernel of gymnasium's CartPole: bit for bit what the Python environments give for the same seeds.
from libc.stdint cimport int64_t

from reactvec.envs cimport _trigonometry
from reactvec.envs._trigonometry cimport Trigonometry
from reactvec.envs.kernel_bank cimport TERMINATED, KernelBank, Rows

import numpy as np
from gymnasium.envs.classic_control.cartpole import CartPoleEnv

cdef extern from "_cartpole.h" nogil:
    ctypedef struct CartPoleBank:
        Rows rows
        double *x
        double *x_dot
        double *theta
        double *theta_dot
        double *reward_upright
        double *reward_fallen
        Trigonometry trigonometry
    int cartpole_step(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag)


cdef class CartPoles(KernelBank):
    environment = CartPoleEnv
    # In the order of the enum in _cartpole.h. The rewards lie beside them, so that they are compared as well.
    parameters = (
        "gravity", "masspole", "total_mass", "length", "polemass_length", "force_mag", "tau",
        "theta_threshold_radians", "x_threshold",
    )
    unavailable = _trigonometry.missing()

    cdef CartPoleBank bank

    def __cinit__(self, envs, autoreset_mode):
        self.bind(&self.bank.rows, cartpole_step, &self.bank, 2)
        cdef double *column = self.columns(4)
        cdef int64_t stride = self.bank.rows.stride
        self.bank.x, self.bank.x_dot = column, column + stride
        self.bank.theta, self.bank.theta_dot = column + 2 * stride, column + 3 * stride
        column = self.bank.rows.parameter + len(self.parameters) * stride
        self.bank.reward_upright, self.bank.reward_fallen = column, column + stride
        self.bank.trigonometry = _trigonometry.trigonometry()

    cdef int read_state(self, int64_t i, core) except -1:
        x, x_dot, theta, theta_dot = state_of(core)
        if core.steps_beyond_terminated is not None and self.bank.rows.phase[i] != TERMINATED:
            raise ValueError(f"environment {i} has been stepped past its end; call reset() first")
        self.bank.x[i], self.bank.x_dot[i] = x, x_dot
        self.bank.theta[i], self.bank.theta_dot[i] = theta, theta_dot
        return 0

    cdef int write_state(self, int64_t i, core) except -1:
        core.state = np.array(
            (self.bank.x[i], self.bank.x_dot[i], self.bank.theta[i], self.bank.theta_dot[i]), dtype=np.float64
        )
        core.steps_beyond_terminated = 0 if self.bank.rows.phase[i] == TERMINATED else None
        return 0

    cdef int read_parameters(self, int64_t i, core) except -1:
        rewards = (0.0, -1.0) if core._sutton_barto_reward else (1.0, 1.0)
        self.bank.reward_upright[i], self.bank.reward_fallen[i] = rewards
        return KernelBank.read_parameters(self, i, core)

    @classmethod
    def another(cls, core):
        return None if core.kinematics_integrator == "euler" else f"the integrator {core.kinematics_integrator!r}"

    @classmethod
    def trials(cls):
        # Pushes to both sides first, then to one side until the pole falls, then to the other.
        actions = [t % 2 if t < 20 else t // 60 for t in range(100)]
        return [(CartPoleEnv, actions), (lambda: CartPoleEnv(sutton_barto_reward=True), actions)]


cdef tuple state_of(core):
    # The four numbers; ValueError unless Gymnasium would go on in float64 with them.
    state = core.state
    if type(state) is np.ndarray:
        if state.dtype == np.float64 and state.shape == (4,):
            return tuple(state.tolist())
    elif type(state) in (tuple, list) and len(state) == 4:
        if all(type(value) in (float, np.float64) for value in state):
            return tuple(state)
    raise ValueError(f"a cart-pole needs a state of four float64 numbers, not {state!r}; call reset() first")
