"""The native kernel of Gymnasium's Taxi (Dietterich, 2000), rainy or not, with fickle passengers or others."""

from typing import final

from reactvec.envs._walk import Walks

@final
class Taxis(Walks):
    """A bank of taxis: action int64[n], obs int64[n], the state; info: "prob" float64, "action_mask" int8[6]."""
