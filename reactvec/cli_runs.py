"""`reactvec eval` and `reactvec plot`: what runs have learned, and how."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from reactvec.algorithms.checks import ConfigError


def evaluate(flags: Sequence[str]) -> int:
    """`reactvec eval`."""
    parser = argparse.ArgumentParser("reactvec eval", description="Evaluate the agent that a checkpoint holds.")
    parser.add_argument("run", type=Path, help="a checkpoint, or a folder of which the newest is taken")
    parser.add_argument("--episodes", type=int, help="how many (100; 1 with --render or --video)")
    parser.add_argument("--env", help="what to evaluate on, where the checkpoint cannot say, or another")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--render", action="store_true", help="show them in a window")
    shown.add_argument("--video", type=Path, metavar="FOLDER", help="record them there")
    options = parser.parse_args(flags)
    if options.episodes is not None and options.episodes < 1:
        raise ConfigError(f"--episodes {options.episodes}: give 1 or more")
    from reactvec.algorithms.showing import load, measure, show

    with load(options.run, options.env) as algorithm:
        if options.render or options.video is not None:
            for total, length in show(algorithm, options.episodes or 1, options.video):
                print(f"return {total:.1f} in {length} steps")
        else:
            print(json.dumps(measure(algorithm, options.episodes or 100), indent=2))
    return 0


def plot(flags: Sequence[str]) -> int:
    """`reactvec plot`."""
    parser = argparse.ArgumentParser(
        "reactvec plot", description="Draw the returns of runs over their steps; of several seeds, mean and deviation."
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="a --log-dir, of one run or of several seeds")
    parser.add_argument("--out", type=Path, default=Path("returns.png"), metavar="PNG", help="(%(default)s)")
    parser.add_argument("--metric", default="env_runners/episode_return_mean", help="a column (%(default)s)")
    options = parser.parse_args(flags)
    from reactvec.algorithms.plotting import draw

    draw(options.runs, options.out, options.metric)
    print(f"drawn to {options.out}")
    return 0
