# The native kernel of gymnasium's CartPole: bit for bit what the Python environments give for the same seeds.
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.pycapsule cimport (
    PyCapsule_GetContext, PyCapsule_GetPointer, PyCapsule_New, PyCapsule_SetContext,
)
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport INT64_MAX, int64_t, uint8_t
from numpy.random cimport bitgen_t

from reactvec._kernel cimport Kernel, kernel_name
from reactvec.envs cimport _trigonometry
from reactvec.envs._trigonometry cimport Trigonometry

import numpy as np
from gymnasium import spaces
from gymnasium.envs.classic_control.cartpole import CartPoleEnv
from gymnasium.error import ResetNeeded

from reactvec.envs import _recognition

cdef extern from "_cartpole.h" nogil:
    const int PARAMETERS
    const int LIVE
    const int ENDED
    const int TERMINATED
    const int UNLOADED
    ctypedef struct CartPoleBank:
        double *x
        double *x_dot
        double *theta
        double *theta_dot
        double *parameter[9]
        double *reward_upright
        double *reward_fallen
        int64_t *elapsed
        int64_t *limit
        uint8_t *phase
        bitgen_t **generator
        int64_t unloaded
        int same_step
        int alike
        int fused_draw
        Trigonometry trigonometry
    double cartpole_draw(bitgen_t *generator, int fused)
    int cartpole_step(void *self, void **ports, int64_t lo, int64_t hi, int64_t tag)

# In the order of the enum in _cartpole.h.
cdef tuple PARAMETER_NAMES = (
    "gravity", "masspole", "total_mass", "length", "polemass_length", "force_mag", "tau",
    "theta_threshold_radians", "x_threshold",
)
cdef int STATE_COLUMNS = 4
cdef int COLUMNS = STATE_COLUMNS + PARAMETERS + 5


cdef void forget(object capsule) noexcept:
    Py_DECREF(<object>PyCapsule_GetContext(capsule))


