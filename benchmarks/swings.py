"""How the greedy return of DQN swings while it learns, ours beside Stable-Baselines3's.

The benchmark of learning judges final weights, and these are one of many that a training passes through. Here the same
settings are trained with other seeds, and some twenty times in the last two fifths 20 episodes are evaluated by the
same evaluator, so that one number per training says how it acts in all that time. Each training leaves a file in the
results' folder, and what is there is not trained again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.evaluator import ENVS, SEEDS, Choose, evaluate
from benchmarks.harness import restart_with_clean_environment
from benchmarks.iqm import difference
from benchmarks.learning_report import shown
from benchmarks.learning_results import BrokenResult, Run, write_json
from benchmarks.learning_rows import Row, row_of
from benchmarks.learning_sides import OURS, SB3, our_algorithm, sb3_model
from benchmarks.page import rewrite

ROOT = Path(__file__).resolve().parent
RESULTS, PAGE = ROOT / "results" / "swings", ROOT.parent / "docs" / "algorithms" / "learning.md"
COMMAND = "python -m benchmarks.swings --report"

Look = tuple[int, float]


@dataclass(frozen=True)
class Swings:
    """A row that is looked at: in how many trainings, how often, and below what a return is low."""

    row: Row
    trainings: int
    every: int
    low: float

    @property
    def seeds(self) -> list[int]:
        """None that the row itself has."""
        return [41_000 + 1_000 * number for number in range(self.trainings)]

    @property
    def looks(self) -> list[int]:
        """The environment steps after which is evaluated, but for the last, the end."""
        return list(range(-(-self.row.steps * 3 // 5 // self.every) * self.every, self.row.steps, self.every))


ALL = (Swings(row_of("dqn/CartPole-v1"), 30, 1_024, 200.0), Swings(row_of("dqn/LunarLander-v3"), 20, 2_000, 0.0))


def look(row: Row, steps: int, choose: Choose) -> Look:
    """The mean greedy return after that many steps."""
    return steps, float(np.mean(evaluate(choose, row.make_env, SEEDS[:ENVS])))


def train_ours(swings: Swings, seed: int) -> list[Look]:
    """Ours."""
    found, done, row = [], 0, swings.row
    with our_algorithm(row, seed) as algorithm:
        for steps in (*swings.looks, row.steps):
            algorithm.train_steps(steps - done)
            done = steps
            found.append(look(row, steps, algorithm.predict))
    return found


def train_sb3(swings: Swings, seed: int) -> list[Look]:
    """Stable-Baselines3's, which ends with a whole round."""
    from stable_baselines3.common.callbacks import BaseCallback

    row, due = swings.row, set(swings.looks)
    model, choose = sb3_model(row, seed)
    found: list[Look] = []

    class Looks(BaseCallback):
        def _on_step(self) -> bool:
            return True

        def _on_rollout_start(self) -> None:
            if self.num_timesteps in due:
                found.append(look(row, self.num_timesteps, choose))

    model.learn(row.steps, callback=Looks())
    model.env.close()
    return [*found, look(row, model.num_timesteps, choose)]


TRAIN: dict[str, Callable[[Swings, int], list[Look]]] = {OURS: train_ours, SB3: train_sb3}


def read(run: Run, folder: Path) -> list[float] | None:
    """The returns of a training, None if there are none yet; BrokenResult if they are none, or of other settings."""
    target = run.file(folder)
    if not target.exists():
        return None
    try:
        held = json.loads(target.read_text())
        settings, returns = held["settings"], [float(value) for _, value in held["looks"]]
    except (ValueError, TypeError, KeyError) as error:
        raise BrokenResult(f"{target} is broken ({error!r}); delete it to train again") from None
    if settings != run.settings:
        raise BrokenResult(f"{target} is of other settings than the row's now; delete it to train again")
    return returns


def returns_of(swings: Swings, side: str, folder: Path) -> npt.NDArray[np.float64]:
    """What there is of a side, `[trainings, looks]`."""
    found = (read(Run(side, swings.row, seed), folder) for seed in swings.seeds)
    return np.array([returns for returns in found if returns is not None])


def lines_of(folder: Path) -> list[str]:
    """The results as Markdown, of the rows that have some of both sides."""
    lines = [
        "| row | | trainings | mean return (standard error) | low looks | low last looks "
        "| IQM of the means, ours - SB3, normalised (95 %) |",
        "|---|---|---:|---:|---:|---:|---|",
    ]
    for swings in ALL:
        sides = {side: returns_of(swings, side, folder) for side in (OURS, SB3)}
        if any(not len(returns) for returns in sides.values()):
            continue
        ours, theirs = ([swings.row.normalized(mean) for mean in returns.mean(1)] for returns in sides.values())
        verdicts = (shown(difference([ours], [theirs])), "")
        for (side, returns), verdict in zip(sides.items(), verdicts, strict=True):
            lines.append(f"| {swings.row.name} | {side} | {_cells(returns, swings.low)} | {verdict} |")
    return lines


def _cells(returns: npt.NDArray[np.float64], low: float) -> str:
    means = returns.mean(1)
    error = means.std(ddof=1) / np.sqrt(len(means)) if len(means) > 1 else np.nan
    below = f"below {low:.0f}: "
    return (
        f"{len(means)} | {means.mean():.0f} ({error:.0f}) | {below}{(returns < low).mean():.0%} "
        f"| {below}{(returns[:, -1] < low).mean():.0%}"
    )


def report(folder: Path, page: Path) -> None:
    """Print the results, and write them into the page."""
    lines = lines_of(folder)
    if len(lines) == 2:
        raise SystemExit(f"no row has results of both sides in {folder}: train first")
    print("\n".join(lines))
    rewrite(page, COMMAND, lines)


def train(swings: Swings, sides: Sequence[str], seeds: Sequence[int], folder: Path) -> None:
    """Train what is missing."""
    for run in (Run(side, swings.row, seed) for seed in seeds for side in sides):
        if read(run, folder) is None:
            found = TRAIN[run.side](swings, run.seed)
            write_json(run.file(folder), {"settings": run.settings, "looks": found})
            print(f"{run}: {found}", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing, or report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip())
    parser.add_argument("--only", choices=[swings.row.name for swings in ALL], help="one row alone")
    parser.add_argument("--side", choices=list(TRAIN), help="one side alone")
    parser.add_argument("--seeds", type=int, nargs="+", metavar="SEED", help="some of the seeds")
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
    for swings in ALL:
        if options.only in (None, swings.row.name):
            sides = [options.side] if options.side else list(TRAIN)
            train(swings, sides, options.seeds or swings.seeds, options.results)


if __name__ == "__main__":
    main()
