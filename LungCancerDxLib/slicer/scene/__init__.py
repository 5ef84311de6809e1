"""A case in Slicer's world: MRML nodes, the files that Slicer opens, and rendered views.

The only folder that imports `slicer`; outside the application that is the package slicer-core. RAS exists only here.
"""

from __future__ import annotations

from .build import CaseNodes, cases_of, find_cases, remove, show_case, update
from .ct import check_linear, ct_volume, lps_mm, nodes_of_class, ras_mm, set_lung_window, volume_node
from .files import own_scene, quiet_vtk, save_scene_files
from .nodules import malignancy_colour
from .segmentation import LUNG_SEGMENTS, nodule_segment_id
from .text import case_headline, case_result, counted_by_model, scored_ranks
from .views import render_views

__all__ = [
    "LUNG_SEGMENTS",
    "CaseNodes",
    "case_headline",
    "case_result",
    "cases_of",
    "check_linear",
    "counted_by_model",
    "ct_volume",
    "find_cases",
    "lps_mm",
    "malignancy_colour",
    "nodes_of_class",
    "nodule_segment_id",
    "own_scene",
    "quiet_vtk",
    "ras_mm",
    "remove",
    "render_views",
    "save_scene_files",
    "scored_ranks",
    "set_lung_window",
    "show_case",
    "update",
    "volume_node",
]
