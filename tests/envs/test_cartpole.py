"""The oracle of the cart-pole kernel: Gymnasium's own environment, step by step and bit by bit."""

import ctypes
from itertools import pairwise

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.classic_control.cartpole import CartPoleEnv
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import TimeLimit
from hypothesis import given, settings
from hypothesis import strategies as st

from reactvec.envs.cartpole import CartPoles

RUN = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.c_int64,
    ctypes.c_int64,
    ctypes.c_int64,
)


class Kernel(ctypes.Structure):
    _fields_ = [("run", RUN), ("self", ctypes.c_void_p)]


class Driver:
    """Runs a bank's kernel over arrays of its own, as the scheduler would over slabs."""

    def __init__(self, bank):
        pointer = ctypes.pythonapi.PyCapsule_GetPointer
        pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
        n = self.num_envs = bank.num_envs
        self.capsule = bank.step
        self.kernel = Kernel.from_address(pointer(self.capsule, b"reactvec.kernel.1"))
        self.action = np.zeros(n, np.int64)
        self.obs = np.full((n, 4), 9, np.float32)
        self.reward = np.full(n, 9.0)
        self.terminated, self.truncated = np.full(n, 9, np.uint8), np.full(n, 9, np.uint8)
        self.final_obs = np.full((n, 4), 9, np.float32)
        self.effects = (self.obs, self.reward, self.terminated, self.truncated, self.final_obs)
        self.ports = (ctypes.c_void_p * 8)(*[port.ctypes.data for port in (self.action, *self.effects)], None, None)

    def step(self, actions, lo=0, hi=None):
        self.action[:] = actions
        return self.kernel.run(self.kernel.self, self.ports, lo, self.num_envs if hi is None else hi, 0)


class Oracle:
    """Steps Python environments with the same autoreset, as SyncVectorEnv does."""

    def __init__(self, envs, same_step):
        self.envs, self.same_step = envs, same_step
        self.ended = [False] * len(envs)

    def row(self, i, action):
        env, final = self.envs[i], None
        if self.ended[i]:
            obs, reward, terminated, truncated = env.reset()[0], 0.0, False, False
        else:
            obs, reward, terminated, truncated, _ = env.step(action)
        ended = terminated or truncated
        if ended and self.same_step:
            final, obs = obs, env.reset()[0]
        self.ended[i] = ended and not self.same_step
        return obs, reward, terminated, truncated, final


def pair(make, n, same_step, seed=0, options=None):
    """Two equal lists of environments, one of them as a bank: bank, driver, shadows, oracle."""
    shadows, official = [make(i) for i in range(n)], [make(i) for i in range(n)]
    bank = CartPoles(shadows, AutoresetMode.SAME_STEP if same_step else AutoresetMode.NEXT_STEP)
    for i, (shadow, env) in enumerate(zip(shadows, official, strict=True)):
        first, _ = shadow.reset(seed=seed + i, options=options)
        assert first.tobytes() == env.reset(seed=seed + i, options=options)[0].tobytes()
        bank.load(i)
    return bank, Driver(bank), shadows, Oracle(official, same_step)


def follow(driver, oracle, steps, seed=0):
    """Steps both with the same random actions and compares every output."""
    actions = np.random.default_rng(seed).integers(0, 2, (steps, driver.num_envs))
    for action in actions:
        driver.final_obs[:] = 9
        assert driver.step(action) == 0
        for i in range(driver.num_envs):
            obs, reward, terminated, truncated, final = oracle.row(i, action[i])
            assert obs.dtype == np.float32
            assert driver.obs[i].tobytes() == obs.tobytes()
            assert (driver.reward[i], driver.terminated[i], driver.truncated[i]) == (
                reward,
                terminated,
                truncated,
            )
            expected = np.full(4, 9, np.float32) if final is None else final
            assert driver.final_obs[i].tobytes() == expected.tobytes()


def assert_equal_envs(shadow, env):
    ours, theirs = shadow.unwrapped, env.unwrapped
    assert np.asarray(ours.state, np.float64).tobytes() == np.asarray(theirs.state, np.float64).tobytes()
    assert ours.steps_beyond_terminated == theirs.steps_beyond_terminated
    assert ours.np_random.bit_generator.state == theirs.np_random.bit_generator.state
    while isinstance(env, gym.Wrapper):
        if type(env) is TimeLimit:
            assert shadow._elapsed_steps == env._elapsed_steps
        shadow, env = shadow.env, env.env


