"""Priorities with their sum, so that one can be drawn in proportion (Schaul et al. 2016, appendix B.2.1)."""

import numpy as np
import numpy.typing as npt

class SumTree:
    """`capacity` priorities in float64, all 0 at first; an update or a search takes log2(capacity) steps.

    All bits are a function of the priorities, whatever the updates that led to them.
    """

    capacity: int
    priorities: npt.NDArray[np.float64]
    """`[capacity]`: the priorities, live and read-only."""

    def __init__(self, capacity: int) -> None: ...
    @property
    def total(self) -> float:
        """The sum of all priorities."""

    @property
    def minimum(self) -> float:
        """The smallest priority above 0; infinite where there is none."""

    def update(self, indices: npt.NDArray[np.int64], priorities: npt.NDArray[np.float64]) -> None:
        """Set priorities, both `[n]`; of an index that occurs more than once the last one counts.

        Raises:
            ValueError: an index is not in [0, capacity), or a priority is negative or not finite; nothing is changed.
        """

    def find(self, prefix_sums: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """For each sum `[n]` in [0, total) the index i with sum(priorities[:i]) <= it < sum(priorities[:i + 1]), up to
        rounding; never one whose priority is 0.

        Raises:
            ValueError: all priorities are 0.
        """
