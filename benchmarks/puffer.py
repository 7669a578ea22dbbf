"""PufferLib's multiprocessing vectorisation as a case, where it is installed (docs/benchmarks.md says how)."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import Any

from benchmarks.harness import Case, peer
from benchmarks.rollouts import SEED, Actions, count_steps_after_reset, make_env

REMEDY = "docs/benchmarks.md says how to install it"


def make_puffer_env(buf: Any = None, seed: int = 0) -> Any:
    """The environment in PufferLib's wrapper, as its vector environments call for it."""
    from pufferlib.emulation import GymnasiumPufferEnv

    return GymnasiumPufferEnv(env_creator=make_env, buf=buf, seed=seed)


class PufferRollout:
    """A rollout in worker processes that live for one repetition.

    PufferLib's workers spin while they wait, and would take the cores from the other cases; nor does a reset return
    once a worker has sent an info.
    """

    def __init__(self, vector: Any, actions: Actions, workers: int) -> None:
        envs = actions.shape[1]
        self.make = partial(
            vector.make,
            make_puffer_env,
            backend=vector.Multiprocessing,
            num_envs=envs,
            num_workers=workers,
            overwork=True,  # it counts physical cores, and the others may use all
        )
        self.rows = list(actions)
        self.open()
        self.steps = count_steps_after_reset(self.env, self.rows)
        self.close()

    def open(self) -> None:
        """Start the workers and reset their environments."""
        self.env: Any = self.make()
        self.env.reset(seed=SEED)

    def run(self) -> int:
        """Step through all rows; the row after an end is a reset row."""
        step = self.env.step
        for row in self.rows:
            step(row)
        return self.steps

    def close(self) -> None:
        """End the workers, and wait until they have ended."""
        self.env.close()
        for process in self.env.processes:
            process.join()


def puffer_cases(stack: ExitStack, actions: Actions) -> list[Case]:
    """PufferLib, synchronous, with one worker and with two: its caller spins too, and wants a core for itself."""
    if peer("pufferlib", REMEDY) is None:
        return []
    from pufferlib import vector

    cases = []
    for workers in (1, 2):
        rollout = PufferRollout(vector, actions, workers)
        stack.callback(rollout.close)
        cases.append(Case(f"PufferLib, workers: {workers}", rollout.run, rollout.open, rollout.close))
    return cases
