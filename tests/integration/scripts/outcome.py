"""What a training script prints: one JSON line, by which two runs can be compared."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

SHORTER = 1 if os.environ.get("REACTVEC_ALL_SCRIPTS") else 4
"""By how much trainings are shorter than those of `make test-integration`."""


@dataclass
class Outcome:
    """How many environment steps a training took, in how long, and what came out: NumPy arrays, and a mean return."""

    steps: int
    seconds: float
    weights: Sequence[Any]
    mean_return: float

    def line(self) -> str:
        digest = hashlib.sha256(b"".join(part.tobytes() for part in self.weights)).hexdigest()
        return json.dumps(
            {"steps_per_s": self.steps / self.seconds, "weights": digest, "mean_return": float(self.mean_return)}
        )


def main(train: Callable[[str], Outcome], vec_envs: Iterable[str]) -> None:
    """Train with the vector environment that the command line names, and print what came out."""
    parser = argparse.ArgumentParser()
    parser.add_argument("vec_env", choices=list(vec_envs))
    print(train(parser.parse_args().vec_env).line())
