"""What PPO, DQN and SAC learn, beside Stable-Baselines3 with the same settings, judged by one evaluator.

Each training is a process of its own, on one torch thread, and leaves one file in the results' folder: what is there is
not trained again, so that this may be interrupted and goes on when it is called again. The rows stand in
learning_rows.py. `--report` judges what is there and writes docs/algorithms/learning.md and its curves.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # for `python benchmarks/learning.py`

from benchmarks import machine  # noqa: E402
from benchmarks.evaluator import EPISODES, SEEDS, evaluate, random_return  # noqa: E402
from benchmarks.harness import restart_with_clean_environment  # noqa: E402
from benchmarks.learning_report import report  # noqa: E402
from benchmarks.learning_results import BrokenResult, Result, Run, missing, write  # noqa: E402
from benchmarks.learning_rows import ROWS, Row, row_of  # noqa: E402
from benchmarks.learning_sides import TRAIN, CannotRun, check, settings_of, sides_of  # noqa: E402

RESULTS, QUICK_RESULTS = ROOT / "benchmarks" / "results" / "learning", ROOT / "runs" / "learning-quick"
PAGE = ROOT / "docs" / "algorithms" / "learning.md"
QUICK_STEPS, QUICK_SEEDS, QUICK_EPISODES = 1_000, 1, 4


def shortened(row: Row) -> Row:
    """A row that shows only whether everything works."""
    return replace(row, steps=QUICK_STEPS, seeds=QUICK_SEEDS)


def train(run: Run, folder: Path, episodes: int) -> None:
    """One training, in this process, to its file."""
    import torch

    torch.set_num_threads(1)
    begin = time.perf_counter()
    training = TRAIN[run.side](run.row, run.seed)
    seconds = time.perf_counter() - begin
    returns = evaluate(training.choose, run.row.make_env, SEEDS[:episodes])
    curve = [list(point) for point in training.curve]
    settings = settings_of(run.row, run.side)
    write(run, Result(run.row.steps, settings, returns, curve, seconds, machine.describe()), folder)


def possible(runs: Sequence[Run]) -> list[Run]:
    """The runs that can be done; the others are named, by row and side, with the reason."""
    found, named = [], set()
    for run in runs:
        try:
            check(run.row, run.side)
            found.append(run)
        except CannotRun as error:
            if (run.row.name, run.side) not in named:
                print(f"{run.row.name}, {run.side}: cannot run: {error}", flush=True)
            named.add((run.row.name, run.side))
    return found


def train_apart(run: Run, options: argparse.Namespace) -> bool:
    """One training in a process of its own; whether it came to its end. What went wrong is printed."""
    command = [sys.executable, "-m", "benchmarks.learning", "--train", run.side, run.row.name, str(run.seed)]
    command += ["--results", str(options.results), *(["--quick"] if options.quick else [])]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    scratch = ROOT / "runs"  # where MuJoCo may leave its log
    scratch.mkdir(exist_ok=True)
    begin = time.perf_counter()
    done = subprocess.run(command, cwd=scratch, env=environment, stderr=subprocess.PIPE, text=True, check=False)
    outcome = f"{time.perf_counter() - begin:,.0f} s"
    if done.returncode:
        outcome = f"FAILED\n{done.stderr.strip()[-2000:]}"
    print(f"{time.strftime('%H:%M:%S')}  {run}: {outcome}", flush=True)
    return not done.returncode


def train_all(runs: Sequence[Run], options: argparse.Namespace) -> bool:
    """Train what has no result yet; whether all could be."""
    todo = possible(missing(runs, options.results, episodes_of(options)))
    print(f"{len(todo)} trainings to be done, {len(runs)} wanted", flush=True)
    with ThreadPoolExecutor(options.jobs) as pool:
        return all(list(pool.map(partial(train_apart, options=options), todo)))


def episodes_of(options: argparse.Namespace) -> int:
    """Episodes of an evaluation."""
    return QUICK_EPISODES if options.quick else EPISODES


def runs_of(rows: Sequence[Row], only: str | None = None) -> list[Run]:
    """All trainings, or those of one side only, row by row, with the sides taking turns."""
    everything = [Run(side, row, seed) for row in rows for seed in row.all_seeds for side in sides_of(row)]
    return [run for run in everything if only in (None, run.side)]


def print_random(rows: Sequence[Row]) -> None:
    """What a random policy returns on each environment."""
    for env_id, row in {row.env_id: row for row in rows}.items():
        episodes = 1_000 if row.env_id.startswith("MinAtar") else EPISODES
        print(f"  {env_id:<20} {random_return(row.make_env, episodes):>10.1f}", flush=True)


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip())
    names = ", ".join(row.name for row in ROWS)
    parser.add_argument("--only", nargs="+", metavar="ROW", help=f"of {names}")
    parser.add_argument("--side", choices=list(TRAIN), help="one side alone")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time (1)")
    parser.add_argument(
        "--results", type=Path, metavar="FOLDER", help="benchmarks/results/learning; quick: runs/learning-quick"
    )
    parser.add_argument("--quick", action="store_true", help="1,000 steps and one seed, to see that everything works")
    parser.add_argument("--report", action="store_true", help="judge what is there and write the page, train nothing")
    parser.add_argument(
        "--page", type=Path, default=PAGE, metavar="FILE", help="docs/algorithms/learning.md by default"
    )
    parser.add_argument("--random", action="store_true", help="measure the returns of random policies, train nothing")
    parser.add_argument("--train", nargs=3, metavar=("SIDE", "ROW", "SEED"), help="one training in this process")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, or report."""
    options = parsed(arguments)
    restart_with_clean_environment()
    options.results = (options.results or (QUICK_RESULTS if options.quick else RESULTS)).resolve()
    rows = [row_of(name) for name in options.only] if options.only else list(ROWS)
    rows = [shortened(row) for row in rows] if options.quick else rows
    try:
        if options.train:
            side, name, seed = options.train
            row = shortened(row_of(name)) if options.quick else row_of(name)
            train(Run(side, row, int(seed)), options.results, episodes_of(options))
        elif options.random:
            print_random(rows)
        elif options.report:
            report(rows, options.results, episodes_of(options), options.page)
        else:
            return 0 if train_all(runs_of(rows, options.side), options) else 1
    except (BrokenResult, CannotRun) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
