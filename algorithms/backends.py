"""What computes a network: a kernel, or torch; a matter of configuration and spaces alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias, TypeVar

from .checks import ConfigError

K = TypeVar("K")
Backend: TypeAlias = Literal["auto", "kernel", "torch"]
BACKENDS = ("auto", "kernel", "torch")


def kernel_or_reason(backend: Backend, name: str, make: Callable[[], K | str]) -> K | str:
    """The kernel that `make` gives for the setting `name`, or why torch is used; ConfigError where `backend` asks for
    one that does not exist.
    """
    if backend == "torch":
        return f"{name}='torch'"
    kernel = make()
    if isinstance(kernel, str) and backend == "kernel":
        raise ConfigError(f"{name}='kernel', but {kernel}; use 'auto'")
    return kernel


def learner_kernel_or_reason(backend: Backend, device: str, make: Callable[[], K | str]) -> K | str:
    """The same for `learner_backend`: a learner that was given another device uses it, which no kernel can."""
    if device.partition(":")[0] == "cpu":
        return kernel_or_reason(backend, "learner_backend", make)
    if backend == "kernel":
        raise ConfigError(f"learner_backend='kernel' learns on the CPU, not on device={device!r}; use 'auto'")
    return f"device={device!r}"
