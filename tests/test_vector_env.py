"""ReactorVectorEnv against the official SyncVectorEnv, bit by bit, and its own promises."""

from __future__ import annotations

import gc
import threading
import time
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import AlreadyPendingCallError, ClosedEnvironmentError, NoAsyncCallError, ResetNeeded
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import given, settings
from hypothesis import strategies as st

from reactvec import ReactorVectorEnv
from tests.sample_envs import SPACES, FailingEnv, SampleEnv

cartpole = partial(gym.make, "CartPole-v1")
pendulum = partial(gym.make, "Pendulum-v1")

PLACEMENTS = [
    {"placement": "inline"},
    {"placement": "threads", "num_workers": 2},
    {"placement": "threads", "num_workers": 4},
]


def same(one: Any, other: Any) -> bool:
    """Equal in type, structure, dtype and every bit."""
    if isinstance(one, dict):
        return isinstance(other, dict) and list(one) == list(other) and all(same(one[k], other[k]) for k in one)
    if isinstance(one, tuple | list):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, np.ndarray) and one.dtype == object:
        return isinstance(other, np.ndarray) and same(one.tolist(), other.tolist())
    if isinstance(one, np.ndarray | np.generic):
        return (
            type(one) is type(other)
            and one.dtype == other.dtype
            and one.shape == other.shape
            and one.tobytes() == other.tobytes()
        )
    return bool(one == other)


def assert_like_sync(env_fns: list[Any], mode: AutoresetMode, steps: int, seed: Any, **kwargs: Any) -> None:
    """Drive SyncVectorEnv and ReactorVectorEnv with the same calls; everything returned must be the same."""
    oracle = SyncVectorEnv(env_fns, autoreset_mode=mode)
    vector = ReactorVectorEnv(env_fns, autoreset_mode=mode, **kwargs)
    try:
        oracle.action_space.seed(7)
        assert same(oracle.reset(seed=seed, options={"low": -0.01}), vector.reset(seed=seed, options={"low": -0.01}))
        for step in range(steps):
            actions = oracle.action_space.sample()
            one, other = oracle.step(actions), vector.step(actions)
            assert same(one, other), f"step {step}: {one} differs from {other}"
            if step % 37 == 36:
                mask = np.arange(len(env_fns)) % 2 == 0
                one_reset = oracle.reset(seed=step, options={"reset_mask": mask})
                assert same(one_reset, vector.reset(seed=step, options={"reset_mask": mask}))
    finally:
        oracle.close()
        vector.close()


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
@pytest.mark.parametrize("native", [False, "auto"])
@pytest.mark.parametrize("place", PLACEMENTS, ids=str)
def test_cartpole_is_bit_exact(mode: AutoresetMode, native: Any, place: dict[str, Any]) -> None:
    env_fns = [cartpole, partial(cartpole, max_episode_steps=12), partial(cartpole, sutton_barto_reward=True)] * 2
    assert_like_sync(env_fns, mode, 400, seed=3, native=native, **place)


@pytest.mark.parametrize("observation", list(SPACES))
@pytest.mark.parametrize("place", PLACEMENTS[:2], ids=str)
def test_every_observation_space(observation: str, place: dict[str, Any]) -> None:
    for mode in (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP):
        assert_like_sync([partial(SampleEnv, observation)] * 5, mode, 80, seed=1, **place)


@pytest.mark.parametrize("action", list(SPACES))
def test_every_action_space(action: str) -> None:
    assert_like_sync([partial(SampleEnv, "box", action)] * 3, AutoresetMode.NEXT_STEP, 50, seed=2)
    env = SampleEnv("box", action)
    oracle_env = SampleEnv("box", action)
    vector, oracle = ReactorVectorEnv([lambda: env]), SyncVectorEnv([lambda: oracle_env])
    for each in (vector, oracle):
        each.reset(seed=0)
        each.action_space.seed(0)
        for _ in range(5):
            each.step(each.action_space.sample())
    assert same(env.actions, oracle_env.actions)
    vector.close()
    oracle.close()


