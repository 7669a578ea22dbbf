"""Ctrl-C may come at any line of `step`: a reset, and a close, always work afterwards."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded

from reactvec import ReactorVectorEnv
from tests.sample_envs import FailingEnv
from tests.vector_env.placements import INLINE, ISOLATED, TWO_PROCESSES, TWO_THREADS, label

cartpole = partial(gym.make, "CartPole-v1")


class Interrupt(BaseException):
    """What the signal handler raises."""


@pytest.fixture
def alarms() -> Iterator[None]:
    def interrupt(*_: Any) -> None:
        raise Interrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def until_interrupted(work: Callable[[], Any], seconds: float) -> None:
    """Works until an alarm comes, in so many seconds or while this begins."""
    try:
        # Again after half a second: the interpreter drops what is raised inside a destructor.
        signal.setitimer(signal.ITIMER_REAL, seconds, 0.5)
        while True:
            work()
    except Interrupt:
        signal.setitimer(signal.ITIMER_REAL, 0)


def finish_step(vector: ReactorVectorEnv) -> None:
    """The interrupt may have come between `step_async` and `step_wait`."""
    if vector._pending.value == "step":
        vector.step_wait()


STORMS: list[dict[str, Any]] = [
    *({"native": native, **place} for native in (False, "auto") for place in (INLINE, TWO_THREADS)),
    *({"native": False, **place} for place in (TWO_PROCESSES, ISOLATED, {"num_workers": 2})),
]


@pytest.mark.parametrize("place", STORMS, ids=label)
@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_storm_of_signals(alarms: None, place: dict[str, Any], asynchronous: bool) -> None:
    vector = ReactorVectorEnv([cartpole] * 4, **place)
    actions, draw = np.zeros(4, np.int64), random.Random(0)

    def step() -> None:
        if asynchronous:
            vector.step_async(actions)
            vector.step_wait()
        else:
            vector.step(actions)

    for _ in range(60):
        finish_step(vector)
        vector.reset(seed=0)
        until_interrupted(step, draw.uniform(0.0001, 0.002))
    finish_step(vector)
    vector.close()
    assert vector.closed


def test_after_an_interrupt_a_reset_is_asked_for() -> None:
    class Interrupted(FailingEnv):
        def step(self, action: Any) -> Any:
            if self.steps == 2:
                raise KeyboardInterrupt
            return super().step(action)

    vector = ReactorVectorEnv([partial(Interrupted, "never", RuntimeError())] * 2)
    vector.reset()
    for _ in range(2):
        vector.step(np.zeros(2, int))
    with pytest.raises(KeyboardInterrupt):
        vector.step(np.zeros(2, int))
    with pytest.raises(ResetNeeded, match="KeyboardInterrupt"):
        vector.step(np.zeros(2, int))
    vector.reset()
    vector.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_what_was_built_is_closed_when_the_rest_fails(workers: int) -> None:
    closed = []

    class Closes(FailingEnv):
        def close(self) -> None:
            closed.append(threading.get_ident())

    good = partial(Closes, "never", RuntimeError())
    with pytest.raises(KeyError):
        ReactorVectorEnv(
            [good, good, good, partial(Closes, "init", KeyError("no"))], placement="threads", num_workers=workers
        )
    assert len(closed) == 3


def test_one_that_exits_in_close_keeps_no_other_open() -> None:
    closed = []

    class Closes(FailingEnv):
        def close(self) -> None:
            closed.append(self)
            super().close()

    env_fns = [partial(Closes, "close", SystemExit(3)), partial(Closes, "never", RuntimeError())]
    vector = ReactorVectorEnv(env_fns, placement="inline")
    with pytest.raises(SystemExit):
        vector.close()
    assert len(closed) == 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # what is raised inside a destructor
@pytest.mark.parametrize("native", [False, "auto"])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_storm_of_signals_in_calls(alarms: None, native: Any, workers: int) -> None:
    """No reset is needed after them: the steps go on as if there had been no call."""
    vector, twin = (
        ReactorVectorEnv([cartpole] * 4, native=native, placement="threads", num_workers=workers) for _ in range(2)
    )
    first, draw = [env.reset(seed=0)[0].tobytes() for env in (vector, twin)], random.Random(0)
    assert first[0] == first[1]

    def call() -> None:
        vector.call("has_wrapper_attr", "gravity")
        vector.set_attr("gravity", 9.8)

    for _ in range(40):
        until_interrupted(call, draw.uniform(0.0001, 0.002))
        actions = np.array([draw.randrange(2) for _ in range(4)])
        assert vector.step(actions)[0].tobytes() == twin.step(actions)[0].tobytes()
    vector.close()
    twin.close()
