"""What kernels of policies share."""

from reactvec.algorithms.kernels.acting import MOST_WORKERS, area
from reactvec.partition import ranges


def test_no_two_workers_have_one_area():
    for rows in range(1, 3000):
        areas = [area(rows, lo) for lo in range(rows)]
        assert 0 == areas[0] <= areas[-1] < 2 * MOST_WORKERS
        for workers in range(1, min(rows, MOST_WORKERS) + 1):
            begins = [lo for lo, hi in ranges(rows, workers) if lo < hi]
            assert len({areas[lo] for lo in begins}) == workers, (rows, workers)
