"""Priorities of transitions: which of them are drawn how often, and what that does to their weight."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ._sum_tree import SumTree

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]


class Priorities:
    """Proportional prioritisation (Schaul et al. 2016, section 3.3): place i of a ring is drawn with probability
    `p[i] ** alpha / sum(p ** alpha)`.

    `p` is the last TD error, `abs(error) + epsilon`; what has none yet has the largest that there was so far,
    1 at first. Places without a transition have none and are never drawn.
    """

    def __init__(self, size: int, alpha: float, epsilon: float) -> None:
        self.alpha, self.epsilon = alpha, epsilon
        self.largest = 1.0
        self.tree = SumTree(size)

    def replace(self, added: Places, dropped: Places) -> None:
        """Give `added` places the largest priority, and `dropped` ones none."""
        priorities = np.zeros(len(dropped) + len(added))
        priorities[len(dropped) :] = self.largest**self.alpha
        self.tree.update(np.concatenate([dropped, added]), priorities)

    def draw(self, luck: Floats) -> Places:
        """Places for draws `[..., n]` uniform in [0, 1): draw k of a row lies in the k-th of n equal parts of the
        total (stratified; appendix B.2.1).
        """
        strata = (np.arange(luck.shape[-1]) + luck) * (self.tree.total / luck.shape[-1])
        return self.tree.find(strata.reshape(-1)).reshape(luck.shape)

    def weights(self, places: Places, beta: float) -> npt.NDArray[np.float32]:
        """Importance of `places` `[...]`: `(N * P(i)) ** -beta` over the largest of all places (section 3.4)."""
        scaled: npt.NDArray[np.float64] = self.tree.minimum / self.tree.priorities[places]
        return (scaled**beta).astype(np.float32)

    def learn(self, places: Places, errors: npt.NDArray[Any]) -> None:
        """Take over TD errors of `places`, both `[...]`; of a place that was drawn twice the last one counts."""
        priorities = np.abs(errors.reshape(-1), dtype=np.float64) + self.epsilon
        if len(priorities):
            self.largest = max(self.largest, float(priorities.max()))
            self.tree.update(places.reshape(-1), priorities**self.alpha)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The priorities `[size]`, a view, and the largest."""
        return {"priorities": self.tree.priorities, "largest": np.array(self.largest)}

    def load(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """The inverse of `arrays`."""
        self.largest = float(arrays["largest"])
        self.tree.update(np.arange(self.tree.capacity), np.array(arrays["priorities"], np.float64))
