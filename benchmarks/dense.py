"""The matrix product under fully connected networks beside torch's, on one thread: millions of operations per second.

A fused multiply-add is two operations. Ours is repeated in C and torch's in Python, as either is used.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from benchmarks.harness import Case, Report, main, ratio
from reactvec.algorithms.kernels import dense

SHAPES = ((64, 64, 64), (256, 64, 64), (64, 256, 256))  # rows, inputs, outputs
OURS, TORCH = "reactvec", "torch.mm"
MILLION_OPERATIONS, QUICK_SHARE = 10_000, 10


def multiply_by_torch(a: torch.Tensor, b: torch.Tensor, c: torch.Tensor, repeats: int) -> None:
    for _ in range(repeats):
        torch.mm(a, b, out=c)


def case(name: str, multiply: Callable[[], None], millions: int) -> Case:
    """So many million operations; `multiply` does them."""

    def function() -> int:
        multiply()
        return millions

    return Case(name, function)


def measure_shape(report: Report, m: int, k: int, n: int) -> None:
    """One shape, in both."""
    a, b, c = (dense.aligned(rows * columns).reshape(rows, columns) for rows, columns in ((m, k), (k, n), (m, n)))
    random = np.random.default_rng(0)
    a[:], b[:] = random.normal(size=a.shape), random.normal(size=b.shape)
    millions = MILLION_OPERATIONS // (QUICK_SHARE if report.quick else 1)
    repeats = millions * 10**6 // (2 * m * k * n)
    ours = partial(dense.multiply, a, b, None, c, repeats=repeats)
    by_torch = partial(multiply_by_torch, torch.from_numpy(a), torch.from_numpy(b), torch.from_numpy(c), repeats)
    samples = report.measure([case(OURS, ours, millions), case(TORCH, by_torch, millions)])
    shape = f"{m} x {k} x {n}"
    report.table(f"product {shape}, {dense.variants()[0]}", samples, baseline=TORCH, steps="MFLOP")
    report.bar(f"product {shape}: x torch", ratio(samples[OURS], samples[TORCH]), at_least=1.0)


def run(report: Report) -> None:
    """All shapes."""
    torch.set_num_threads(1)
    for shape in SHAPES:
        measure_shape(report, *shape)


if __name__ == "__main__":
    main("dense", run)
