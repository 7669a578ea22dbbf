"""How the greedy return of DQN on CartPole-v1 swings while it learns, ours beside Stable-Baselines3's.

The benchmark of learning judges final weights, and these are one of many that a training passes through. Here the same
settings are trained with other seeds, and after every fourth round of learning in the last two fifths 20 episodes are
evaluated by the same evaluator, so that one number per training says how it acts in all that time. Each training leaves
a file in the results' folder, and what is there is not trained again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.evaluator import ENVS, SEEDS, Choose, evaluate
from benchmarks.harness import restart_with_clean_environment
from benchmarks.iqm import difference
from benchmarks.learning_report import shown
from benchmarks.learning_results import write_json
from benchmarks.learning_rows import Row, row_of
from benchmarks.learning_sides import OURS, SB3, our_algorithm, sb3_model
from benchmarks.page import rewrite

ROOT = Path(__file__).resolve().parent
RESULTS, PAGE = ROOT / "results" / "swings", ROOT.parent / "docs" / "algorithms" / "learning.md"
COMMAND = "python -m benchmarks.swings --report"
ROW = row_of("dqn/CartPole-v1")
# From 41,000 on: none that the row itself has.
TRAININGS = [1_000 * number for number in range(41, 71)]
EVERY = 4 * ROW.settings["train_freq"]
LOW = 200.0

Look = tuple[int, float]


def looks(row: Row) -> list[int]:
    """The environment steps after which is evaluated, but for the last, the end."""
    return list(range(-(-row.steps * 3 // 5 // EVERY) * EVERY, row.steps, EVERY))


def look(row: Row, steps: int, choose: Choose) -> Look:
    """The mean greedy return after that many steps."""
    return steps, float(np.mean(evaluate(choose, row.make_env, SEEDS[:ENVS])))


def train_ours(row: Row, seed: int) -> list[Look]:
    """Ours."""
    found, done = [], 0
    with our_algorithm(row, seed) as algorithm:
        for steps in (*looks(row), row.steps):
            algorithm.train_steps(steps - done)
            done = steps
            found.append(look(row, steps, algorithm.predict))
    return found


def train_sb3(row: Row, seed: int) -> list[Look]:
    """Stable-Baselines3's, which ends with a whole round."""
    from stable_baselines3.common.callbacks import BaseCallback

    model, choose = sb3_model(row, seed)
    found: list[Look] = []

    class Looks(BaseCallback):
        def _on_step(self) -> bool:
            return True

        def _on_rollout_start(self) -> None:
            if self.num_timesteps in looks(row):
                found.append(look(row, self.num_timesteps, choose))

    model.learn(row.steps, callback=Looks())
    model.env.close()
    return [*found, look(row, model.num_timesteps, choose)]


TRAIN: Mapping[str, Callable[[Row, int], list[Look]]] = {OURS: train_ours, SB3: train_sb3}


def returns_of(folder: Path, side: str) -> npt.NDArray[np.float64]:
    """What there is of a side, `[trainings, looks]`."""
    files = (folder / side / f"seed-{seed}.json" for seed in TRAININGS)
    return np.array([[value for _, value in json.loads(file.read_text())] for file in files if file.exists()])


def lines_of(folder: Path, row: Row = ROW) -> list[str]:
    """The results as Markdown."""
    sides = {side: returns_of(folder, side) for side in (OURS, SB3)}
    lines = [
        f"| | trainings | mean return (standard error) | looks below {LOW:.0f} | last looks below {LOW:.0f} |",
        "|---|---:|---:|---:|---:|",
    ]
    for side, returns in sides.items():
        means = returns.mean(1)
        error = means.std(ddof=1) / np.sqrt(len(means)) if len(means) > 1 else np.nan
        low, last = (returns < LOW).mean(), (returns[:, -1] < LOW).mean()
        lines.append(f"| {side} | {len(means)} | {means.mean():.0f} ({error:.0f}) | {low:.0%} | {last:.0%} |")
    ours, theirs = ([row.normalized(mean) for mean in returns.mean(1)] for returns in sides.values())
    return [*lines, "", f"IQM of the means, ours - SB3, normalised (95 %): {shown(difference([ours], [theirs]))}."]


def report(folder: Path, page: Path) -> None:
    """Print the results, and write them into the page."""
    if missing := [side for side in TRAIN if not len(returns_of(folder, side))]:
        raise SystemExit(f"nothing of {' and '.join(missing)} in {folder}: train first")
    lines = lines_of(folder)
    print("\n".join(lines))
    rewrite(page, COMMAND, lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing, or report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip())
    parser.add_argument("--side", choices=list(TRAIN), help="one side alone")
    parser.add_argument("--seeds", type=int, nargs="+", default=TRAININGS, metavar="SEED", help="some of the seeds")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER", help="benchmarks/results/swings")
    parser.add_argument("--report", action="store_true", help="judge what is there and write the page, train nothing")
    parser.add_argument("--page", type=Path, default=PAGE, metavar="FILE", help="docs/algorithms/learning.md")
    options = parser.parse_args(arguments)
    restart_with_clean_environment()
    if options.report:
        report(options.results, options.page)
        return
    import torch

    torch.set_num_threads(1)
    for seed in options.seeds:
        for side in [options.side] if options.side else TRAIN:
            target = options.results / side / f"seed-{seed}.json"
            if not target.exists():
                write_json(target, TRAIN[side](ROW, seed))
                print(f"{side}, seed {seed}: {target.read_text().strip()}", flush=True)


if __name__ == "__main__":
    main()
