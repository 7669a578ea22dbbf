"""One measurement of one setting, in a process of its own that may crash or hang."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from gymnasium.vector import SyncVectorEnv

from reactvec.env_source import EnvSource
from reactvec.errand import Errand, ErrandCutShortError, Send
from reactvec.processes import ProcessOptions
from reactvec.rollout import Rollout, SerialRollout, VectorRollout, timed
from reactvec.vector_env import ReactorVectorEnv

START_S = 60.0  # how long making and resetting environments may take
STALL_S = 20.0  # and steps, beside the time that is measured and what a few of them are expected to take
SERIAL = "serial loop"
SYNC = "SyncVectorEnv"
REACTOR = "ReactorVectorEnv"


@dataclass(frozen=True)
class Setting:
    """A way to step environments: `kind` is SERIAL, SYNC, or REACTOR with keywords for it."""

    kind: str
    num_envs: int
    keywords: Mapping[str, Any] = field(default_factory=dict)

    def label(self) -> str:
        """The keywords as they are written, or the kind."""
        return ", ".join(f"{name}={value!r}".replace("'", '"') for name, value in self.keywords.items()) or self.kind

    def rows_per_worker(self) -> int:
        """How many environments are stepped one after another."""
        return -(-self.num_envs // int(self.keywords.get("num_workers", 1)))


@dataclass(frozen=True)
class Turn:
    """What was measured: steps, seconds, and the placement and number of workers that it ended up with."""

    steps: int
    seconds: float
    placement: str
    num_workers: int


class TrialFailedError(RuntimeError):
    """What was to be measured cannot be; the message says why."""


def trial(source: EnvSource, setting: Setting, seconds: float, expected_s: float = 0.0) -> Turn:
    """Measure a setting for so many seconds; a step of all its environments is expected to take `expected_s`.

    Raises:
        TrialFailedError: an exception, a crash or a hang of the environments, in words.
    """
    with failing("started"), trial_process(partial(_trial, source, setting, seconds)) as errand:
        errand.receive(START_S)
        with failing("stepped"):
            turn: Turn = errand.receive(2 * seconds + 4 * expected_s + STALL_S)
    return turn


def trial_process(function: Callable[[Send], None]) -> Errand:
    """Run a function in a fork of a process that has imported this module, and nothing of the environment."""
    multiprocessing.set_forkserver_preload([__name__])
    return Errand(partial(_as_here, default_start_method(), function), ProcessOptions("forkserver", daemon=False))


def default_start_method() -> str:
    """How processes start where nobody says how; asking multiprocessing itself alone would settle it for good."""
    return multiprocessing.get_start_method(allow_none=True) or multiprocessing.get_all_start_methods()[0]


def _as_here(start_method: str, function: Callable[[Send], None], send: Send) -> None:
    multiprocessing.set_start_method(start_method, force=True)  # not that of this process
    function(send)


@contextlib.contextmanager
def failing(did: str) -> Iterator[None]:
    """Whatever goes wrong in the block, while a process did this, is a TrialFailedError."""
    try:
        yield
    except TrialFailedError:
        raise
    except ErrandCutShortError as cut:
        raise TrialFailedError(_without_pids(f"the process {cut} while it {did}")) from None
    except (Exception, SystemExit) as error:
        raise TrialFailedError(_without_pids(f"{type(error).__name__}: {error}")) from error


def _without_pids(text: str) -> str:
    """So that settings which fail alike say the same."""
    return re.sub(r" \(process \d+\)", "", text)


def _trial(source: EnvSource, setting: Setting, seconds: float, send: Send) -> None:
    with open(os.devnull, "w") as nowhere:  # what environments print would be printed many times
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    env_fn = source.env_fn()
    env_fns = [env_fn] * setting.num_envs
    envs: Any = None
    if setting.kind == SERIAL:
        envs = env_fn()
    elif setting.kind == SYNC:
        envs = SyncVectorEnv(env_fns)
    else:
        envs = ReactorVectorEnv(env_fns, **setting.keywords)
    with contextlib.closing(envs):
        rollout: Rollout = (SerialRollout if setting.kind == SERIAL else VectorRollout)(envs)
        send(None)
        steps, took = timed(rollout, seconds)
        send(Turn(steps, took, getattr(envs, "placement", "inline"), getattr(envs, "num_workers", 1)))
