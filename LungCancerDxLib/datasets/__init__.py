"""Data sets on disk as researchers have them, and what is known of their scans before an image is read."""

from __future__ import annotations

from .dsb2017 import read_dsb2017
from .luna16 import read_luna16
from .scan import CohortScan, Dataset, NoduleLabel

__all__ = ["CohortScan", "Dataset", "NoduleLabel", "read_dsb2017", "read_luna16"]
