"""Many scans: cohorts on disk as researchers have them, written, read, joined and scored as a whole."""

from __future__ import annotations

from .dsb2017 import read_dsb2017
from .joined import join, rearranged, without_small_nodules
from .luna16 import read_luna16
from .scan import CohortScan, NoduleLabel

__all__ = [
    "CohortScan",
    "NoduleLabel",
    "join",
    "read_dsb2017",
    "read_luna16",
    "rearranged",
    "without_small_nodules",
]
