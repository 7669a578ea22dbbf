"""EventLog: results as scalars in TensorBoard's event files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class EventLog:
    """Writes the numbers of result dicts under their paths (`env_runners/episode_return_mean`); without a
    folder, nothing.
    """

    def __init__(self, folder: str | None) -> None:
        self._writer: SummaryWriter | None = None
        if folder is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(folder)

    def write(self, result: Mapping[str, Any]) -> None:
        """Log a result at its number of environment steps."""
        if self._writer is not None:
            for path, value in scalars(result):
                self._writer.add_scalar(path, value, result["num_env_steps_sampled_lifetime"])

    def close(self) -> None:
        """Flush and close the files."""
        if self._writer is not None:
            self._writer.close()


def scalars(result: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, float]]:
    """The numbers in nested dicts, with their keys joined by slashes."""
    for key, value in result.items():
        if isinstance(value, Mapping):
            yield from scalars(value, f"{path}{key}/")
        elif isinstance(value, int | float):
            yield f"{path}{key}", float(value)
