"""Small preprocessed scans and a stand-in network, so that the way through a scan can be tested without weights."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from LungCancerDxLib.preprocessing import WorkingScan


def grey_image(shape_kji: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    """Random grey values (K, J, I) uint8."""
    return np.random.default_rng(seed).integers(0, 256, shape_kji, dtype=np.uint8)


def fake_scan(image: np.ndarray, dilated: np.ndarray | None = None) -> WorkingScan:
    """A scan of an image whose lungs reach from a quarter to three quarters of each axis."""
    size = np.array(image.shape)
    return WorkingScan(
        image=image,
        kji_to_lps=np.eye(4),
        dilated=np.ones(image.shape, dtype=bool) if dilated is None else dilated,
        lung_ends_kji=np.array([size / 4, 3 * size / 4]),
    )


class StandIn(nn.Module):
    """A fixed little network of N-Net's shapes: no symmetry, neighbours mixed across 3 cells, location used.

    It keeps the images and locations it was shown in `seen`.
    """

    anchors = 3

    def __init__(self) -> None:
        super().__init__()
        draw = np.random.default_rng(0)
        self.register_buffer("fine", torch.from_numpy(draw.normal(0, 1 / 8, (1, 1, 4, 4, 4))).float())
        self.register_buffer("coarse", torch.from_numpy(draw.normal(0, 1 / 10, (15, 4, 3, 3, 3))).float())
        self.seen: list[tuple[torch.Tensor, torch.Tensor]] = []

    def forward(self, image: torch.Tensor, location: torch.Tensor) -> torch.Tensor:
        self.seen.append((image, location))
        cells = torch.cat([functional.conv3d(image, self.fine, stride=4), location], dim=1)
        return functional.conv3d(cells, self.coarse, padding=1).movedim(1, -1).unflatten(-1, (3, 5))

    def on_arrays(self, image: np.ndarray, location: np.ndarray) -> np.ndarray:
        """The same on one image as arrays, for the oracles."""
        return self(torch.from_numpy(image), torch.from_numpy(location))[0].numpy()
