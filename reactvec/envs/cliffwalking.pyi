"""The native kernel of Gymnasium's CliffWalking (Sutton and Barto, 2018, example 6.6), slippery or not."""

from typing import final

from reactvec.envs._walk import Walks

@final
class CliffWalks(Walks):
    """A bank of walks along the cliff: action int64[n], obs int64[n], the tile; info: "prob" float64."""
