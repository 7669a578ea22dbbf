"""Which vector environment is the fastest for an environment, on this machine: sensible settings, measured in turns."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from reactvec.env_profile import EnvProfile, profile_env
from reactvec.env_source import EnvSource
from reactvec.placement import gil_enabled, resolve_placement, usable_cores
from reactvec.trial import REACTOR, SERIAL, SYNC, Setting, TrialFailedError, Turn, trial

TURNS = 3
SECONDS = 0.15
LEAST_AUTO_S = 0.2  # in which "auto" has found out whether steps are too short to share
LIMIT_S = 120.0  # when it is over no other measurement begins
SLOWEST_STEP_S = 10.0  # a step of all environments that takes longer is not tried
Progress = Callable[[str], None]


class TuningError(RuntimeError):
    """Nothing can be measured at all; the message says why."""


@dataclass
class Row:
    """A setting and its steps per second in each turn, or why there are none; `auto` marks what "auto" chooses."""

    setting: Setting
    rates: list[float] = field(default_factory=list)
    failure: str = ""
    auto: bool = False

    @property
    def rate(self) -> float:
        """The median of the steps per second; 0 of a setting that failed."""
        return statistics.median(self.rates) if self.rates and not self.failure else 0.0

    def times(self, baseline: Row) -> float:
        """How many times as fast as `baseline`: the median of the ratios within the turns, which what drifts spares."""
        return statistics.median(ours / theirs for ours, theirs in zip(self.rates, baseline.rates, strict=False))


@dataclass
class Tuning:
    """What was measured of an environment, on so many usable cores."""

    source: EnvSource
    cores: int
    profile: EnvProfile
    rows: list[Row]

    @property
    def serial(self) -> Row:
        """The plain loop over one environment."""
        return next(row for row in self.rows if row.setting.kind == SERIAL)

    @property
    def fastest(self) -> Row | None:
        """The vector environment with the most steps per second; None where all failed."""
        return _best(row for row in self.rows if row.setting.kind != SERIAL)

    @property
    def safest(self) -> Row | None:
        """The same of those that survive a crash or a hang of an environment."""
        return _best(row for row in self.rows if row.setting.keywords.get("isolated"))

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON values; `fastest` and `safest` are indices of rows."""
        rows = [{**asdict(row), "label": row.setting.label(), "rate": row.rate} for row in self.rows]
        best = {
            name: row and self.rows.index(row) for name, row in (("fastest", self.fastest), ("safest", self.safest))
        }
        return {**asdict(self), "rows": rows, **best}


def tune(
    source: EnvSource,
    num_envs: Sequence[int] = (),
    seconds: float = SECONDS,
    progress: Progress = lambda words: None,
) -> Tuning:
    """Measure settings with so many environments (by default one per core, 8, 32), each for `seconds` in every turn.

    `progress` is called with what is measured next. Every measurement runs in processes of its own.

    Raises:
        TuningError: the environment cannot be made, or there can be no processes.
    """
    began, cores = time.monotonic(), usable_cores()
    progress("one environment")
    profile = _profile(source, seconds)
    rows = [Row(setting) for setting in settings(sorted(set(num_envs or (cores, 8, 32))), cores, profile)]
    tuning = Tuning(source, cores, profile, rows)
    for turn in range(TURNS):
        first = turn * len(rows) // TURNS  # what drifts on the machine meets all
        for row in rows[first:] + rows[:first]:
            progress(f"turn {turn + 1} of {TURNS}: {row.setting.num_envs} x {row.setting.label()}")
            _measure(tuning, row, seconds, time.monotonic() - began > LIMIT_S)
        rows[:] = _sensible(rows)
        if turn == 0:
            _mark_auto(tuning, max(seconds, LEAST_AUTO_S))
        if (time.monotonic() - began) * (turn + 2) / (turn + 1) > LIMIT_S:
            break
    return tuning


