"""A case in Slicer's world: MRML nodes, the files that Slicer opens, and rendered views.

The only folder that imports `slicer`; outside the application that is the package slicer-core. RAS exists only here.
"""