MAKERS = {
    "v1": lambda i: gym.make("CartPole-v1"),
    "v0": lambda i: gym.make("CartPole-v0"),
    "sutton_barto": lambda i: gym.make("CartPole-v1", sutton_barto_reward=True),
    "short": lambda i: gym.make("CartPole-v1", max_episode_steps=7),
    "one step": lambda i: gym.make("CartPole-v1", max_episode_steps=1),
    "unlimited": lambda i: CartPoleEnv(),
    "all kinds": lambda i: gym.make("CartPole-v1", max_episode_steps=5 + 9 * i, sutton_barto_reward=i % 2 == 0),
}


@pytest.mark.filterwarnings("ignore:.*out of date.*")
@pytest.mark.parametrize("same_step", [False, True])
@pytest.mark.parametrize("kind", MAKERS)
def test_follows_gymnasium_bit_by_bit(kind, same_step):
    bank, driver, shadows, oracle = pair(MAKERS[kind], 3, same_step, seed=11)
    follow(driver, oracle, 1000)
    for i in range(3):
        bank.store(i)
        assert_equal_envs(shadows[i], oracle.envs[i])


@settings(max_examples=12)
@given(
    n=st.integers(1, 6),
    seed=st.integers(0, 2**31),
    limit=st.integers(1, 60),
    same_step=st.booleans(),
    steps=st.integers(1, 120),
)
def test_follows_gymnasium_for_any_seed(n, seed, limit, same_step, steps):
    def make(i):
        return gym.make("CartPole-v1", max_episode_steps=limit, sutton_barto_reward=seed % 2 == 0)

    bank, driver, shadows, oracle = pair(make, n, same_step, seed)
    follow(driver, oracle, steps, seed)
    for i in range(n):
        bank.store(i)
        assert_equal_envs(shadows[i], oracle.envs[i])


@pytest.mark.parametrize("same_step", [False, True])
def test_many_rows_in_ragged_ranges(same_step):
    n = 300
    _, driver, _, oracle = pair(lambda i: CartPoleEnv(), n, same_step)
    actions = np.random.default_rng(5).integers(0, 2, (40, n))
    for action in actions:
        for lo, hi in pairwise((0, 1, 129, 257, 260, n)):
            assert driver.step(action, lo, hi) == 0
        rows = [oracle.row(i, action[i]) for i in range(n)]
        assert driver.obs.tobytes() == np.array([row[0] for row in rows]).tobytes()
        assert driver.reward.tolist() == [row[1] for row in rows]
        assert driver.terminated.tolist() == [row[2] for row in rows]


def test_a_range_leaves_other_rows_alone():
    _, driver, _, _ = pair(lambda i: CartPoleEnv(), 4, False)
    driver.step([0, 1, 0, 1], 1, 3)
    assert (driver.obs[[0, 3]] == 9).all()
    assert (driver.obs[[1, 2]] != 9).all()


@pytest.mark.parametrize("bound", [0.2, 3.0, 80.0])
def test_follows_far_from_upright(bound):
    def make(i):
        env = CartPoleEnv()
        env.theta_threshold_radians = env.x_threshold = float("inf")
        return env

    _, driver, _, oracle = pair(make, 200, False, options={"low": -bound, "high": bound})
    follow(driver, oracle, 8)


def test_parameters_of_each_environment_are_honoured():
    def make(i):
        env = gym.make("CartPole-v1")
        env.set_wrapper_attr("gravity", 9.8 + i)
        env.set_wrapper_attr("force_mag", 5.0 + i)
        env.set_wrapper_attr("length", 0.5 + 0.1 * i)
        env.set_wrapper_attr("x_threshold", 0.3 * (1 + i))
        return env

    _, driver, _, oracle = pair(make, 3, False)
    follow(driver, oracle, 300)


def test_a_parameter_changed_later_is_read_at_load():
    bank, driver, shadows, oracle = pair(lambda i: CartPoleEnv(), 2, True)
    follow(driver, oracle, 10)
    for env in (shadows[1], oracle.envs[1]):
        env.tau = 0.01
    bank.store(1)
    bank.load(1, after_reset=False)
    follow(driver, oracle, 50)


@pytest.mark.parametrize("same_step", [False, True])
@pytest.mark.parametrize("steps", [1, 9, 24, 140])
def test_store_then_python_goes_on_with_the_same_bits(steps, same_step):
    bank, driver, shadows, oracle = pair(lambda i: gym.make("CartPole-v1"), 3, same_step)
    follow(driver, oracle, steps)
    python = Oracle(shadows, same_step)
    python.ended = list(oracle.ended)
    for i in range(3):
        bank.store(i)
    for t in range(60):
        for i in range(3):
            expected, got = oracle.row(i, t % 2), python.row(i, t % 2)
            assert got[0].tobytes() == expected[0].tobytes()
            assert got[1:4] == expected[1:4]


