"""Reconstruction kernels by their vendors' names."""

from __future__ import annotations

import re

_VERY_SHARP_NAMES = ("BONE", "EDGE", "ULTRA")  # GE
_SHARPEST_USUAL = 70  # Siemens: B30f is smooth, B70f a lung kernel, B80f ultra sharp
_NUMBERED = re.compile(r"[A-Z][a-z]?(\d\d)[a-z]?", re.ASCII)


def is_very_sharp(kernel: str) -> bool:
    """Whether a DICOM ConvolutionKernel is sharper than those used to read lungs: its noise may look like nodules."""
    numbered = _NUMBERED.match(kernel)
    return any(name in kernel.upper() for name in _VERY_SHARP_NAMES) or (
        numbered is not None and int(numbered.group(1)) > _SHARPEST_USUAL
    )