def settings(num_envs: Iterable[int], cores: int, profile: EnvProfile) -> list[Setting]:
    """What is worth a measurement, with a serial loop and SyncVectorEnv to compare with."""
    python = {"native": False} if profile.native else {}
    found = [Setting(SERIAL, 1)]
    for number in num_envs:
        most = min(cores, number)
        workers = sorted({*(2**power for power in range(1, most.bit_length())), most} - {1})
        keywords: list[dict[str, Any]] = [{"native": True}] if profile.native else []
        keywords.append({"placement": "inline", **python})
        keywords += [{"placement": "threads", "num_workers": most, **python}] if most > 1 else []
        keywords += [{"placement": "processes", "num_workers": count} for count in workers]
        keywords.append({"isolated": True, "num_workers": most})
        found += [Setting(SYNC, number), *(Setting(REACTOR, number, words | needed(profile)) for words in keywords)]
    return found


def needed(profile: EnvProfile) -> dict[str, Any]:
    """The keywords without which ReactorVectorEnv refuses such environments."""
    return {} if profile.shareable else {"shared_memory": False}


def _profile(source: EnvSource, seconds: float) -> EnvProfile:
    try:
        resolve_placement("processes", 1, 1, native=False)
    except ValueError as error:
        raise TuningError(str(error)) from None
    try:
        return profile_env(source, seconds)
    except TrialFailedError as error:
        raise TuningError(f"{source.target} cannot be made: {error}") from error


def _measure(tuning: Tuning, row: Row, seconds: float, late: bool) -> None:
    """Add a turn to a row, or why there is none."""
    expected_s = _expected_s(tuning, row.setting)
    if row.failure or (late and row.rates):
        return
    if late:
        row.failure = f"left out: {LIMIT_S:.0f} s are over"
    elif expected_s > SLOWEST_STEP_S:
        row.failure = f"left out: a step of all would take about {expected_s:.0f} s"
    else:
        try:
            turn = trial(tuning.source, row.setting, seconds, expected_s)
            row.rates.append(turn.steps / turn.seconds)
        except TrialFailedError as error:
            row.failure = str(error)


def _expected_s(tuning: Tuning, setting: Setting) -> float:
    times = tuning.profile.times
    return 0.0 if times is None else times.mean_us / 1e6 * setting.rows_per_worker()


def _sensible(rows: Sequence[Row]) -> list[Row]:
    """Without threads that the GIL keeps from being faster than the caller alone."""
    if not gil_enabled():
        return list(rows)
    inline = {row.setting.num_envs: row.rate for row in rows if row.setting.keywords.get("placement") == "inline"}
    return [
        row
        for row in rows
        if row.setting.keywords.get("placement") != "threads" or row.rate > inline[row.setting.num_envs]
    ]


def _mark_auto(tuning: Tuning, seconds: float) -> None:
    """Mark what "auto" comes to: the kernel where there is one, else what it shows when it runs."""
    if tuning.profile.native:
        for row in tuning.rows:
            row.auto = row.setting.keywords.get("native") is True
        return
    for number in sorted({row.setting.num_envs for row in tuning.rows if row.setting.kind == REACTOR}):
        setting = Setting(REACTOR, number, needed(tuning.profile))
        rows = [row for row in tuning.rows if row.setting.num_envs == number and row.rate]
        if any(row.setting.kind == REACTOR for row in rows):
            with contextlib.suppress(TrialFailedError):
                chosen = trial(tuning.source, setting, seconds, _expected_s(tuning, setting))
                for row in rows:
                    row.auto = _is(row.setting, chosen)


def _is(setting: Setting, chosen: Turn) -> bool:
    """Whether a setting is what "auto" came to."""
    words = setting.keywords
    return (words.get("placement"), words.get("num_workers", 1)) == (chosen.placement, chosen.num_workers)


def _best(rows: Iterable[Row]) -> Row | None:
    return max((row for row in rows if row.rate), key=lambda row: row.rate, default=None)
