"""Steps are counted as they are done: reset rows are none."""

import time

import pytest
from gymnasium.vector import SyncVectorEnv

from reactvec import ReactorVectorEnv
from reactvec.rollout import SerialRollout, VectorRollout, timed
from tests.tuning.odd_envs import CountingEnv, SlowEnv


def calls(envs):
    return sum(envs.get_attr("calls"))


@pytest.mark.parametrize("longest", [1, 2, 9])
@pytest.mark.parametrize(
    "vector", [SyncVectorEnv, lambda env_fns: ReactorVectorEnv(env_fns, placement="processes", num_workers=2)]
)
def test_reset_rows_are_no_steps(vector, longest):
    envs = vector([lambda: CountingEnv(longest)] * 3)
    rollout = VectorRollout(envs)
    counted = 0
    for rounds in (1, 1, 2, 7, 150):
        steps, nanoseconds = rollout.play(rounds)
        counted += steps
        assert counted == calls(envs)
        assert nanoseconds > 0
    assert counted < 3 * 161
    envs.close()


def test_a_serial_loop_resets_beside_its_steps():
    env = CountingEnv(1)
    rollout = SerialRollout(env)
    assert rollout.play(10)[0] == 10 == env.calls
    assert len(rollout.durations_ns(0)) == 1
    assert len(rollout.durations_ns(0.01)) > 10


def test_time_decides_how_many_steps_there_are():
    env = SlowEnv(0.02)
    began = time.perf_counter()
    steps, seconds = timed(SerialRollout(env), 0.1)
    assert 0.1 <= seconds <= time.perf_counter() - began
    assert 1 <= steps <= 5
    assert steps / seconds <= 50
    env.seconds = 0.3
    assert timed(SerialRollout(env), 0.01)[0] == 1


def test_the_actions_are_those_of_the_seed():
    first, second = (SyncVectorEnv([CountingEnv] * 2) for _ in range(2))
    assert [next(VectorRollout(first)._actions).tolist() for _ in range(2)] == [
        next(VectorRollout(second)._actions).tolist() for _ in range(2)
    ]
