"""A tuning in words: the table, what to watch out for, and lines of code to paste."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator

from reactvec.trial import REACTOR, Setting
from reactvec.tuning import Row, Tuning

UNEQUAL = 3.0  # times the median: a 99th percentile beyond it makes workers wait for each other
NOISY = 1.3  # times the lowest rate: a highest one beyond it, of half of the settings
BUSY_CORES = 1.3  # kept busy by one environment: it has threads of its own


def report(tuning: Tuning) -> str:
    """All of it."""
    notes = [f"- {remark}" for remark in remarks(tuning)]
    found = recommendation(tuning) or "No setting works."
    return "\n\n".join(["\n".join(part) for part in ([table(tuning)], notes, [found]) if part])


def table(tuning: Tuning) -> str:
    """What one environment costs, a line per setting, and why some have no figure."""
    times, serial = tuning.profile.times, tuning.serial
    lines = [f"{tuning.source.target} on {_several(tuning.cores, 'usable core')}"]
    if times is not None:
        lines.append(
            f"one environment: {times.mean_us:,.1f} us per step on average, median {times.median_us:,.1f}, "
            f"99th percentile {times.p99_us:,.1f}"
        )
    width = max(len(row.setting.label()) for row in tuning.rows)
    failures = list(dict.fromkeys(row.failure for row in tuning.rows if row.failure))
    lines += ["", f"{'envs':>6}  {'setting':<{width}} {'steps/s':>11} {'lowest to highest':>24} {'x serial':>9}"]
    for row in tuning.rows:
        ends = f"{f'[{failures.index(row.failure) + 1}]':>11}" if row.failure else _figures(row, serial)
        lines.append(f"{row.setting.num_envs:>6}  {row.setting.label():<{width}} {ends}")
    notes = [f"[{number}] {_shortened(failure)}" for number, failure in enumerate(failures, 1)]
    return "\n".join([*lines, *([""] if notes else []), *notes])


def _figures(row: Row, serial: Row) -> str:
    times = f"{row.times(serial):,.2f}" if serial.rate else ""
    spread = f"{min(row.rates):,.0f} to {max(row.rates):,.0f}"
    return f"{row.rate:>11,.0f} {spread:>24} {times:>9}{'  <- auto' if row.auto else ''}"


def remarks(tuning: Tuning) -> Iterator[str]:
    """What decides about the figures, or spoils them."""
    times, cores, machine = tuning.profile.times, tuning.cores, os.cpu_count() or 1
    if times is None:
        yield f"steps of one environment failed: {_shortened(tuning.profile.failure)}"
    elif times.p99_us > UNEQUAL * times.median_us:
        yield "steps are unequal, and workers wait for the slowest: several environments per worker even that out"
    if times is not None and times.cores > BUSY_CORES:
        yield (
            f"one environment keeps {times.cores:.1f} cores busy: its threads are in the way of workers; "
            "try OMP_NUM_THREADS=1, or torch.set_num_threads(1) in it"
        )
    spreads = [max(row.rates) / min(row.rates) for row in tuning.rows if row.rate]
    if spreads and statistics.median(spreads) > NOISY:
        yield "the turns differ much: the machine does other work; measure again when it is quiet, or with --seconds 1"
    if tuning.fastest and tuning.fastest.rate < tuning.serial.rate:
        yield "no vector environment is faster than a plain loop; it saves calls of a policy, not of the environment"
    if cores < machine:
        yield f"this process may use {cores} of {machine} cores; libraries that count all start too many threads"
    if cores == 1:
        yield "on one core worker processes isolate environments, and make nothing faster"
    if tuning.profile.context != "fork":
        yield f'worker processes start by "{tuning.profile.context}": guard a script by `if __name__ == "__main__":`'


def recommendation(tuning: Tuning) -> str:
    """The fastest setting, and that for environments which may crash or hang, as code with the figure."""
    return "\n".join(
        f"{what}, {row.rate:,.0f} steps/s:\n    {code(row.setting, tuning.profile.code)}"
        for what, row in (("Fastest", tuning.fastest), ("Where an environment may crash or hang", tuning.safest))
        if row is not None
    )


def code(setting: Setting, env_fn: str) -> str:
    """The expression that makes this vector environment."""
    words = "" if setting.kind != REACTOR or not setting.keywords else f", {setting.label()}"
    name = setting.kind if setting.kind == REACTOR else f"gym.vector.{setting.kind}"
    return f"{name}([{env_fn}] * {setting.num_envs}{words})"


def _several(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _shortened(text: str, most: int = 240) -> str:
    """The first line, or what of it is enough."""
    line = text.strip().partition("\n")[0]
    return line if len(line) <= most else line[: most - 3] + "..."
