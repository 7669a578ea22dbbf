"""How observation spaces of sub-environments make up the space of a vector environment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
from gymnasium.spaces.utils import is_space_dtype_shape_equiv
from gymnasium.vector.utils import batch_differing_spaces, batch_space

from reactvec.env_bank import ObservationMode, SpaceMismatchError, name_environment


def batched_observation_space(
    mode: ObservationMode, single: gym.Space[Any], others: Sequence[gym.Space[Any] | None]
) -> gym.Space[Any]:
    """The observation space of a vector environment; `others` has None where a sub-environment has the `single` one.

    Raises:
        SpaceMismatchError: spaces that share no shape and dtype.
        ValueError, TypeError: spaces that Gymnasium's `batch_differing_spaces` cannot batch.
    """
    if mode == "same":
        return batch_space(single, len(others))
    each = [single if other is None else other for other in others]
    batched = mode[0] if isinstance(mode, tuple) else batch_differing_spaces(each)
    for i, space in enumerate(each):
        if not is_space_dtype_shape_equiv(single, space):
            error = SpaceMismatchError(
                "ReactorVectorEnv(..., observation_mode='different' or custom space) however the sub-environment's "
                f"observation spaces do not share a common shape and dtype. single_observation_space={single}, "
                f"sub-environment observation_space={space}"
            )
            name_environment(error, i)
            raise error
    return batched
