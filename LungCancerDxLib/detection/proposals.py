"""Boxes and proposals, and which proposals are kept: non-maximum suppression of cubes with a vote (section IV-G)."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.special import expit

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Boxes:
    """N cubes in the voxels of one image: `center_kji` (N, 3), and `diameter` (N,), the edge, which is the nodule's."""

    center_kji: Floats
    diameter: Floats

    def __len__(self) -> int:
        return len(self.diameter)

    def __getitem__(self, which: slice | np.ndarray) -> Self:
        """Those of a slice, a mask (N,) or numbers (M,)."""
        return type(self)(**{field.name: getattr(self, field.name)[which] for field in fields(self)})

    @staticmethod
    def from_rows(rows: np.ndarray) -> Boxes:
        """From a table (N, 4) of k, j, i, diameter."""
        k, j, i, diameter = np.asarray(rows, dtype=float).reshape(-1, 4).T
        return Boxes(center_kji=np.column_stack([k, j, i]), diameter=diameter)


@dataclass(frozen=True, eq=False, kw_only=True)
class Proposals(Boxes):
    """What the detector proposes, in working voxels and usually the best first; `logit` (N,) says how sure it is."""

    logit: Floats

    @staticmethod
    def from_rows(rows: np.ndarray) -> Proposals:
        """From a table (N, 5) of logit, k, j, i, diameter."""
        table = np.asarray(rows, dtype=float).reshape(-1, 5)
        return Proposals(logit=table[:, 0], center_kji=table[:, 1:4], diameter=table[:, 4])

    def rows(self) -> Floats:
        """The table (N, 5) of logit, k, j, i, diameter, for files."""
        return np.column_stack([self.logit, self.center_kji, self.diameter])

    def of_halved(self) -> Proposals:
        """Proposals in the scan at half its resolution (`WorkingScan.halved`) in the scan's own voxels."""
        return replace(self, center_kji=2 * self.center_kji + 0.5, diameter=2 * self.diameter)

    def joined(self, others: Proposals) -> Proposals:
        """These and others in the same voxels, highest logit first."""
        rows = np.concatenate([self.rows(), others.rows()])
        return Proposals.from_rows(rows[np.argsort(-rows[:, 0], kind="stable")])


def cube_iou(center: np.ndarray, edge: float, centers: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Intersection over union of a cube with N others: (N,). Centres (3,) and (N, 3) and edges in the same unit."""
    low = np.maximum(center - edge / 2, centers - edges[:, None] / 2)
    high = np.minimum(center + edge / 2, centers + edges[:, None] / 2)
    shared: np.ndarray = np.prod(np.maximum(high - low, 0), axis=1)
    return np.asarray(shared / (edge**3 + edges**3 - shared))


def suppress(proposals: Proposals, iou: float, at_most: int, voting_iou: float | None = None) -> Proposals:
    """Keep the best proposals that do not overlap a better one.

    Neighbouring cells and other anchors box the same nodule. Which of them is best is a matter of their last bits;
    where all lie together is not. Diameters are not voted on: their means are no better.

    Parameters
    ----------
    proposals
        Highest logit first.
    iou
        A proposal goes if its overlap with a kept one is this much or more.
    at_most
        Stop after so many are kept.
    voting_iou
        A kept proposal's centre becomes the mean of its own and of those of the weaker proposals that overlap it this
        much or more, weighted by confidence (box voting: Gidaris and Komodakis, ICCV 2015); None leaves it as it is.
    """
    kept: list[int] = []
    centers = proposals.center_kji.copy()
    rest = np.arange(len(proposals))
    while len(rest) and len(kept) < at_most:
        best, rest = int(rest[0]), rest[1:]
        others = proposals[rest]
        overlap = cube_iou(proposals.center_kji[best], proposals.diameter[best], others.center_kji, others.diameter)
        if voting_iou is not None:
            voters = rest[overlap >= voting_iou]
            weights = expit(proposals.logit[voters])
            offsets = proposals.center_kji[voters] - proposals.center_kji[best]
            centers[best] += weights @ offsets / (expit(proposals.logit[best]) + weights.sum())
        kept.append(best)
        rest = rest[overlap < iou]
    return replace(proposals, center_kji=centers)[np.array(kept, dtype=int)]
