"""Warnings in words where a scan is outside what the method was made for."""

from __future__ import annotations

from .kernels import is_very_sharp
from .volume import CTVolume

_THICKEST_SLICES_MM = 3.0


def suitability_warnings(volume: CTVolume) -> list[str]:
    """What to tell the user about slices and reconstruction kernel."""
    words = []
    spacing = float(volume.canonical_spacing_mm()[0])
    thickness = float(volume.info.get("slice_thickness_mm") or 0.0)
    if max(spacing, thickness) > _THICKEST_SLICES_MM:
        what = f"{spacing:.1f} mm apart" if spacing >= thickness else f"{thickness:.1f} mm thick"
        words.append(
            f"Slices are {what}; above {_THICKEST_SLICES_MM:.0f} mm small nodules are missed and scores are less "
            "reliable."
        )
    kernel = str(volume.info.get("kernel") or "")
    if is_very_sharp(kernel):
        words.append(f"The scan was reconstructed with a very sharp kernel ({kernel}); noise may look like nodules.")
    return words