def test_store_and_load_do_not_disturb_a_running_bank():
    bank, driver, _, oracle = pair(lambda i: gym.make("CartPole-v1", max_episode_steps=15), 3, False)
    for t in range(120):
        follow(driver, oracle, 1, seed=t)
        for i in range(3):
            bank.store(i)
            bank.load(i, after_reset=False)


def test_a_reset_in_between_clears_the_pending_one():
    bank, driver, shadows, oracle = pair(lambda i: gym.make("CartPole-v1", max_episode_steps=3), 2, False)
    follow(driver, oracle, 3)
    for env in (shadows[0], oracle.envs[0]):
        env.reset(options={"low": -0.01, "high": 0.01})
    oracle.ended[0] = False
    bank.load(0)
    follow(driver, oracle, 8)


@pytest.mark.parametrize("bits", [np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_other_bit_generators(bits):
    bank, driver, shadows, oracle = pair(lambda i: CartPoleEnv(), 2, True)
    for i in range(2):
        for env in (shadows[i], oracle.envs[i]):
            env.np_random = np.random.Generator(bits(i))
            env.reset()
        bank.load(i)
    follow(driver, oracle, 200)


@pytest.mark.parametrize("action", [2, -1, 2**40, -(2**63)])
def test_an_invalid_action_steps_nothing_and_names_the_row(action):
    bank, driver, shadows, oracle = pair(lambda i: gym.make("CartPole-v1"), 4, False)
    actions = np.array([0, 1, action, 7])
    code = driver.step(actions)
    assert code == 3
    assert all((effect == 9).all() for effect in driver.effects)
    fault = bank.fault(code, actions)
    with pytest.raises(AssertionError) as raised:
        oracle.envs[2].step(actions[2])
    assert type(fault) is AssertionError
    assert str(fault) == str(raised.value)
    for i in (0, 1, 3):
        bank.store(i)
        assert_equal_envs(shadows[i], oracle.envs[i])
    # Actions outside the range do not matter.
    assert driver.step(actions, 0, 2) == 0


def test_the_action_of_a_reset_row_is_ignored():
    _, driver, _, _ = pair(lambda i: gym.make("CartPole-v1", max_episode_steps=1), 2, False)
    assert driver.step([0, 1]) == 0
    assert driver.step([5, -7]) == 0
    assert driver.reward.tolist() == [0.0, 0.0]
    assert driver.step([0, 5]) == 2


def test_a_row_that_was_never_loaded_is_a_fault():
    envs = [gym.make("CartPole-v1") for _ in range(2)]
    bank = CartPoles(envs, AutoresetMode.NEXT_STEP)
    envs[0].reset(seed=0)
    bank.load(0)
    driver = Driver(bank)
    assert driver.step([0, 0]) == 2
    assert isinstance(bank.fault(2, [0, 0]), ResetNeeded)
    assert driver.step([0, 0], 0, 1) == 0
    with pytest.raises(ValueError, match="call reset"):
        bank.load(1)
    bank.store(1)
    assert envs[1].get_wrapper_attr("state") is None


def test_without_autoreset_an_ended_row_waits_for_its_reset():
    envs = [gym.make("CartPole-v1", max_episode_steps=1 + i) for i in range(2)]
    bank = CartPoles(envs, AutoresetMode.DISABLED)
    for i, env in enumerate(envs):
        env.reset(seed=i)
        bank.load(i)
    driver = Driver(bank)
    assert driver.step([0, 0]) == 0
    assert driver.truncated.tolist() == [1, 0]
    assert driver.step([0, 0]) == 1
    assert bank.ended(0)
    assert not bank.ended(1)
    envs[0].reset()
    bank.load(0)
    assert driver.step([0, 0]) == 0
    assert driver.truncated.tolist() == [1, 1]


def test_wrong_rows_and_empty_banks():
    with pytest.raises(ValueError, match="at least one"):
        CartPoles([], AutoresetMode.NEXT_STEP)
    bank = CartPoles([CartPoleEnv()], AutoresetMode.NEXT_STEP)
    for row in (-1, 1):
        with pytest.raises(IndexError, match=f"row {row} of a bank of 1"):
            bank.load(row)


def test_a_state_that_is_not_float64_is_refused():
    env = CartPoleEnv()
    bank = CartPoles([env], AutoresetMode.NEXT_STEP)
    env.state = env.reset(seed=0)[0]
    with pytest.raises(ValueError, match="float64"):
        bank.load(0)


def test_the_capsule_keeps_the_bank_alive():
    _, driver, _, oracle = pair(lambda i: CartPoleEnv(), 1, False)
    follow(driver, oracle, 50)
