"""What may be called when: Gymnasium's state machine, its errors and its words."""

from __future__ import annotations

import gc
import threading
import time
from functools import partial
from typing import Any

import numpy as np
import pytest
from gymnasium.error import AlreadyPendingCallError, ClosedEnvironmentError, NoAsyncCallError

from reactvec import ReactorVectorEnv
from tests.sample_envs import FailingEnv, SampleEnv, cartpole, never_fails
from tests.vector_env.oracle import same, twins
from tests.vector_env.placements import everywhere, in_this_process, natively_and_not, on_few

ACTIONS = np.zeros(4, int)


def begins(vector: Any) -> dict[str, Any]:
    return {
        "reset": vector.reset_async,
        "step": partial(vector.step_async, ACTIONS),
        "call": partial(vector.call_async, "render"),
    }


@everywhere
@natively_and_not
def test_one_thing_at_a_time(native: Any, place: dict[str, Any]) -> None:
    vector = ReactorVectorEnv([cartpole] * 4, native=native, **place)
    vector.reset(seed=0)
    for pending, begin in begins(vector).items():
        if pending == "call":
            begin = partial(vector.call_async, "has_wrapper_attr", "gravity")
        begin()
        others = {**begins(vector), "set_attr": partial(vector.set_attr, "x", 1), "get_attr": vector.get_attr}
        for name, other in others.items():
            asked = {"set_attr": "set_attr", "get_attr": "call_async"}.get(name, f"{name}_async")
            words = f"Calling `{asked}` while waiting for a pending call to `{pending}` to complete"
            with pytest.raises(AlreadyPendingCallError, match=words) as raised:
                other("x") if name == "get_attr" else other()
            assert raised.value.name == pending
        for name in {"reset", "step", "call"} - {pending}:
            words = f"Calling `{name}_wait` without any prior call to `{name}_async`."
            with pytest.raises(NoAsyncCallError, match=words) as refused:
                getattr(vector, f"{name}_wait")()
            assert refused.value.name == name
        assert len(getattr(vector, f"{pending}_wait")()) in (2, 4, 5)
    vector.close()


@everywhere
def test_asynchronous_calls_return_the_same(place: dict[str, Any]) -> None:
    with twins([SampleEnv] * 4, **place) as both:
        both.vector.reset_async(seed=3)
        assert same(both.vector.reset_wait(), both.oracle.reset(seed=3))
        for turn in range(5):
            both.vector.step_async(ACTIONS)
            assert same(both.vector.step_wait(), both.oracle.step(ACTIONS))
            both.vector.call_async("draws", turn, offset=1.0)
            assert same(both.vector.call_wait(), both.oracle.call("draws", turn, offset=1.0))
            options = {"reset_mask": np.arange(4) == turn % 4}
            both.vector.reset_async(options=options)
            assert same(both.vector.reset_wait(), both.oracle.reset(options=options))


@everywhere
def test_what_failed_is_no_longer_pending(place: dict[str, Any]) -> None:
    vector = ReactorVectorEnv([SampleEnv] * 4, **place)
    vector.reset_async(seed=[0, 1, 2, -3])
    with pytest.raises(Exception, match="Seed must be"):
        vector.reset_wait()
    vector.reset(seed=0)
    vector.call_async("fail", KeyError("odd"))
    with pytest.raises(KeyError, match="odd"):
        vector.call_wait()
    with pytest.raises(NoAsyncCallError):
        vector.call_wait()
    vector.step(ACTIONS)
    vector.close()


@in_this_process
def test_no_timeouts_where_nothing_can_be_interrupted(place: dict[str, Any]) -> None:
    vector = ReactorVectorEnv([SampleEnv] * 4, **place)
    for pending, begin in begins(vector).items():
        begin()
        wait = getattr(vector, f"{pending}_wait")
        with pytest.raises(ValueError, match="cannot be interrupted"):
            wait(timeout=1)
        wait()
    vector.close()


@everywhere
def test_after_closing(place: dict[str, Any]) -> None:
    vector = ReactorVectorEnv([cartpole] * 4, **place)
    vector.close()
    vector.close()
    vector.close(timeout=1, terminate=True)
    waits = {name: getattr(vector, f"{name}_wait") for name in ("reset", "step", "call")}
    others = {"set_attr": partial(vector.set_attr, "x", 1), "render": vector.render}
    for call in (*begins(vector).values(), *waits.values(), *others.values(), lambda: vector.np_random):
        with pytest.raises(ClosedEnvironmentError, match="after a call to `close"):
            call()


@everywhere
@pytest.mark.parametrize("pending", ["step", "reset", "call"])
def test_closing_while_something_is_pending(pending: str, place: dict[str, Any]) -> None:
    vector = ReactorVectorEnv([SampleEnv] * 4, **place)
    vector.reset(seed=0)
    begins(vector)[pending]()
    with pytest.warns(UserWarning, match=f"pending call to `{pending}`"):
        vector.close()
    assert vector.closed


@pytest.mark.parametrize("what", ["step", "reset", "call"])
def test_the_other_workers_start_at_once(what: str) -> None:
    started = threading.Event()

    class Announces(FailingEnv):
        def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
            started.set()
            return super().step(action)

        def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
            started.set()
            return super().reset(**kwargs)

        def render(self) -> None:
            started.set()

    env_fns = [partial(FailingEnv, "never", RuntimeError()), partial(Announces, "never", RuntimeError())]
    vector = ReactorVectorEnv(env_fns, placement="threads", num_workers=2)
    vector.reset()
    started.clear()
    begin = {"reset": vector.reset_async, "step": lambda: vector.step_async(ACTIONS[:2])}
    begin.get(what, lambda: vector.call_async("render", indices=[1]))()
    assert started.wait(10)
    getattr(vector, f"{what}_wait")()
    vector.close()


def test_environments_are_built_stepped_called_and_closed_by_their_worker() -> None:
    class Threaded(FailingEnv):
        def __init__(self) -> None:
            super().__init__("never", RuntimeError())
            self.thread = threading.get_ident()

        def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
            assert threading.get_ident() == self.thread
            return super().step(action)

        def render(self) -> bool:
            return threading.get_ident() == self.thread

        def close(self) -> None:
            assert threading.get_ident() == self.thread

    vector = ReactorVectorEnv([Threaded] * 5, placement="threads", num_workers=3)
    vector.reset()
    vector.step(np.zeros(5, int))
    assert vector.render() == (True,) * 5
    vector.close()


@on_few
def test_nothing_stays_behind(place: dict[str, Any]) -> None:
    before = threading.active_count()
    for _ in range(20):
        vector = ReactorVectorEnv([never_fails] * 4, **place)
        vector.reset()
        vector.get_attr("steps")
        with pytest.raises(AttributeError):
            vector.get_attr("nothing of this name")
    del vector
    gc.collect()
    deadline = time.monotonic() + 20
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before
