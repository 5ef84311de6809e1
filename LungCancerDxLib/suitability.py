"""Warnings where a scan is outside what the method was made for."""

from __future__ import annotations

import re

from .volume import CTVolume

_VERY_SHARP_NAMES = ("BONE", "EDGE", "ULTRA")  # GE
_SHARPEST_USUAL = 70  # Siemens: B30f is smooth, B70f a lung kernel, B80f ultra sharp
_NUMBERED = re.compile(r"[A-Z][a-z]?(\d\d)[a-z]?", re.ASCII)


def is_very_sharp(kernel: str) -> bool:
    """Whether a DICOM ConvolutionKernel is sharper than those used to read lungs: its noise may look like nodules."""
    numbered = _NUMBERED.match(kernel)
    return any(name in kernel.upper() for name in _VERY_SHARP_NAMES) or (
        numbered is not None and int(numbered.group(1)) > _SHARPEST_USUAL
    )


_THICKEST_SLICES_MM = 3.0


def suitability_warnings(volume: CTVolume) -> list[str]:
    """What to tell the user about slices and reconstruction kernel."""
    warnings = []
    spacing = float(volume.canonical_spacing_mm()[0])
    thickness = float(volume.info.get("slice_thickness_mm") or 0.0)
    if max(spacing, thickness) > _THICKEST_SLICES_MM:
        what = f"{spacing:.1f} mm apart" if spacing >= thickness else f"{thickness:.1f} mm thick"
        warnings.append(
            f"Slices are {what}; above {_THICKEST_SLICES_MM:.0f} mm small nodules are missed and scores are less "
            "reliable."
        )
    kernel = str(volume.info.get("kernel") or "")
    if is_very_sharp(kernel):
        warnings.append(f"The scan was reconstructed with a very sharp kernel ({kernel}); noise may look like nodules.")
    return warnings