cdef class CartPoles:
    """A bank of cart-poles, stepped natively; the Python environments stay as shadows.

    See cartpole.pyi for the contract of each member.
    """

    cdef CartPoleBank bank
    cdef Kernel kernel
    cdef void *columns
    cdef readonly int num_envs
    cdef list cores, time_limits, bit_generators
    cdef dict row_of_generator

    def __cinit__(self, envs, same_step):
        cdef int64_t stride
        self.num_envs = len(envs)
        if self.num_envs == 0:
            raise ValueError("a bank needs at least one environment")
        # The padding keeps columns off each other's cache sets when their length is a power of two.
        stride = (self.num_envs + 7) // 8 * 8 + 8
        self.columns = PyMem_Calloc(stride * COLUMNS, sizeof(double))
        self.bank.phase = <uint8_t *>PyMem_Calloc(self.num_envs, 1)
        if self.columns is NULL or self.bank.phase is NULL:
            raise MemoryError
        self.place(<double *>self.columns, stride)
        self.kernel.run = cartpole_step
        self.kernel.self = &self.bank

    def __init__(self, envs, same_step):
        self.bank.same_step = bool(same_step)
        self.bank.trigonometry = _trigonometry.trigonometry()
        self.bank.fused_draw = fused_draw
        self.bank.unloaded = self.num_envs
        self.cores = [env.unwrapped for env in envs]
        self.time_limits = [_recognition.time_limit(env) for env in envs]
        self.bit_generators = [None] * self.num_envs
        self.row_of_generator = {}
        for i in range(self.num_envs):
            self.bank.phase[i] = UNLOADED
            self.read_parameters(i)
        self.compare_parameters()

    def __dealloc__(self):
        PyMem_Free(self.columns)
        PyMem_Free(self.bank.phase)

    @property
    def step(self):
        capsule = PyCapsule_New(&self.kernel, kernel_name(), forget)
        PyCapsule_SetContext(capsule, <void *>self)
        Py_INCREF(self)
        return capsule

    def load(self, int64_t i, *, bint after_reset=True):
        self.check_row(i)
        core, time_limit = self.cores[i], self.time_limits[i]
        x, x_dot, theta, theta_dot = state_of(core)
        elapsed = 0 if time_limit is None else time_limit._elapsed_steps
        if type(elapsed) is not int:
            raise ValueError(f"environment {i}: TimeLimit has no step count; call reset() first")
        if core.steps_beyond_terminated is not None and (after_reset or self.bank.phase[i] != TERMINATED):
            raise ValueError(f"environment {i} has been stepped past its end; call reset() first")
        self.adopt_generator(i, core.np_random.bit_generator)
        if self.read_parameters(i):
            self.compare_parameters()
        self.bank.x[i], self.bank.x_dot[i] = x, x_dot
        self.bank.theta[i], self.bank.theta_dot[i] = theta, theta_dot
        self.bank.elapsed[i] = elapsed
        if self.bank.phase[i] == UNLOADED:
            self.bank.unloaded -= 1
            self.bank.phase[i] = LIVE
        if after_reset:
            self.bank.phase[i] = LIVE

    def store(self, int64_t i):
        self.check_row(i)
        if self.bank.phase[i] == UNLOADED:
            return
        core, time_limit = self.cores[i], self.time_limits[i]
        core.state = np.array(
            (self.bank.x[i], self.bank.x_dot[i], self.bank.theta[i], self.bank.theta_dot[i]), dtype=np.float64
        )
        core.steps_beyond_terminated = 0 if self.bank.phase[i] == TERMINATED else None
        if time_limit is not None:
            time_limit._elapsed_steps = self.bank.elapsed[i]

    def adopt(self, int64_t i, env):
        self.check_row(i)
        reason = recognise(env) or _recognition.random_generators([env])
        if reason is None and (
            _recognition.core(env) is not self.cores[i] or _recognition.time_limit(env) is not self.time_limits[i]
        ):
            reason = "another environment took its place"
        if reason is None and self.bank.phase[i] != UNLOADED:
            try:
                self.load(i, after_reset=False)
            except ValueError as error:
                reason = str(error)
        return reason

    def ended(self, int64_t i):
        self.check_row(i)
        return self.bank.phase[i] in (ENDED, TERMINATED)

    def fault(self, int64_t code, actions):
        row = code - 1
        self.check_row(row)
        if self.bank.phase[row] == UNLOADED:
            return ResetNeeded("Cannot call env.step() before calling env.reset()")
        action = actions[row]
        return AssertionError(f"{action!r} ({type(action)}) invalid")

    cdef void place(self, double *column, int64_t stride) noexcept:
        # Every column, of whatever type, is 8 bytes wide.
        cdef CartPoleBank *bank = &self.bank
        cdef int k
        bank.x, bank.x_dot = column, column + stride
        bank.theta, bank.theta_dot = column + 2 * stride, column + 3 * stride
        column += STATE_COLUMNS * stride
        for k in range(PARAMETERS):
            bank.parameter[k] = column + k * stride
        column += PARAMETERS * stride
        bank.reward_upright, bank.reward_fallen = column, column + stride
        bank.elapsed, bank.limit = <int64_t *>(column + 2 * stride), <int64_t *>(column + 3 * stride)
        bank.generator = <bitgen_t **>(column + 4 * stride)

    cdef int check_row(self, int64_t i) except -1:
        if not 0 <= i < self.num_envs:
            raise IndexError(f"row {i} of a bank of {self.num_envs}")
        return 0

    cdef bint read_parameters(self, int64_t i) except -1:
        # Whether a value is new.
        core, time_limit = self.cores[i], self.time_limits[i]
        cdef int64_t stride = self.bank.parameter[1] - self.bank.parameter[0]
        cdef double value
        cdef bint changed = False
        cdef int k
        values = [getattr(core, name) for name in PARAMETER_NAMES]
        values += (0.0, -1.0) if core._sutton_barto_reward else (1.0, 1.0)
        for k in range(PARAMETERS + 2):
            value = values[k]
            changed |= self.bank.parameter[0][k * stride + i] != value
            self.bank.parameter[0][k * stride + i] = value
        self.bank.limit[i] = INT64_MAX if time_limit is None else time_limit._max_episode_steps
        return changed

    cdef void compare_parameters(self) noexcept:
        # From the first parameter to the last reward the columns lie side by side.
        cdef int64_t stride = self.bank.parameter[1] - self.bank.parameter[0]
        cdef double *column = self.bank.parameter[0]
        cdef int64_t k, i
        self.bank.alike = True
        for k in range(PARAMETERS + 2):
            for i in range(1, self.num_envs):
                if column[k * stride + i] != column[k * stride]:
                    self.bank.alike = False
                    return

    cdef int adopt_generator(self, int64_t i, bit_generator) except -1:
        # Two rows must not draw from one generator: they may run at the same time.
        old = self.bit_generators[i]
        if old is bit_generator:
            return 0
        row = self.row_of_generator.get(id(bit_generator), i)
        if row != i:
            raise ValueError(f"environments {row} and {i} share a random generator; give each its own")
        self.bank.generator[i] = <bitgen_t *>PyCapsule_GetPointer(bit_generator.capsule, "BitGenerator")
        self.row_of_generator.pop(id(old), None)
        self.row_of_generator[id(bit_generator)] = i
        self.bit_generators[i] = bit_generator
        return 0


