"""What else in the image tells lungs from other air, and left from right: the body's outline and the spine (ours)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .lung_mask import CORNER_PATCH, outside_circle_of

TISSUE_ABOVE_HU = -500

_COARSE_MM = 3.0
_IN_PLANE = ndimage.generate_binary_structure(3, 1) & (np.arange(3)[:, None, None] == 1)
_RING = 3  # coarse pixels around a component that tell what surrounds it
_LEAST_SURROUNDED = 0.5  # share of body in that ring; a lung has nearly all, a cushion on the body a third

_PURE_AIR_BELOW_HU = -970.0
_OPEN_AIR_BELOW_HU = -920.0  # around the body, with what lies in it: clothes, foam
_SMALLEST_POCKET_L = 0.1  # of pure air that hangs together with a lung: trachea and bronchi hold less
_LEAST_CONTACT = 0.2  # share of a pocket's surface that faces lung: most of a bulla's, little of a bowel's

_BONE_ABOVE_HU = 130.0
_SPINE_SMOOTHING_MM = 8.0
_LEAST_PERSISTENCE = 0.4  # of bone over the slices, smoothed: no rib or shoulder blade stays at its place
_SPINE_REACH_MM = 25.0

_CUT_SHARE = 0.4  # of the body's rows, at the image's border: more than an arm or a breast


@dataclass(frozen=True, eq=False)
class Body:
    """The patient without couch and cushions, on a coarse grid: every slice, and in plane one pixel in about 3 mm.

    Parameters
    ----------
    hu, tissue
        (K, J', I') of the image, and which of it is the patient's own tissue.
    step
        Pixels of the image that a coarse one stands for, along j and i.
    beyond
        (J', I') bool: the padding around a circular field of view.
    spacing_mm_kji
        (3,) of the coarse grid.
    shape_kji
        Of the image.
    """

    hu: np.ndarray
    tissue: np.ndarray
    beyond: np.ndarray
    step: tuple[int, int]
    spacing_mm_kji: np.ndarray
    shape_kji: tuple[int, int, int]

    @staticmethod
    def of(hu: np.ndarray, spacing_mm_kji: np.ndarray) -> Body:
        """The body in an image (K, J, I) in canonical order; without tissue where it shows none.

        Of the tissue that is more than a few millimetres thick, which covers of couches and cushions are not, it is the
        part that hangs together.
        """
        j, i = (max(int(_COARSE_MM / spacing), 1) for spacing in spacing_mm_kji[1:])
        coarse = hu[:, ::j, ::i]
        tissue = coarse > TISSUE_ABOVE_HU
        labels, count = ndimage.label(ndimage.binary_erosion(tissue, _IN_PLANE, border_value=1))
        if count:
            thick = labels == np.argmax(np.bincount(labels.ravel())[1:]) + 1
            tissue &= ndimage.binary_dilation(thick, _IN_PLANE)
        k, rows, columns = hu.shape
        padded = np.ptp(hu[:, :CORNER_PATCH, :CORNER_PATCH]) == 0
        beyond = (outside_circle_of((rows, columns)) & padded)[::j, ::i]
        return Body(coarse, tissue, beyond, (j, i), spacing_mm_kji * (1, j, i), (k, rows, columns))

    def coarse(self, mask: np.ndarray) -> np.ndarray:
        """A mask of the image (K, J, I) on the coarse grid."""
        return mask[:, :: self.step[0], :: self.step[1]]

    def fine(self, mask: np.ndarray) -> np.ndarray:
        """A mask of the coarse grid on that of the image."""
        _, rows, columns = self.shape_kji
        return mask.repeat(self.step[0], axis=1).repeat(self.step[1], axis=2)[:, :rows, :columns]

    def inside(self) -> np.ndarray:
        """The body with what its tissue encloses in a slice, on the coarse grid.

        Where the image ends within the body that is also what reaches the image's border and is as dense as lung.
        """
        inside = np.empty_like(self.tissue)
        border = ndimage.binary_dilation(self.beyond, border_value=1) & ~self.beyond
        border |= ~ndimage.binary_erosion(np.ones_like(border))
        for k, tissue in enumerate(self.tissue):
            regions, count = ndimage.label(~(tissue | self.beyond))
            outside = np.zeros(count + 1, dtype=bool)
            outside[np.unique(regions[border])] = True
            outside[outside] = ndimage.median(self.hu[k], regions, np.flatnonzero(outside)) <= _OPEN_AIR_BELOW_HU
            outside[0] = False  # tissue
            inside[k] = ~(outside[regions] | self.beyond)
        return inside

    def surrounds(self, component: np.ndarray) -> bool:
        """Whether a component of air, on the coarse grid, lies in the body rather than beside it.

        It is the share of tissue in a ring around it that tells, so that an image which cuts lungs off does no harm.
        """
        around = np.stack([ndimage.binary_fill_holes(part) for part in component])
        near = ndimage.binary_dilation(around, _IN_PLANE)
        ring = ndimage.binary_dilation(near, _IN_PLANE, iterations=_RING - 1) & ~near
        ring &= ~self.beyond
        return bool(ring.any() and self.tissue[ring].mean() >= _LEAST_SURROUNDED)

    def is_pure_air(self, component: np.ndarray) -> bool:
        """Whether a component, on the coarse grid, holds gas only, as bowel does; lungs are denser."""
        return bool(np.median(self.hu[component]) <= _PURE_AIR_BELOW_HU)

    def gas_pockets(self, component: np.ndarray) -> np.ndarray:
        """Large parts of a component (coarse) that hold gas only and face little of the rest: bowel, no bulla."""
        pockets = np.zeros_like(component)
        voxel_l = float(np.prod(self.spacing_mm_kji)) / 1e6
        gas = component & (self.hu <= _PURE_AIR_BELOW_HU)
        if np.count_nonzero(gas) * voxel_l < _SMALLEST_POCKET_L / 2:
            return pockets
        gas = component & (ndimage.uniform_filter(self.hu.astype(np.float32), (0, 3, 3)) <= _PURE_AIR_BELOW_HU)
        labels, count = ndimage.label(gas)
        size_l = np.bincount(labels.ravel(), minlength=count + 1) * voxel_l
        for number in np.flatnonzero(size_l[1:] >= _SMALLEST_POCKET_L) + 1:
            pocket = ndimage.binary_dilation(labels == number, _IN_PLANE)
            shell = ndimage.binary_dilation(pocket, iterations=2) & ~pocket
            if (component & ~gas)[shell].mean() < _LEAST_CONTACT:
                pockets |= ndimage.binary_dilation(pocket) & component
        return pockets

    def spine_i(self, lungs: np.ndarray) -> float | None:
        """The i index (of the image) of the spine behind the lungs, (K, J, I) bool; None where it is not in view.

        Over the height of the lungs the spine is the only bone that stays at its place from slice to slice.
        """
        shown = self.coarse(lungs)
        slices = np.flatnonzero(shown.any(axis=(1, 2)))
        behind = int(shown.sum(axis=(0, 2)) @ np.arange(shown.shape[1]) / shown.sum())
        spacing = self.spacing_mm_kji[1:]
        bone = ndimage.uniform_filter(self.hu[slices, behind:].astype(np.float32), (0, 2, 2)) > _BONE_ABOVE_HU
        persistence = ndimage.gaussian_filter(bone.mean(axis=0), _SPINE_SMOOTHING_MM / spacing, mode="nearest")
        j, i = (int(place) for place in np.unravel_index(np.argmax(persistence), persistence.shape))
        if persistence[j, i] < _LEAST_PERSISTENCE:
            return None
        reach = int(_SPINE_REACH_MM / spacing[1])
        columns = np.arange(max(i - reach, 0), min(i + reach + 1, persistence.shape[1]))
        weights = persistence[max(j - reach, 0) : j + reach + 1, columns].sum(axis=0) ** 2
        return float(columns @ weights / weights.sum() * self.step[1])

    def cut_off(self, lungs: np.ndarray) -> tuple[bool, bool]:
        """Whether the image ends inside the trunk on the patient's right, and on the left, at the lungs' height."""
        tissue = self.tissue[self.coarse(lungs).any(axis=(1, 2))]
        right, left = (_cut_share(tissue[:, :, ::step], self.beyond[:, ::step]) for step in (1, -1))
        return right > _CUT_SHARE, left > _CUT_SHARE


def _cut_share(tissue: np.ndarray, beyond: np.ndarray) -> float:
    """In how many of the rows (K, J) with tissue it begins where the image does, at its border or its padding."""
    rows = tissue.any(axis=2)
    begins = np.argmin(np.pad(beyond, ((0, 0), (0, 1))), axis=1)  # of each row of the image
    return float((tissue.argmax(axis=2) <= begins)[rows].mean()) if rows.any() else 0.0


def contact(first: np.ndarray, second: np.ndarray, spacing_mm_kji: np.ndarray) -> float:
    """The area in which two masks touch, over that of a face of the cube that has the smaller one's volume.

    Two lungs touch in 0.0 to 0.2 of it, the parts of one lung in more than 1.
    """
    area_mm2 = 0.0
    for axis in range(3):
        a, b = (np.moveaxis(mask, axis, 0) for mask in (first, second))
        faces = np.count_nonzero(a[1:] & b[:-1]) + np.count_nonzero(b[1:] & a[:-1])
        area_mm2 += faces * float(np.prod(np.delete(spacing_mm_kji, axis)))
    smaller_mm3 = min(np.count_nonzero(first), np.count_nonzero(second)) * float(np.prod(spacing_mm_kji))
    return float(area_mm2 / max(smaller_mm3, 1.0) ** (2 / 3))
