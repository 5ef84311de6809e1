"""From a CT to what the networks see: section III-B, step by step.

find_lungs -> hull_lung -> dilate_lungs -> to_grey -> mask_grey -> resample_grey
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import NoLungsError
from ..names import SIDES
from ..preset import Preset
from ..runtime.progress import Progress, silent
from ..volume import CTVolume
from .alignment import aligned_to_patient, labels_onto
from .hull import dilate_lungs, hull_lung
from .lung_mask import bounding_box
from .lungs import CTLungs, Lungs, find_lungs, lung_warnings
from .working_grid import WorkingLungs, WorkingScan, lung_grid, mask_grey, resample_grey, resample_mask, to_grey

__all__ = ["CTLungs", "Preprocessed", "WorkingLungs", "WorkingScan", "preprocess"]


@dataclass(frozen=True)
class Preprocessed:
    """What preprocessing makes of a CT: the working scan, the lungs on the CT's own grid, messages for the user."""

    working: WorkingScan
    lungs: CTLungs
    warnings: tuple[str, ...]


def preprocess(
    volume: CTVolume, preset: Preset, progress: Progress = silent, lung_labels: np.ndarray | None = None
) -> Preprocessed:
    """Section III-B on a CT in any orientation.

    Parameters
    ----------
    lung_labels
        The lungs where they are known already, (K, J, I) of the volume: 1 left lung, 2 right lung.

    Raises
    ------
    NoLungsError
        Where the image holds no lungs.
    """
    canonical = volume.canonical()
    ct, within = aligned_to_patient(canonical)
    spacing = ct.spacing_mm_kji
    progress("finding the lungs", 0.0)
    if lung_labels is None:
        try:
            lungs = find_lungs(ct.voxels, spacing, preset)
        except NoLungsError as error:  # perhaps the wrong series was chosen: the scan's own warnings name it
            raise NoLungsError(" ".join([str(error), *volume.warnings])) from error
    else:
        lungs = Lungs(labels_onto(volume.axis_order().apply(lung_labels), canonical.kji_to_lps, ct))
    if within is not None:
        lungs.labels[~within] = 0
    if not lungs.mask.any():
        raise NoLungsError("The lung labels of this scan hold no lung.")
    progress("masking", 0.7)
    hulls = np.logical_or.reduce([hull_lung(lungs.labels == label, preset) for label in SIDES])
    dilated = dilate_lungs(hulls, spacing, preset)
    if within is not None:
        dilated &= within
    progress("resampling", 0.9)
    grid = lung_grid(lungs.mask, spacing, preset)
    seen = grid.on_ct(ct.shape_kji)
    grey = mask_grey(to_grey(ct.voxels[seen], preset), dilated[seen], lungs.mask[seen], preset)
    ends = np.array([[side.start, side.stop - 1] for side in bounding_box(lungs.mask)]).T
    on_ct = labels_onto(lungs.labels, ct.kji_to_lps, canonical)
    working = WorkingScan(
        image=resample_grey(grey, seen, grid),
        dilated=resample_mask(dilated, grid),
        lung_ends_kji=grid.from_ct(ends),
        kji_to_lps=grid.kji_to_lps(ct.kji_to_lps),
    )
    progress("preprocessing done", 1.0)
    return Preprocessed(
        working,
        CTLungs(volume.axis_order().undo(on_ct), volume.kji_to_lps),
        (*lungs.warnings, *lung_warnings(on_ct)),
    )
