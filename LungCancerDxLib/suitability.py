"""Warnings in words where a scan is outside what the method was made for."""

from __future__ import annotations

import re

from .volume import CTVolume

_THICKEST_SLICES_MM = 3.0
_SHARP_KERNELS = ("BONE", "EDGE", "ULTRA")  # GE
_SHARPEST_USUAL_SIEMENS = 70
_SIEMENS_KERNEL = re.compile(r"[A-Z][a-z]?(\d\d)[a-z]?", re.ASCII)


def suitability_warnings(volume: CTVolume) -> list[str]:
    """What to tell the user about slice spacing and reconstruction kernel."""
    words = []
    spacing = float(volume.canonical_spacing_mm()[0])
    if spacing > _THICKEST_SLICES_MM:
        words.append(
            f"Slices are {spacing:.1f} mm apart; above {_THICKEST_SLICES_MM:.0f} mm small nodules are missed and "
            "scores are less reliable."
        )
    kernel = str(volume.info.get("kernel") or "")
    siemens = _SIEMENS_KERNEL.match(kernel)
    if any(name in kernel.upper() for name in _SHARP_KERNELS) or (
        siemens and int(siemens.group(1)) > _SHARPEST_USUAL_SIEMENS
    ):
        words.append(f"The scan was reconstructed with a very sharp kernel ({kernel}); noise may look like nodules.")
    return words