@settings(max_examples=25, deadline=None)
@given(
    observation=st.sampled_from(list(SPACES)),
    num_envs=st.integers(1, 6),
    seed=st.one_of(st.none(), st.integers(0, 1 << 40)),
    mode=st.sampled_from([AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP]),
    workers=st.integers(1, 6),
)
def test_any_calls(observation: str, num_envs: int, seed: int | None, mode: AutoresetMode, workers: int) -> None:
    seeds = [(seed or 0) * 31 + i if i % 3 else 5 for i in range(num_envs)]
    env_fns = [partial(SampleEnv, observation)] * num_envs
    place = {"placement": "threads", "num_workers": min(workers, num_envs)}
    assert_like_sync(env_fns, mode, 45, seed=seed if seed is not None else seeds, **place)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_actions_reach_the_environment_in_the_dtype_they_were_given(dtype: Any) -> None:
    oracle, vector = SyncVectorEnv([pendulum] * 3), ReactorVectorEnv([pendulum] * 3)
    assert same(oracle.reset(seed=0), vector.reset(seed=0))
    actions = np.random.default_rng(0).uniform(-2, 2, (100, 3, 1)).astype(dtype)
    for action in actions:
        assert same(oracle.step(action), vector.step(action))
    vector.close()
    oracle.close()


def test_disabled_autoreset_steps_like_sync_and_refuses_an_ended_environment() -> None:
    oracle = SyncVectorEnv([cartpole] * 2, autoreset_mode=AutoresetMode.DISABLED)
    vector = ReactorVectorEnv([cartpole] * 2, autoreset_mode="Disabled")
    assert same(oracle.reset(seed=0), vector.reset(seed=0))
    ended = np.zeros(2, bool)
    while not ended.any():
        result = oracle.step(np.ones(2, int))
        assert same(result, vector.step(np.ones(2, int)))
        ended = result[2] | result[3]
    with pytest.raises(ResetNeeded):
        vector.step(np.ones(2, int))
    vector.close()
    oracle.close()


@pytest.mark.parametrize("native", [False, "auto"])
def test_results_are_copies_unless_asked_otherwise(native: Any) -> None:
    vector = ReactorVectorEnv([cartpole] * 2, native=native)
    first, _ = vector.reset(seed=0)
    kept = first.copy()
    for _ in range(4):
        vector.step(np.zeros(2, int))
    assert same(first, kept)
    views = ReactorVectorEnv([cartpole] * 2, native=native, copy=False)
    first, _ = views.reset(seed=0)
    for _ in range(2):
        views.step(np.zeros(2, int))
    assert not same(first, kept)
    vector.close()
    views.close()


@pytest.mark.parametrize("native", [False, "auto"])
@pytest.mark.parametrize("place", PLACEMENTS[:2], ids=str)
def test_wrong_actions_are_refused_before_anything_steps(native: Any, place: dict[str, Any]) -> None:
    vector, twin = (ReactorVectorEnv([cartpole] * 3, native=native, **place) for _ in range(2))
    assert same(vector.reset(seed=0), twin.reset(seed=0))
    for wrong, error in (([0, 1], ValueError), ([0, 1, 0, 1], ValueError), (1, TypeError), (np.array(1), TypeError)):
        with pytest.raises(error):
            vector.step(wrong)
    for _ in range(50):
        assert same(vector.step(np.ones(3, int)), twin.step(np.ones(3, int)))
    vector.close()
    twin.close()


def test_a_list_of_python_ints_is_a_batch_of_actions() -> None:
    vector, twin = ReactorVectorEnv([cartpole] * 3), ReactorVectorEnv([cartpole] * 3, native=False)
    assert same(vector.reset(seed=0), twin.reset(seed=0))
    assert same(vector.step([0, 1, 0]), twin.step([0, 1, 0]))
    vector.close()
    twin.close()


@pytest.mark.parametrize("native", [False, "auto"])
def test_an_invalid_action_is_refused_as_gymnasium_does(native: Any) -> None:
    vector, oracle = ReactorVectorEnv([cartpole] * 3, native=native), SyncVectorEnv([cartpole] * 3)
    vector.reset(seed=0)
    oracle.reset(seed=0)
    with pytest.raises(AssertionError) as expected:
        oracle.step(np.array([0, 5, 0]))
    with pytest.raises(AssertionError) as refused:
        vector.step(np.array([0, 5, 0]))
    assert str(refused.value) == str(expected.value)
    assert any("sub-environment 1" in note for note in getattr(refused.value, "__notes__", ["sub-environment 1"]))
    with pytest.raises(ResetNeeded, match="AssertionError"):
        vector.step(np.zeros(3, int))
    vector.reset(seed=0)
    vector.step(np.zeros(3, int))
    vector.close()
    oracle.close()


