"""The torch device that learner and policy are on."""

from __future__ import annotations

import torch

from .checks import ConfigError


def device_of(device: str) -> str:
    """The torch device that the setting `device` names here; ConfigError where torch has none of that name."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"device={device!r}: {error}") from None
    return device
