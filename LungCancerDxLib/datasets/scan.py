"""A data set, and one scan of it: what is known before any image is read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class NoduleLabel:
    """A nodule as it was marked: its centre in LPS mm and its diameter in mm."""

    center_lps_mm: tuple[float, float, float]
    diameter_mm: float


@dataclass(frozen=True)
class CohortScan:
    """A scan of a data set.

    Parameters
    ----------
    path
        What `io.read_ct` takes.
    label
        Whether the person was diagnosed with lung cancer; None where nobody says.
    nodules
        All that were marked; empty also where nobody marked any.
    source
        "LUNA16" or "DSB2017".
    part
        Of the data set: "subset0" to "subset9", or "training", "validation", "test"; empty where unknown.
    lungs_path
        Of the lung labels that came with the scan (`luna16.read_lung_labels` reads them).
    """

    id: str
    path: Path
    label: bool | None
    nodules: tuple[NoduleLabel, ...]
    source: str
    part: str = ""
    lungs_path: Path | None = None


@dataclass(frozen=True)
class Dataset:
    """The scans that are there, in natural order of their ids, and the ids that only the tables know."""

    scans: tuple[CohortScan, ...]
    missing: tuple[str, ...] = ()


def nodule_labels(spheres: np.ndarray | None) -> tuple[NoduleLabel, ...]:
    """The rows (N, 4) x, y, z, diameter in LPS mm of one scan, as `io.points.read_spheres` gives them."""
    return tuple(NoduleLabel((x, y, z), size) for x, y, z, size in ([] if spheres is None else spheres.tolist()))


def natural_order(text: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """A sorting key by which scan2 comes before scan10."""
    parts = re.split(r"([0-9]+)", text)
    return tuple((0, int(part), "") if place % 2 else (1, 0, part) for place, part in enumerate(parts)), text