def test_a_native_environment_must_be_reset_first() -> None:
    vector = ReactorVectorEnv([cartpole])
    with pytest.raises(ResetNeeded):
        vector.step(np.zeros(1, int))
    vector.close()


@pytest.mark.parametrize("place", PLACEMENTS, ids=str)
@pytest.mark.parametrize("where", ["step", "reset", "shape", "dtype"])
def test_an_environments_exception_comes_back_whole(where: str, place: dict[str, Any]) -> None:
    class OddError(Exception):
        pass

    env_fns = [cartpole_like, cartpole_like, cartpole_like, partial(FailingEnv, where, OddError("odd"))]
    vector = ReactorVectorEnv(env_fns, **place)
    expected = {"shape": ValueError, "dtype": TypeError}.get(where, OddError)
    with pytest.raises(expected) as raised:
        reset_and_step(vector, 5)
    frames = [entry.name for entry in raised.traceback]
    assert where in frames or "write" in frames
    assert any("sub-environment 3" in note for note in getattr(raised.value, "__notes__", ["sub-environment 3"]))
    with pytest.raises(ResetNeeded):
        vector.step(np.zeros(4, int))
    vector.close()


def reset_and_step(vector: ReactorVectorEnv, steps: int) -> None:
    vector.reset(seed=0)
    for _ in range(steps):
        vector.step(np.zeros(vector.num_envs, int))


def cartpole_like() -> gym.Env[Any, Any]:
    return FailingEnv("never", RuntimeError())


@pytest.mark.parametrize("place", PLACEMENTS[:2], ids=str)
def test_failing_to_build_or_to_close(place: dict[str, Any]) -> None:
    before = threading.active_count()
    with pytest.raises(KeyError, match="building"):
        ReactorVectorEnv([cartpole_like, cartpole_like, partial(FailingEnv, "init", KeyError("building"))], **place)
    vector = ReactorVectorEnv([cartpole_like, partial(FailingEnv, "close", KeyError("closing"))], **place)
    with pytest.raises(KeyError, match="closing"):
        vector.close()
    assert threading.active_count() == before


def test_environments_are_built_and_stepped_by_their_worker() -> None:
    class Threaded(FailingEnv):
        def __init__(self) -> None:
            super().__init__("never", RuntimeError())
            self.thread = threading.get_ident()

        def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
            assert threading.get_ident() == self.thread
            return super().step(action)

        def close(self) -> None:
            assert threading.get_ident() == self.thread

    vector = ReactorVectorEnv([Threaded] * 5, placement="threads", num_workers=3)
    vector.reset()
    vector.step(np.zeros(5, int))
    vector.close()


def test_state_machine() -> None:
    vector = ReactorVectorEnv([cartpole] * 2)
    with pytest.raises(NoAsyncCallError):
        vector.step_wait()
    vector.reset_async(seed=0)
    with pytest.raises(AlreadyPendingCallError):
        vector.step_async(np.zeros(2, int))
    with pytest.raises(NoAsyncCallError):
        vector.step_wait()
    vector.reset_wait()
    vector.step_async(np.zeros(2, int))
    with pytest.raises(AlreadyPendingCallError):
        vector.reset_async()
    with pytest.raises(ValueError, match="cannot be interrupted"):
        vector.step_wait(timeout=1)
    assert len(vector.step_wait()) == 5
    vector.close()
    vector.close()
    for call in (vector.reset, vector.step_wait, partial(vector.step, np.zeros(2, int))):
        with pytest.raises(ClosedEnvironmentError):
            call()


def test_step_async_copies_the_actions() -> None:
    vector, twin = ReactorVectorEnv([pendulum] * 2), ReactorVectorEnv([pendulum] * 2)
    assert same(vector.reset(seed=0), twin.reset(seed=0))
    actions = np.ones((2, 1), np.float32)
    vector.step_async(actions)
    actions[:] = 0
    assert same(vector.step_wait(), twin.step(np.ones((2, 1), np.float32)))
    vector.close()
    twin.close()


def test_step_async_starts_the_other_workers_at_once() -> None:
    started = threading.Event()

    class Announces(FailingEnv):
        def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
            started.set()
            return super().step(action)

    vector = ReactorVectorEnv(
        [cartpole_like, partial(Announces, "never", RuntimeError())], placement="threads", num_workers=2
    )
    vector.reset()
    vector.step_async(np.zeros(2, int))
    assert started.wait(10)
    vector.step_wait()
    vector.close()


