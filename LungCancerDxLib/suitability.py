"""Whether a scan is what the method was made for; where it is not, the score is not reliable.

Models have learned from breath-hold chest CTs of both lungs, most of them with slices of 3 mm or less.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from .names import SIDES, UNKNOWN_SIDE
from .volume import CTVolume

_THICK_SLICES_MM, _VERY_THICK_SLICES_MM = 3.0, 4.0
_DENSE_LUNGS_HU, _VERY_DENSE_LUNGS_HU = -800.0, -770.0  # median; after breathing in about -860
_EMPTY_LUNGS_HU = -935.0  # emphysema at its worst, or gas that is no lung
_SMALLEST_LUNG_L = 0.7  # a lung after breathing out, or a child's
_SMALLEST_SHARE = 1 / 3  # of the other lung
_LARGEST_CUT = 0.25  # of the lungs' largest section that the image's border may cut: more than a base or an apex
_NOISY_HU = 90.0  # standard deviation in soft tissue; low dose and a sharp kernel give up to 75

_VERY_SHARP_NAMES = ("BONE", "EDGE", "ULTRA")  # GE
_SHARPEST_USUAL = 70  # Siemens: B30f is smooth, B70f a lung kernel, B80f ultra sharp
_NUMBERED = re.compile(r"[A-Z][a-z]?(\d\d)[a-z]?", re.ASCII)

_SOFT_TISSUE_HU = 0.0, 100.0
_MEASURED_SLICES, _NOISE_WINDOW, _FEWEST_PIXELS = 12, 5, 500
_SIGMA_PER_MEDIAN = 1.4826  # of a normal distribution: standard deviation over the median of absolute deviations


class Finding(NamedTuple):
    """Something unusual of a scan, as a clause, and whether the score is not reliable because of it."""

    text: str
    serious: bool


def findings(volume: CTVolume, lung_labels: np.ndarray) -> list[Finding]:
    """What is unusual of a scan's slices, kernel, noise and lungs.

    Parameters
    ----------
    lung_labels
        (K, J, I) on the volume's own grid: 1 left lung, 2 right lung, 3 a lung of unknown side.
    """
    order = volume.axis_order()
    hu, labels = order.apply(volume.voxels), order.apply(lung_labels)
    return [*_of_slices(volume), *_of_kernel(volume), *_of_noise(hu), *_of_lungs(hu, labels, volume), *_of_cuts(labels)]


def _of_slices(volume: CTVolume) -> Iterator[Finding]:
    spacing = round(float(volume.canonical_spacing_mm()[0]), 3)  # headers have six digits of a position
    thickness = round(float(volume.info.get("slice_thickness_mm") or 0.0), 3)
    if max(spacing, thickness) > _THICK_SLICES_MM:
        what = f"slices are {spacing:.1f} mm apart" if spacing >= thickness else f"slices are {thickness:.1f} mm thick"
        small = f"above {_THICK_SLICES_MM:.0f} mm small nodules are missed"
        yield Finding(f"{what}; {small}", max(spacing, thickness) > _VERY_THICK_SLICES_MM)


def _of_kernel(volume: CTVolume) -> Iterator[Finding]:
    kernel = str(volume.info.get("kernel") or "")
    if is_very_sharp(kernel):
        text = f"the scan was reconstructed with a very sharp kernel ({kernel}); noise may look like nodules"
        yield Finding(text, serious=False)


def is_very_sharp(kernel: str) -> bool:
    """Whether a DICOM ConvolutionKernel is sharper than those used to read lungs: its noise may look like nodules."""
    numbered = _NUMBERED.match(kernel)
    return any(name in kernel.upper() for name in _VERY_SHARP_NAMES) or (
        numbered is not None and int(numbered.group(1)) > _SHARPEST_USUAL
    )


def _of_noise(hu: np.ndarray) -> Iterator[Finding]:
    noise_hu = soft_tissue_noise_hu(hu)
    if noise_hu is not None and noise_hu > _NOISY_HU:
        yield Finding(f"the image is very noisy ({noise_hu:.0f} HU in soft tissue)", serious=True)


def soft_tissue_noise_hu(hu: np.ndarray) -> float | None:
    """Standard deviation of the noise in soft tissue of an image (K, J, I); None where there is too little of it."""
    found = []
    for k in np.unique(np.linspace(0, len(hu) - 1, _MEASURED_SLICES).astype(int)):
        plane = hu[k].astype(np.float32)
        mean = ndimage.uniform_filter(plane, _NOISE_WINDOW)
        deviation = np.abs(plane - mean)[(mean > _SOFT_TISSUE_HU[0]) & (mean < _SOFT_TISSUE_HU[1])]
        if len(deviation) >= _FEWEST_PIXELS:
            found.append(_SIGMA_PER_MEDIAN * float(np.median(deviation)))
    return float(np.median(found)) if found else None


def _of_lungs(hu: np.ndarray, labels: np.ndarray, volume: CTVolume) -> Iterator[Finding]:
    voxel_l = float(np.prod(volume.spacing_mm_kji)) / 1e6
    lungs_l = {label: np.count_nonzero(labels == label) * voxel_l for label in SIDES}
    present = [label for label in lungs_l if lungs_l[label]]
    if not present:
        return
    density_hu = float(np.median(hu[labels > 0]))
    if density_hu > _DENSE_LUNGS_HU:
        text = f"the lungs are denser than after breathing in (median {density_hu:.0f} HU)"
        yield Finding(text, density_hu > _VERY_DENSE_LUNGS_HU)
    for label in present:
        median_hu = float(np.median(hu[labels == label]))
        if median_hu < _EMPTY_LUNGS_HU:
            text = f"{_lung(label)} holds hardly more than air (median {median_hu:.0f} HU)"
            yield Finding(text, serious=True)
    total_l = sum(lungs_l.values())
    if total_l < _SMALLEST_LUNG_L * len(present):
        yield Finding(f"the lungs are small ({total_l:.1f} L)", serious=True)
    small, large = min(present, key=lungs_l.__getitem__), max(present, key=lungs_l.__getitem__)
    if lungs_l[small] < _SMALLEST_SHARE * lungs_l[large]:
        sizes = f"{lungs_l[small]:.1f} L beside {lungs_l[large]:.1f} L"
        yield Finding(f"{_lung(small)} is small ({sizes}); what fills the rest was not searched", serious=True)
    if len(present) == 1:
        yield Finding(f"only {_lung(present[0])} was searched", serious=True)


def _lung(label: int) -> str:
    return "one lung" if label == UNKNOWN_SIDE else f"the {SIDES[label]} lung"


def _of_cuts(labels: np.ndarray) -> Iterator[Finding]:
    lungs = labels > 0
    for axis, ends in enumerate((("bottom", "top"), ("front", "back"), ("right", "left"))):
        sections = np.count_nonzero(lungs, axis=tuple(other for other in range(3) if other != axis))
        for end, where in zip((0, -1), ends, strict=True):
            if sections[end] > _LARGEST_CUT * sections.max():
                yield Finding(f"much of the lungs is cut off at the {where} of the image", serious=True)
