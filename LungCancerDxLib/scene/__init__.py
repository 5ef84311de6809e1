"""A case in Slicer's world: MRML nodes, the files that Slicer opens, and rendered views.

The only folder that imports `slicer`; outside the application that is the package slicer-core. RAS exists only here.
"""

from .build import remove, show_case, update
from .case_nodes import CaseNodes, find_cases
from .ct_node import set_lung_window, volume_node
from .own_scene import own_scene
from .render import render_views
from .save import save_scene_files

__all__ = [
    "CaseNodes",
    "find_cases",
    "own_scene",
    "remove",
    "render_views",
    "save_scene_files",
    "set_lung_window",
    "show_case",
    "update",
    "volume_node",
]
