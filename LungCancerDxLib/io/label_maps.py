"""Lung labels as LUNA16 has them: 3 the left lung, 4 the right one (5 the airways)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import CTReadError
from ..volume import CTVolume

LEFT, RIGHT = 3, 4
_TO_OURS = {LEFT: 1, RIGHT: 2}
_SAME_PLACE_MM = 0.01  # of the farthest corner


def read_lung_labels(path: Path, volume: CTVolume) -> np.ndarray:
    """uint8, shape (K, J, I) of `volume`: 1 left lung, 2 right lung.

    Raises
    ------
    CTReadError
        Where the file cannot be read or lies on another grid than the scan.
    """
    try:
        image = sitk.ReadImage(str(path))
        found = sitk.GetArrayFromImage(image)
        size = [n - 1 for n in image.GetSize()]
        corner_lps_mm = np.array(image.TransformContinuousIndexToPhysicalPoint([float(n) for n in size]))
    except RuntimeError as error:
        raise CTReadError(f"{path}: the lung labels cannot be read; copy or download the file again.") from error
    last_kji = np.array([*(n - 1 for n in volume.shape_kji), 1.0])
    apart_mm = np.abs((volume.kji_to_lps @ last_kji)[:3] - corner_lps_mm).max()
    if found.shape != volume.shape_kji or apart_mm > _SAME_PLACE_MM:
        raise CTReadError(
            f"{path}: the lung labels ({found.shape} voxels) do not lie on the grid of {volume.info.get('path')} "
            f"({volume.shape_kji} voxels); their last corners are {apart_mm:.2f} mm apart. Use the labels of this scan."
        )
    ours = np.zeros(found.shape, np.uint8)
    for theirs, label in _TO_OURS.items():
        ours[found == theirs] = label
    return ours


def write_lung_labels(lungs: np.ndarray, volume: CTVolume, path: Path) -> None:
    """Labels (K, J, I), 1 left and 2 right, to a MetaImage header and its raw file, as LUNA16 numbers them."""
    theirs = np.zeros(lungs.shape, np.uint8)
    for label, ours in _TO_OURS.items():
        theirs[lungs == ours] = label
    write_labels(theirs, volume, path, compressed=False)


def write_labels(labels: np.ndarray, volume: CTVolume, path: Path, compressed: bool = True) -> None:
    """A label map uint8 (K, J, I) on a volume's grid to an image file.

    Raises
    ------
    OSError
        Where it could not be written.
    """
    image = sitk.GetImageFromArray(labels.astype(np.uint8))
    image.SetSpacing([float(s) for s in volume.spacing_mm_kji[::-1]])
    image.SetOrigin([float(x) for x in volume.kji_to_lps[:3, 3]])
    image.SetDirection([float(d) for d in (volume.kji_to_lps[:3, :3] / volume.spacing_mm_kji)[:, ::-1].ravel()])
    try:
        sitk.WriteImage(image, str(path), useCompression=compressed)
    except RuntimeError as error:
        raise OSError(f"{path.name} could not be written: {error}") from error
