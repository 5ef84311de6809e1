"""Many scans: cohorts on disk as researchers have them, written, read, joined and scored as a whole."""

from __future__ import annotations

from .dsb2017 import read_dsb2017
from .luna16 import read_luna16
from .paper import join, resplit, without_small_nodules
from .scan import CohortScan, NoduleLabel

__all__ = [
    "CohortScan",
    "NoduleLabel",
    "join",
    "read_dsb2017",
    "read_luna16",
    "resplit",
    "without_small_nodules",
]
