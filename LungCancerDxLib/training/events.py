"""TensorBoard events of a run, where TensorBoard is installed."""

from __future__ import annotations

from pathlib import Path

from .run_folder import EVENTS_FOLDER


class Events:
    """Writes scalars; does nothing where TensorBoard is not installed or not wanted."""

    def __init__(self, folder: Path, first_step: int, wanted: bool) -> None:
        self._writer = None
        if wanted:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                return
            self._writer = SummaryWriter(str(folder / EVENTS_FOLDER), purge_step=first_step + 1)

    def add(self, row: dict[str, float], group: str = "") -> None:
        """The values of a step."""
        if self._writer is not None:
            for name, value in row.items():
                if name != "step":
                    self._writer.add_scalar(group + name, value, int(row["step"]))

    def close(self) -> None:
        """No more values."""
        if self._writer is not None:
            self._writer.close()
