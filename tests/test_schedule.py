"""A schedule explains itself: in words, as Mermaid, as Graphviz."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from reactvec import InputPort, OutputPort, Reactor, Schedule, Topology, compile, present, reaction
from reactvec.schedule import Op


class Envs(Reactor):
    action = InputPort((), np.int64)
    obs = OutputPort((4,), np.float32)

    @reaction(on="reset", effects=[obs])
    def reset(self, rows, obs):
        obs[...] = 0

    @reaction(triggers=[action], effects=[obs])
    def step(self, rows, action, obs):
        obs[...] = action[:, None]


class Scale(Reactor):
    raw = InputPort((4,), np.float32)
    obs = OutputPort((4,), np.float32)

    @reaction(triggers=[raw], effects=[obs])
    def scale(self, rows, raw, obs):
        obs[...] = raw / 2


class Policy(Reactor):
    obs = InputPort((4, 4), np.float32)
    weights = InputPort((3,), np.float32)
    action = OutputPort((4,), np.int64)

    @reaction(triggers=[obs], sources=[weights, present(weights)], effects=[action])
    def act(self, obs, weights, fresh, action):
        action[...] = 0


class Learner(Reactor):
    obs = InputPort((4, 4), np.float32)
    weights = OutputPort((3,), np.float32)

    @reaction(triggers=[obs], effects=[weights, present(weights)], period=Fraction(5, 2), offset=4)
    def learn(self, obs, weights, fresh):
        weights[...] = 1


def dqn(workers: int) -> Schedule:
    topology = Topology()
    envs, scale = topology.add("envs", Envs(bank=4)), topology.add("scale", Scale(bank=4))
    policy, learner = topology.add("policy", Policy()), topology.add("learner", Learner())
    topology.connect(envs.obs, scale.raw)
    topology.connect(scale.obs, policy.obs, delay=1, initial=0)
    topology.connect(policy.action, envs.action)
    topology.connect(scale.obs, learner.obs)
    topology.connect(learner.weights, policy.weights, delay=2, initial=0)
    return compile(topology, workers)


EXPLAINED = """\
5 reactions, 4 slabs in an arena of {bytes} bytes, 2 workers (0 is the caller)

step:
  worker 0
{zero}
  worker 1
{one}
  fused (rows stay on their worker, no sync between):
    envs.step -> scale.scale

reset:
  worker 0
    EXEC    envs.reset[0:2]  python
    ADVANCE
  worker 1
    EXEC    envs.reset[2:4]  python
    ADVANCE"""

ZERO = """\
    EXEC    policy.act  python
    PUBLISH 1
    EXEC    envs.step[0:2]  python
    EXEC    scale.scale[0:2]  python
    AWAIT   worker 1 to pass 1
    EXEC    learner.learn  python  every 5/2 tags from 4
    ADVANCE"""

ONE = """\
    AWAIT   worker 0 to pass 1
    EXEC    envs.step[2:4]  python
    EXEC    scale.scale[2:4]  python
    PUBLISH 1
    ADVANCE"""


def test_explain_says_who_does_what_and_who_waits_for_whom() -> None:
    schedule = dqn(2)
    size = f"{schedule.arena_bytes:,}"
    assert schedule.explain() == EXPLAINED.format(bytes=size, zero=ZERO, one=ONE)
    assert schedule.explain("reset").startswith("5 reactions, 4 slabs")
    assert "learner" not in schedule.explain("reset")


def test_explain_of_one_worker_has_no_sync() -> None:
    text = dqn(1).explain()
    assert "1 worker (the caller)" in text
    assert "envs.step[0:4]" in text
    assert not any(word in text for word in ("AWAIT", "PUBLISH"))


def test_explain_says_what_is_guarded_and_native() -> None:
    class Native(Reactor):
        x = InputPort((), np.int64)
        y = OutputPort((), np.int64)

        @reaction(triggers=[x], effects=[y], native=True)
        def run(self):
            raise AssertionError("only compiled")

    topology = Topology()
    one = topology.add("one", Native())
    topology.connect(one.y, one.x, delay=1)
    assert "EXEC    one.run  native  if a trigger is present" in compile(topology).explain()


MERMAID = """\
flowchart LR
    r0["envs.step x4"]
    r1["scale.scale x4"]
    r2["policy.act"]
    r3["learner.learn, every 5/2 tags from 4"]
    r2 -- action --> r0
    r0 -- obs --> r1
    r1 -. obs, delay 1 .-> r2
    r3 -. weights, delay 2 .-> r2
    r1 -- obs --> r3"""

DOT = """\
digraph "step" {
    rankdir=LR;
    node [shape=box];
    "envs.step" [label="envs.step x4"];
    "scale.scale" [label="scale.scale x4"];
    "policy.act" [label="policy.act"];
    "learner.learn" [label="learner.learn, every 5/2 tags from 4"];
    "policy.act" -> "envs.step" [label="action"];
    "envs.step" -> "scale.scale" [label="obs"];
    "scale.scale" -> "policy.act" [style=dashed label="obs, delay 1"];
    "learner.learn" -> "policy.act" [style=dashed label="weights, delay 2"];
    "scale.scale" -> "learner.learn" [label="obs"];
}"""


@pytest.mark.parametrize("workers", [1, 3])
def test_drawings_show_reactions_and_what_flows(workers: int) -> None:
    schedule = dqn(workers)
    assert schedule.to_mermaid() == MERMAID
    assert schedule.to_dot() == DOT
    assert schedule.to_mermaid("reset") == 'flowchart LR\n    r0["envs.reset x4"]'


def test_a_schedule_is_plain_and_cannot_be_changed() -> None:
    schedule = dqn(2)
    code = schedule.programs["step"].code[0]
    assert code.dtype == np.int64
    with pytest.raises(ValueError, match="read-only"):
        code[0, 0] = 3
    assert [op for op, _ in schedule.instructions("step", 1)][-1] is Op.ADVANCE
    assert schedule.reactions[1].kernel == f"{__name__}:Envs.step"
