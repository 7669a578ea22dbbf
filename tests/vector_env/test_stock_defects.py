"""Where the stock AsyncVectorEnv (1.4.0) goes wrong, and this one must not."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from reactvec import ReactorVectorEnv
from tests.sample_envs import SampleEnv, cartpole
from tests.vector_env.oracle import same, twins
from tests.vector_env.placements import everywhere, natively_and_not


@everywhere
@natively_and_not
@pytest.mark.parametrize("shared_memory", [False, True])
def test_a_reset_right_after_an_end_is_not_repeated_by_the_next_step(
    native: Any, shared_memory: bool, place: dict[str, Any]
) -> None:
    """The stock class resets again, and drops the action, with shared_memory=False."""
    env_fns = [partial(cartpole, max_episode_steps=3)] * 4
    with twins(env_fns, AutoresetMode.NEXT_STEP, shared_memory=shared_memory, native=native, **place) as both:
        both.reset(seed=0)
        for turn in range(6):
            while not both.ended.any():
                both.step()
            both.reset(seed=turn if turn % 2 else None)
            assert both.step()[1].tolist() == [1.0] * 4


@everywhere
@natively_and_not
def test_too_few_actions_step_nothing(native: Any, place: dict[str, Any]) -> None:
    """The stock class steps the first of them, and returns stale rewards from then on."""
    vector, twin = (ReactorVectorEnv([cartpole] * 4, native=native, **place) for _ in range(2))
    assert same(vector.reset(seed=0), twin.reset(seed=0))
    for count in range(8):
        if count != 4:
            for step in (vector.step, vector.step_async):
                with pytest.raises(ValueError, match="Expected 4 actions"):
                    step(np.ones(count, int))
        actions = np.full(4, count % 2)
        assert same(vector.step(actions), twin.step(actions))
    vector.close()
    twin.close()


@everywhere
def test_closing_after_a_render_ends(place: dict[str, Any]) -> None:
    """The stock class can hang there."""
    for terminate in (True, False):
        vector = ReactorVectorEnv([SampleEnv] * 4, **place)
        vector.reset(seed=0)
        assert len(vector.render()) == 4
        vector.close(terminate=terminate)
        assert vector.closed
