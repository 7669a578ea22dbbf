"""The native kernel of Gymnasium's FrozenLake: any map, slippery or not, any rewards."""

from typing import final

from reactvec.envs._walk import Walks

@final
class FrozenLakes(Walks):
    """A bank of frozen lakes: action int64[n], obs int64[n], the tile; info: "prob" float64."""
