"""EventLog: results as scalars in TensorBoard's event files, and in Weights & Biases."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .checks import MissingExtra
from .progress_file import STEPS

_OURS = ".reactvec"  # how the names of our event files end


class EventLog:
    """TensorBoard's event files in `folder`; what was logged after `steps` counts as never logged.

    A new run removes those of an old one, which TensorBoard would mix with its own.
    """

    def __init__(self, folder: str, steps: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        for old in Path(folder).glob(f"events.out.tfevents.*{_OURS}") if not steps else ():
            old.unlink()
        self._writer = SummaryWriter(folder, purge_step=steps + 1 if steps else None, filename_suffix=_OURS)

    def write(self, row: Mapping[str, float]) -> None:
        """Log each number at its number of environment steps."""
        for path, value in row.items():
            if path != STEPS:
                self._writer.add_scalar(path, value, int(row[STEPS]))

    def close(self) -> None:
        """Flush and close the files."""
        self._writer.close()


class WandbLog:
    """A run of Weights & Biases; a resumed training goes on in its run, whose id is in `folder`."""

    def __init__(self, project: str, settings: dict[str, Any], folder: str | None, steps: int) -> None:
        try:
            import wandb
        except ModuleNotFoundError:
            raise MissingExtra("wandb_project needs wandb: pip install wandb", name="wandb") from None
        note = Path(folder) / "wandb_id" if folder is not None else None
        known = note.read_text().strip() if steps and note is not None and note.exists() else None
        self._run = wandb.init(project=project, config=settings, id=known, resume="allow")
        if note is not None:
            note.parent.mkdir(parents=True, exist_ok=True)
            note.write_text(self._run.id)

    def write(self, row: Mapping[str, float]) -> None:
        """Log a row at its number of environment steps."""
        self._run.log(dict(row), step=int(row[STEPS]))

    def close(self) -> None:
        """End the run."""
        self._run.finish()