def test_closing_while_a_step_is_pending() -> None:
    vector = ReactorVectorEnv([cartpole] * 4, placement="threads", num_workers=2)
    vector.reset(seed=0)
    vector.step_async(np.zeros(4, int))
    with pytest.warns(UserWarning, match="pending call to `step`"):
        vector.close()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"placement": "somewhere"}, "'inline', 'threads'"),
        ({"placement": "inline", "num_workers": 2}, "placement='threads'"),
        ({"num_workers": 0}, "from 1 to"),
        ({"num_workers": 3}, "from 1 to"),
        ({"isolated": True}, "worker processes"),
        ({"on_worker_failure": "restart"}, "worker processes"),
        ({"on_worker_failure": "ignore"}, "'raise' or 'restart'"),
        ({"worker": print}, "AsyncVectorEnv"),
        ({"observation_mode": "different"}, "'same'"),
        ({"native": "yes"}, "'auto', True or False"),
        ({"max_concurrency": 0}, "positive"),
        ({"autoreset_mode": "Sometimes"}, "Sometimes"),
    ],
)
def test_arguments_that_make_no_sense(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ReactorVectorEnv([cartpole] * 2, **arguments)


def test_no_environments_and_spaces_that_differ() -> None:
    with pytest.raises(ValueError, match="env_fns is empty"):
        ReactorVectorEnv([])
    with pytest.raises(RuntimeError, match="observation spaces are not equivalent"):
        ReactorVectorEnv([cartpole, pendulum])
    with pytest.raises(ValueError, match="native=True, but no native kernel for PendulumEnv"):
        ReactorVectorEnv([pendulum], native=True)


@pytest.mark.parametrize(
    ("seed", "options", "error"),
    [
        ([1], None, ValueError),
        (0, {"reset_mask": [True, False]}, TypeError),
        (0, {"reset_mask": np.array([True])}, ValueError),
        (0, {"reset_mask": np.array([1, 0])}, TypeError),
        (0, {"reset_mask": np.array([False, False])}, ValueError),
    ],
)
def test_bad_resets(seed: Any, options: Any, error: type[Exception]) -> None:
    vector = ReactorVectorEnv([cartpole] * 2)
    with pytest.raises(error):
        vector.reset(seed=seed, options=options)
    vector.reset()
    vector.close()


def test_the_callers_options_stay_as_they_are() -> None:
    vector = ReactorVectorEnv([cartpole] * 2)
    options = {"reset_mask": np.array([True, True]), "low": -0.01, "high": 0.01}
    vector.reset(options=options)
    assert set(options) == {"reset_mask", "low", "high"}
    vector.close()


def test_attributes_and_explanation() -> None:
    vector, oracle = ReactorVectorEnv([cartpole] * 3), SyncVectorEnv([cartpole] * 3)
    assert vector.num_envs == 3
    for name in ("observation_space", "action_space", "single_observation_space", "single_action_space", "render_mode"):
        assert getattr(vector, name) == getattr(oracle, name)
    assert vector.metadata == oracle.metadata
    assert vector.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert "native: CartPoles" in vector.explain()
    assert "envs.step[0:3]  native" in vector.explain()
    python = ReactorVectorEnv([cartpole] * 3, native=False)
    assert "Python: native=False" in python.explain()
    for env in (vector, oracle, python):
        env.close()


def test_gymnasiums_vector_wrappers_work_on_top() -> None:
    from gymnasium.wrappers.vector import DictInfoToList, NormalizeObservation, RecordEpisodeStatistics

    def run(make: Any) -> list[Any]:
        env = DictInfoToList(NormalizeObservation(RecordEpisodeStatistics(make([cartpole] * 3))))
        results = [env.reset(seed=0)[0]]
        for action in np.random.default_rng(0).integers(0, 2, (120, 3)):
            obs, reward, terminated, truncated, infos = env.step(action)
            episodes = [info["episode"]["r"] for info in infos if "episode" in info]
            results += [obs, reward, terminated, truncated, np.array(episodes)]
        env.close()
        return results

    assert same(run(SyncVectorEnv), run(ReactorVectorEnv))


def test_nothing_stays_behind() -> None:
    before = threading.active_count()
    for _ in range(20):
        vector = ReactorVectorEnv([cartpole] * 4, native=False, placement="threads", num_workers=3)
        vector.reset()
    del vector
    gc.collect()
    deadline = time.monotonic() + 20
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before