BANK = CartPoles


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


# What NumPy does on this machine, found out once

cdef int fused_draw


cdef bint find_draw() except -1:
    # Whether Generator.uniform multiplies and adds with one rounding or with two.
    global fused_draw
    cdef bitgen_t *generator
    cdef double[::1] draws = np.empty(256)
    expected = np.random.Generator(np.random.PCG64(0)).uniform(low=-0.05, high=0.05, size=256)
    for fused in (0, 1):
        bit_generator = np.random.PCG64(0)
        generator = <bitgen_t *>PyCapsule_GetPointer(bit_generator.capsule, "BitGenerator")
        for i in range(256):
            draws[i] = cartpole_draw(generator, fused)
        if np.asarray(draws).tobytes() == expected.tobytes():
            fused_draw = fused
            return True
    return False


cdef bint draw_known = find_draw()


# Which environments the kernel stands for

cdef list methods = _recognition.snapshot(CartPoleEnv)
cdef object observation_bounds = None
cdef object refusal = "not known yet"


def recognise(env):
    global refusal
    reason = _recognition.wrapping(env)
    if reason is not None:
        return reason
    core = _recognition.core(env)
    if type(core) is not CartPoleEnv:
        return f"{type(core).__name__} is not CartPoleEnv"
    reason = _recognition.replaced(methods) or _recognition.shadowed(core) or changed_attribute(core)
    if reason is not None:
        return reason
    if refusal == "not known yet":
        refusal = find_refusal()
    return refusal


cdef changed_attribute(core):
    if core.kinematics_integrator != "euler":
        return f"the integrator {core.kinematics_integrator!r}"
    if core.render_mode is not None:
        return f"render_mode={core.render_mode!r}"
    for name in PARAMETER_NAMES:
        if type(getattr(core, name)) is not float:
            return f"{name} is not a float"
    return changed_space(core.action_space, core.observation_space)


cdef changed_space(action_space, observation_space):
    global observation_bounds
    if observation_bounds is None:
        official = CartPoleEnv().observation_space
        observation_bounds = official.low.tobytes(), official.high.tobytes()
    if type(action_space) is not spaces.Discrete or _recognition.shadowed(action_space) is not None:
        return "another action space"
    if action_space.n != 2 or action_space.start != 0 or action_space.dtype != np.int64:
        return "another action space"
    if type(observation_space) is not spaces.Box or observation_space.dtype != np.float32:
        return "another observation space"
    if (observation_space.low.tobytes(), observation_space.high.tobytes()) != observation_bounds:
        return "another observation space"
    return None


cdef find_refusal():
    # Before it stands in for this version of Gymnasium on this machine, the kernel must reproduce its steps.
    if not (draw_known and _trigonometry.known()):
        return "NumPy computes sin, cos or uniform in an unknown way here"
    for sutton_barto in (False, True):
        env = CartPoleEnv(sutton_barto_reward=sutton_barto)
        env.reset(seed=7)
        shadow = CartPoleEnv(sutton_barto_reward=sutton_barto)
        shadow.reset(seed=7)
        bank = CartPoles([shadow], False)
        bank.load(0)
        if not follows(bank, env):
            return "this version of Gymnasium computes cart-poles in another way"
    return None


cdef bint follows(CartPoles bank, env) except -1:
    cdef int64_t action
    cdef float obs[4]
    cdef double reward
    cdef uint8_t terminated
    cdef uint8_t truncated
    cdef void *ports[6]
    ports[0], ports[1], ports[2] = <void *>&action, <void *>obs, <void *>&reward
    ports[3], ports[4], ports[5] = <void *>&terminated, <void *>&truncated, NULL
    ended = False
    for t in range(100):
        # Pushes to both sides first, then to one side until the pole falls, then to the other.
        action = t % 2 if t < 20 else t // 60
        if cartpole_step(&bank.bank, ports, 0, 1, t) != 0:
            return False
        if ended:
            (expected, _), earned, ended = env.reset(), 0.0, False
        else:
            expected, earned, ended, _, _ = env.step(action)
        if (<char *>obs)[:4 * sizeof(float)] != expected.tobytes() or reward != earned or terminated != ended:
            return False
        x, x_dot, theta, theta_dot = env.state
        if (bank.bank.x[0], bank.bank.x_dot[0]) != (x, x_dot):
            return False
        if (bank.bank.theta[0], bank.bank.theta_dot[0]) != (theta, theta_dot):
            return False
    return True
