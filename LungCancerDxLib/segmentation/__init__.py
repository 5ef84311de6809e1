"""Nodule masks on the CT's own grid, and what is measured in them.

For each proposal: patch -> lung region -> threshold -> leaks -> halo -> plausibility -> measurements
"""

from __future__ import annotations

from .nodules import SegmentedNodules, segment_nodules

__all__ = ["SegmentedNodules", "segment_nodules"]
