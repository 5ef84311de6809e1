"""A case in Slicer's world: MRML nodes, the files that Slicer opens, and rendered views.

The only folder that imports `slicer`; outside the application that is the package slicer-core. RAS exists only here.
"""

from .build import remove, show_case, update
from .case_nodes import CaseNodes, cases_of, find_cases
from .case_text import case_result, counted_by_model
from .ct_node import ct_volume, set_lung_window, volume_node
from .geometry import lps_mm, ras_mm
from .own_scene import own_scene
from .parent_transform import check_linear
from .render import render_views
from .save import save_scene_files
from .segmentation import nodule_segment_id

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
