"""What happens when a loss or a gradient is no number."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from ..errors import LungCancerDxError
from ..staging import whole_file


class TrainingFailed(LungCancerDxError):
    """The training came to numbers that are not finite; the last checkpoint is from before."""


def stop_with_batch(
    folder: Path, step: int, rank: int, batch: dict[str, torch.Tensor], losses: dict[str, float], module: nn.Module
) -> None:
    """Save the batch and the weights that met, and stop.

    Raises
    ------
    TrainingFailed
    """
    path = folder / f"failed-step{step}-rank{rank}.pt"
    with whole_file(path) as staging:
        torch.save({"step": step, "losses": losses, "batch": batch, "module": module.state_dict()}, staging)
    values = ", ".join(f"{name} {value:.4g}" for name, value in losses.items())
    raise TrainingFailed(
        f"The training failed at step {step}: {values}; expected finite numbers. The batch and the weights that it met "
        f"are in {path}; the last checkpoint is from before. Look at the batch (a damaged case?), or start anew with a "
        "lower learning rate or in --precision fp32."
    )
