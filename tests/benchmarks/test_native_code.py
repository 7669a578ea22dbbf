from __future__ import annotations

import shutil

import numpy as np
import pytest

from benchmarks import machine, native_code
from reactvec import Execution, InputPort, OutputPort, Reactor, Topology, compile, reaction

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
CORE = machine.usable_cores()[:1]


def expected_steps(actions: np.ndarray) -> tuple[int, int]:
    """The fewest and the most steps that rollouts of CartPole can have: episodes last 8 to 500 steps."""
    rows, envs = actions.shape
    return rows * envs - (rows // 9) * envs, rows * envs


def test_the_c_loop_leaves_out_reset_rows():
    actions = np.random.default_rng(0).integers(0, 2, size=(900, 4))
    fewest, most = expected_steps(actions)
    assert fewest <= native_code.plain_loop("cartpole", actions, CORE) < most


def test_a_pole_that_is_always_pushed_one_way_falls_after_eight_to_eleven_steps():
    actions = np.ones((1200, 1), np.int64)
    resets = 1200 - native_code.plain_loop("cartpole", actions, CORE)
    assert 1200 // 12 <= resets <= 1200 // 9


def test_the_c_loop_does_the_same_on_two_threads():
    actions = np.random.default_rng(1).integers(0, 2, size=(500, 5))
    assert native_code.plain_loop("cartpole", actions, CORE) == native_code.plain_loop("cartpole", actions, CORE * 2)


def test_the_c_loop_refuses_a_number_of_threads_that_it_has_no_room_for():
    with pytest.raises(OSError, match="17 cores"):
        native_code.plain_loop("cartpole", np.zeros((1, 1), np.int64), CORE * 17)


def test_the_noop_kernel_runs_as_a_native_reaction():
    class Noop(Reactor):
        value = InputPort((), np.int64)
        next_value = OutputPort((), np.int64)

        @reaction(triggers=[value], effects=[next_value], native=True)
        def run(self) -> object:
            return native_code.noop_capsule()

    topology = Topology()
    loop = topology.add("loop", Noop())
    topology.connect(loop.next_value, loop.value, delay=1, initial=0)
    with Execution(topology, compile(topology)) as execution:
        execution.advance(1000)
        assert execution.tag == 1000
