"""Cases in processes of their own, which live as long as their table: one set of threads and settings each.

The process is `python -m MODULE NAME`, whose main is `serve`. It waits, asleep, while the other cases have their turns.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType

from typing_extensions import Self

from benchmarks.harness import Case

ROOT = Path(__file__).resolve().parent.parent
ANSWER = "ANSWER "  # begins the lines that are for us; libraries may print others
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

Work = Callable[[int], int]
"""Does so many steps, or somewhat more; returns how many."""


class Apart:
    """A process that does work when asked, and says how long it took. A context manager, which ends it."""

    def __init__(
        self, module: str, name: str, environment: Mapping[str, str] = ONE_THREAD, python: str = sys.executable
    ) -> None:
        variables = os.environ | environment | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
        self.name, self.seconds = name, 0.0
        self.process = subprocess.Popen(
            [python, "-m", module, name],
            cwd=ROOT,
            env=variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, steps: int) -> int:
        """Have `steps` steps done; returns how many were. RuntimeError if the process has ended."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # the loop below says so
            print(steps, file=self.process.stdin, flush=True)
        for line in self.process.stdout:
            if line.startswith(ANSWER):
                done, self.seconds = json.loads(line.removeprefix(ANSWER))
                return int(done)
        raise RuntimeError(f"the process of {self.name!r} ended with {self.process.wait()}; its error is above")

    def case(self, steps: int) -> Case:
        """A repetition of so many steps, of which only the work in the process counts."""
        return Case(self.name, partial(self.run, steps), seconds=lambda: self.seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def serve(cases: Mapping[str, Callable[[], Work]]) -> None:
    """The process: make the case that the command line names, and do as many steps as each line of the input says."""
    work = cases[sys.argv[1]]()
    for line in sys.stdin:
        begin = time.perf_counter()
        done = work(int(line))
        print(ANSWER + json.dumps((done, time.perf_counter() - begin)), flush=True)
