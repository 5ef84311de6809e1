"""One scan of a cohort: what is known of it before it is read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..io import read_ct
from ..io.label_maps import read_lung_labels
from ..volume import CTVolume


@dataclass(frozen=True)
class NoduleLabel:
    """A nodule as it was marked: its centre in LPS mm and its diameter in mm.

    `probability` and `kind` are known of synthetic nodules only.
    """

    center_lps_mm: tuple[float, float, float]
    diameter_mm: float
    probability: float | None = None
    kind: str | None = None


@dataclass(frozen=True)
class CohortScan:
    """A scan of a cohort; the image is read on demand.

    Parameters
    ----------
    path
        What `readers.read_ct` takes.
    label
        Whether the person was diagnosed with lung cancer; None where nobody says.
    nodules
        All that were marked; empty also where nobody marked any.
    source
        "LUNA16" or "DSB2017".
    part
        Of the cohort: "subset0" to "subset9", or "training", "validation", "test"; empty where unknown.
    excluded
        Findings that count neither as nodules nor as false alarms (LUNA16's `annotations_excluded.csv`).
    lungs_path
        Of the lung labels that came with the scan.
    """

    id: str
    path: Path
    label: bool | None
    nodules: tuple[NoduleLabel, ...]
    source: str
    part: str = ""
    excluded: tuple[NoduleLabel, ...] = ()
    lungs_path: Path | None = None

    def read(self) -> CTVolume:
        """The scan; raises CTReadError where it cannot be read."""
        return read_ct(self.path)

    def read_lungs(self, volume: CTVolume) -> np.ndarray | None:
        """The lung labels that came with the scan, None where none did.

        uint8, shape (K, J, I) of `volume`, which is this scan as read: 1 left lung, 2 right lung. Raises CTReadError
        where they cannot be read or lie on another grid.
        """
        return None if self.lungs_path is None else read_lung_labels(self.lungs_path, volume)


_DIGITS = tuple("0123456789")


def natural_order(text: str) -> tuple:
    """A sorting key by which scan2 comes before scan10."""
    return tuple(
        (0, int(part), "") if part[:1] in _DIGITS else (1, 0, part) for part in re.split(r"([0-9]+)", text)
    ), text
