"""How long PPO takes to a greedy return of 475 on CartPole-v1: the clock of one training, in a process of its own.

    python -m benchmarks.time_to_return SIDE SEED STARTED [LIMIT]

trains with the settings of the row ppo/CartPole-v1 of learning_rows.py until, looked at every 2,048 environment steps,
the mean greedy return on 20 fixed seeds is 475 and that on 100 fresh ones is, too. Evaluations count. Both sides are
evaluated by the same function, ours, on native environments. Prints one line of JSON: see Reached. STARTED is the time
(Unix) at which the process was started.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.apart import ANSWER, ONE_THREAD, ROOT
from benchmarks.learning_rows import ours, row_of
from benchmarks.learning_sides import OURS, sb3_model

ROW = row_of("ppo/CartPole-v1")
WANTED, PERIOD = 475.0, 2_048
CHECKED, CONFIRMED = 20, 100
FIRST_CHECKED, FIRST_CONFIRMED = 3_000_001, 4_000_001  # no training's seeds


@dataclass(frozen=True)
class Reached:
    """When the return was reached: after so many steps; seconds from the call that begins the training, and from the
    start of the process. `steps` is None where it was not until the end of the training.
    """

    steps: int | None
    seconds: float
    from_process_start: float


class Goal:
    """Looks at a policy every PERIOD steps."""

    def __init__(self, choose: Callable[[Any], Any]) -> None:
        self.choose, self.looks, self.confirmations = choose, 0, 0

    def reached(self, steps: int) -> bool:
        """Whether the policy, after so many steps, has the return that is wanted; looks only where it is time to."""
        if steps // PERIOD == self.looks:
            return False
        self.looks = steps // PERIOD
        if self.mean(CHECKED, FIRST_CHECKED) < WANTED:
            return False
        self.confirmations += 1
        return self.mean(CONFIRMED, FIRST_CONFIRMED + 1_000 * self.confirmations) >= WANTED

    def mean(self, episodes: int, first_seed: int) -> float:
        """The mean return of greedy episodes, one per environment."""
        from reactvec import make_env_bank
        from reactvec.algorithms.evaluation import evaluate

        bank = make_env_bank([ROW.make_env] * episodes)
        seeds = [first_seed + 2 * episode for episode in range(episodes)]
        return evaluate(bank, self.choose, episodes=1, seeds=seeds)["episode_return_mean"]


def train_ours(seed: int, limit: int) -> int | None:
    """Steps to the goal: what `train_ppo` does, and looking in between."""
    from reactvec.algorithms import PPOConfig

    config = PPOConfig(env=ROW.env_id, seed=seed, total_timesteps=ROW.steps, **ours(ROW))
    with config.build_algo() as algorithm:
        goal = Goal(algorithm.predict)
        while (done := algorithm.progress.steps) < limit:
            algorithm.train_steps(PERIOD - done % PERIOD)
            if goal.reached(algorithm.progress.steps):
                return algorithm.progress.steps
    return None


def train_sb3(seed: int, limit: int) -> int | None:
    """Steps to the goal: SB3 is looked at when the next rollout begins, after learning from the last."""
    from stable_baselines3.common.callbacks import BaseCallback

    model, choose = sb3_model(ROW, seed)
    goal = Goal(choose)
    found: list[int] = []

    class Look(BaseCallback):
        def _on_rollout_start(self) -> None:
            if not found and goal.reached(self.num_timesteps):
                found.append(self.num_timesteps)

        def _on_step(self) -> bool:
            return not found and self.num_timesteps <= limit

    model.learn(ROW.steps, callback=Look())
    return found[0] if found else None


def clocked(side: str, seed: int, started: float, limit: int) -> Reached:
    """One training, in this process. What it needs is imported before the call."""
    importlib.import_module("reactvec.algorithms.ppo")  # of which both sides need the evaluator
    if side != OURS:
        importlib.import_module("stable_baselines3")
    importlib.import_module("torch").set_num_threads(1)
    begin = time.perf_counter()
    steps = (train_ours if side == OURS else train_sb3)(seed, limit)
    return Reached(steps, time.perf_counter() - begin, time.time() - started)


def measured(side: str, seed: int, limit: int = ROW.steps) -> Reached:
    """One training in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.time_to_return", side, str(seed), str(time.time()), str(limit)]
    variables = os.environ | ONE_THREAD | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, text=True, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith(ANSWER))
    return Reached(**json.loads(line.removeprefix(ANSWER)))


if __name__ == "__main__":
    side, seed, started, limit = sys.argv[1:]
    print(ANSWER + json.dumps(asdict(clocked(side, int(seed), float(started), int(limit)))))
