"""A case in Slicer's world: MRML nodes, the files that Slicer opens, and rendered views.

The only folder that imports `slicer`; outside the application that is the package slicer-core. RAS exists only here.
"""

from __future__ import annotations

from .build import CaseNodes, cases_of, find_cases, remove, show_case, update
from .ct import check_linear, ct_volume, lps_mm, ras_mm, set_lung_window, volume_node
from .files import save_scene_files
from .own_scene import own_scene
from .segmentation import nodule_segment_id
from .text import case_result, counted_by_model
from .views import render_views

__all__ = [
    "CaseNodes",
    "case_result",
    "cases_of",
    "check_linear",
    "counted_by_model",
    "ct_volume",
    "find_cases",
    "lps_mm",
    "nodule_segment_id",
    "own_scene",
    "ras_mm",
    "remove",
    "render_views",
    "save_scene_files",
    "set_lung_window",
    "show_case",
    "update",
    "volume_node",
]
