"""DQN with default settings on CartPole-v1: the final greedy return of several seeds, 1,000 apart.

`--sb3` trains Stable-Baselines3's DQN with its zoo's settings for CartPole-v1 beside it. One evaluator judges both:
100 greedy episodes with the final weights, on environments and seeds that training has not seen.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for `python benchmarks/dqn_cartpole.py`

import gymnasium as gym
import numpy as np

import reactvec
from benchmarks.harness import (
    Report,
    print_machine,
    restart_with_clean_environment,
    spread,
)
from reactvec.algorithms import train_dqn
from reactvec.algorithms.draws import env_seeds
from reactvec.algorithms.evaluation import evaluate

ENV_ID = "CartPole-v1"
STEPS, QUICK_STEPS = 50_000, 2_000
SEEDS, QUICK_SEEDS = 10, 1
FIRST_SEED, SEED_STRIDE = 1_000, 1_000
EPISODES, EVALUATION_ENVS = 100, 20
SOLVED, LEAST_SOLVED = 475.0, 0.8
OURS, SB3 = "reactvec, default settings", "SB3, zoo settings"

# From rl-baselines3-zoo, hyperparams/dqn.yml.
ZOO_SETTINGS: dict[str, Any] = {
    "learning_rate": 2.3e-3,
    "batch_size": 64,
    "buffer_size": 100_000,
    "learning_starts": 1000,
    "gamma": 0.99,
    "target_update_interval": 10,
    "train_freq": 256,
    "gradient_steps": 128,
    "exploration_fraction": 0.16,
    "exploration_final_eps": 0.04,
    "policy_kwargs": {"net_arch": [256, 256]},
}

Choose = Callable[[Any], Any]


@dataclass(frozen=True)
class Outcome:
    """One training: the mean greedy return of its final weights, and how long it took."""

    seed: int
    episode_return: float
    seconds: float


def judge(choose: Choose, seed: int) -> float:
    """The evaluator of both sides."""
    bank = reactvec.make_env_bank([lambda: gym.make(ENV_ID)] * EVALUATION_ENVS)
    seeds = env_seeds(seed, EVALUATION_ENVS, evaluation=True)
    episodes = EPISODES // EVALUATION_ENVS
    return evaluate(bank, choose, episodes=episodes, seeds=seeds)["episode_return_mean"]


def train_ours(seed: int, steps: int) -> Choose:
    """Our DQN."""
    result = train_dqn(ENV_ID, steps, seed=seed, progress=False, evaluation_duration=1, evaluation_num_envs=1)
    return result.algorithm.predict


def train_sb3(seed: int, steps: int) -> Choose:
    """Stable-Baselines3's DQN, on one torch thread like ours."""
    import torch
    from stable_baselines3 import DQN

    torch.set_num_threads(1)
    model = DQN("MlpPolicy", gym.make(ENV_ID), seed=seed, device="cpu", **ZOO_SETTINGS)
    model.learn(steps)
    return lambda obs: model.predict(np.asarray(obs), deterministic=True)[0]


def outcomes(name: str, train: Callable[[int, int], Choose], seeds: Sequence[int], steps: int) -> list[Outcome]:
    """Train once per seed, judge each, print as it goes."""
    print(f"\n{name}, {steps:,} steps, {EPISODES} greedy episodes")
    found = []
    for seed in seeds:
        begin = time.perf_counter()
        choose = train(seed, steps)
        seconds = time.perf_counter() - begin
        found.append(Outcome(seed, judge(choose, seed), seconds))
        print(f"  seed {seed:>6}  return {found[-1].episode_return:>6.1f}  {seconds:>6.1f} s", flush=True)
    returns = spread([outcome.episode_return for outcome in found])
    times = spread([outcome.seconds for outcome in found])
    print(
        f"  median return {returns.median:.1f} (quartiles {returns.lower:.1f} to {returns.upper:.1f}, "
        f"least {returns.minimum:.1f}), median time {times.median:.1f} s"
    )
    return found


def main(arguments: Sequence[str] | None = None) -> Report:
    """Parse the command line, train, print the bar, write the report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip())
    parser.add_argument("--quick", action="store_true", help="one short run, to see that everything works")
    parser.add_argument("--repeats", type=int, help=f"seeds ({SEEDS}; {QUICK_SEEDS} when quick)")
    parser.add_argument("--steps", type=int, help=f"environment steps ({STEPS:,})")
    parser.add_argument("--sb3", action="store_true", help="train Stable-Baselines3's DQN too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there")
    options = parser.parse_args(arguments)
    restart_with_clean_environment()
    count = options.repeats or (QUICK_SEEDS if options.quick else SEEDS)
    steps = options.steps or (QUICK_STEPS if options.quick else STEPS)
    seeds = [FIRST_SEED + SEED_STRIDE * index for index in range(count)]
    report = Report("dqn_cartpole", options.quick, count)
    print(f"dqn_cartpole: {count} seeds, {SEED_STRIDE:,} apart")
    print_machine(report.machine)
    results = {OURS: outcomes(OURS, train_ours, seeds, steps)}
    if options.sb3:
        results[SB3] = outcomes(SB3, train_sb3, seeds, steps)
    print("\nbars")
    for name, found in results.items():
        solved = sum(outcome.episode_return >= SOLVED for outcome in found)
        if name == OURS:
            report.bar(f"DQN, seeds of {count} that reach {SOLVED:g}", solved, at_least=LEAST_SOLVED * count, unit="")
            print(f"  {report.bars[0]}")
        else:
            print(f"  {name}: {solved} of {count}")
    if options.json:
        trainings = {name: [vars(outcome) for outcome in found] for name, found in results.items()}
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps({**report.to_dict(), "trainings": trainings}, indent=1) + "\n")
    return report


if __name__ == "__main__":
    main()
