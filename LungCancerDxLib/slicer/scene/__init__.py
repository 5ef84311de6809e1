"""A case in Slicer's world: MRML nodes, the files that Slicer opens, and rendered views.

Outside the application the package slicer-core is used. RAS exists only here and in the panel.
"""
