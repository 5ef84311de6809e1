"""Left and right lung of a CT: the published steps in order, and ours for what they lose or mistake.

Ours apply where the preset says so. Air is lung where it is denser than gas, lies in the body, and shares its height
with the lungs above it. Which lung is which is decided by the spine or, where that is not in view, by the body's
outline; where neither tells, the side is unknown rather than wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.spatial import ConvexHull, QhullError

from ..errors import NoLungsError
from ..names import LEFT, RIGHT, SIDES, UNKNOWN_SIDE
from ..preset import Preset
from ..volume import index_to_world
from .landmarks import Body, contact
from .lung_mask import air_components, fill_holes, lung_components
from .lung_split import clean_lung, fill_slice_holes, split_lungs
from .runs import FACES, Runs

_SMALLEST_LUNG_L, _LARGEST_LUNGS_L = 0.1, 12.0
_LEAST_WITHIN_HULL = 0.15  # of a part of a lung, in the convex hull of the rest; lobes have a third
_LEAST_RECOVERED_L = 0.05
_LEAST_SHARED_HEIGHT = 1 / 3  # of a lung, with the others
_ONE_LUNG_CONTACT, _HALVED_LUNG_CONTACT = 0.8, 1.1  # see `landmarks.contact`; of parts, of what lies beside a plane
_CENTRED_MM = 10.0  # a lung whose middle is so near the median plane may be either
_SIDE_BY_SIDE_MM = 60.0


@dataclass(frozen=True, eq=False)
class CTLungs:
    """The lungs on a CT's own grid, in its own order.

    `labels` is a label map (K, J, I) uint8, 1 left lung, 2 right lung, 3 a lung of unknown side; `kji_to_lps` is the
    CT's affine.
    """

    labels: np.ndarray
    kji_to_lps: npt.NDArray[np.float64]

    def volume_ml(self, label: int) -> float:
        """Volume of a lung in millilitres."""
        return float(np.count_nonzero(self.labels == label) * abs(np.linalg.det(self.kji_to_lps[:3, :3])) / 1e3)

    def beyond_hull(self, points_lps_mm: np.ndarray) -> np.ndarray:
        """Which points (N, 3) lie beyond the convex hull of both lungs, in the chest wall or farther off: (N,) bool."""
        faces = self._hull_faces
        return np.asarray((points_lps_mm @ faces[:, :3].T + faces[:, 3] > 0).any(axis=1))

    @cached_property
    def _hull_faces(self) -> np.ndarray:
        """(F, 4): a, b, c and d of the faces' planes, ax + by + cz + d > 0 beyond; none where there are no lungs."""
        k, j = np.nonzero((self.labels > 0).any(axis=2))
        rows = self.labels[k, j] > 0
        ends = rows.argmax(axis=1), rows.shape[1] - 1 - rows[:, ::-1].argmax(axis=1)
        index = np.concatenate([np.column_stack([k, j, i]) for i in ends])
        try:
            return np.asarray(ConvexHull(index_to_world(self.kji_to_lps, index)).equations)
        except (QhullError, ValueError):  # none, or all in a plane
            return np.zeros((0, 4))


@dataclass(frozen=True, eq=False)
class Lungs:
    """Label map (K, J, I) uint8 as in `CTLungs`, on the grid that was searched, and messages for the user."""

    labels: np.ndarray
    warnings: tuple[str, ...] = ()

    @property
    def mask(self) -> np.ndarray:
        """Any lung, (K, J, I) bool."""
        return self.labels > 0


def find_lungs(hu: np.ndarray, spacing_mm_kji: np.ndarray, preset: Preset) -> Lungs:
    """Segment both lungs.

    Parameters
    ----------
    hu
        (K, J, I) Hounsfield units in canonical order (k to the head, i to the patient's left).
    spacing_mm_kji
        (3,) voxel size in mm.

    Raises
    ------
    NoLungsError
        Where no part of the image looks like lung.
    """
    air = air_components(hu, spacing_mm_kji, preset)
    mask = lung_components(air, spacing_mm_kji, preset)
    body = Body.of(hu, spacing_mm_kji)
    warnings: list[str] = []
    lost = np.zeros_like(mask)
    if preset.recover_lost_lungs and body.tissue.any():
        mask, lost, warnings = _lungs_in_body(air, mask, body, spacing_mm_kji)
    if not mask.any():
        extent = " x ".join(f"{mm:.0f}" for mm in np.multiply(hu.shape, spacing_mm_kji))
        raise NoLungsError(
            f"No lungs were found in this image of {extent} mm (head-foot, front-back, left-right): no air-filled "
            "region inside the body has the size and density of a lung. Expected a CT of the chest in Hounsfield "
            "units with its true voxel size; check that the right series was chosen."
        )
    mask = fill_holes(mask)
    labels = np.zeros(hu.shape, dtype=np.uint8)
    sides = _by_side(mask, body, spacing_mm_kji, preset)
    is_cleaned = preset.recover_lost_lungs or len(sides) == 2
    for label, lung in sides.items():
        labels[clean_lung(lung, preset) if is_cleaned else fill_slice_holes(lung)] = label
    if preset.recover_lost_lungs:
        warnings += _add_loose_lobes(labels, mask, spacing_mm_kji)
    voxel_l = float(np.prod(spacing_mm_kji)) / 1e6
    if (recovered_l := np.count_nonzero(lost & (labels > 0)) * voxel_l) >= _LEAST_RECOVERED_L:
        warnings.append(f"{recovered_l:.1f} L of lung that the published lung mask drops was recovered.")
    if len(sides) == 1:
        warnings.append(_one_lung_warning(next(iter(sides)), body.cut_off(mask)))
    return Lungs(labels, tuple(warnings))


# ---------------------------------------------------------------------- which air is lung


def _lungs_in_body(
    air: np.ndarray, published: np.ndarray, body: Body, spacing_mm_kji: np.ndarray
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """What is lung of the published mask and of all other air in the body, and what of it the published mask lacks,
    (K, J, I) bool; messages.
    """
    found = _lung_like(published, body, spacing_mm_kji)
    inside = body.inside()
    lost = []
    if _any_large(body.coarse(air) & inside & ~body.coarse(published), body):
        lost = _lung_like(air & body.fine(inside) & ~published, body, spacing_mm_kji)
    candidates = [_Candidate.of(part, body, lost=False) for part in found]
    candidates += [_Candidate.of(part, body, lost=True) for part in lost]
    lungs = _of_one_height(candidates)
    elsewhere = sum(candidate.volume_l for candidate in candidates) - sum(lung.volume_l for lung in lungs)
    warnings = []
    if elsewhere:
        warnings.append(f"{elsewhere:.1f} L of air above or below the lungs, as in bowel, was not taken for lung.")
    mask, recovered = np.zeros_like(air), np.zeros_like(air)
    for lung in lungs:
        mask |= lung.mask
        if lung.lost:
            recovered |= lung.mask
    return mask, recovered, warnings


@dataclass(frozen=True, eq=False)
class _Candidate:
    """Air that may be a lung, (K, J, I) bool: its volume and weight, first and last slice, and whether it was lost."""

    mask: np.ndarray
    volume_l: float
    weight_kg: float
    first: int
    last: int
    lost: bool

    @staticmethod
    def of(mask: np.ndarray, body: Body, *, lost: bool) -> _Candidate:
        coarse = body.coarse(mask)
        slices = np.flatnonzero(coarse.any(axis=(1, 2)))
        litres = np.count_nonzero(coarse) * float(np.prod(body.spacing_mm_kji)) / 1e6
        weight_kg = litres * (1 + float(body.hu[coarse].mean()) / 1000)
        return _Candidate(mask, litres, weight_kg, int(slices[0]), int(slices[-1]), lost)


def _of_one_height(candidates: list[_Candidate]) -> list[_Candidate]:
    """Those that share height with the heaviest or with what does: bowel lies below, and weighs little for its size."""
    kept: list[_Candidate] = []
    first = last = 0
    for other in sorted(candidates, key=lambda candidate: -candidate.weight_kg):
        shared = min(other.last, last) - max(other.first, first) + 1
        if not kept or shared >= _LEAST_SHARED_HEIGHT * (other.last - other.first + 1):
            first, last = (min(first, other.first), max(last, other.last)) if kept else (other.first, other.last)
            kept.append(other)
    return kept


def _lung_like(candidates: np.ndarray, body: Body, spacing_mm_kji: np.ndarray) -> list[np.ndarray]:
    """The components (K, J, I) of a mask that have the size, density and surroundings of a lung, without bowel."""
    components = Runs.of(candidates).components(FACES)
    size_l = components.size * float(np.prod(spacing_mm_kji)) / 1e6
    lungs = []
    for number in np.flatnonzero((size_l >= _SMALLEST_LUNG_L) & (size_l <= _LARGEST_LUNGS_L)).tolist():
        lung = components.mask(np.arange(components.count) == number)
        coarse = body.coarse(lung)
        if not coarse.any() or body.is_pure_air(coarse) or not body.surrounds(coarse):
            continue
        pockets = body.gas_pockets(coarse)
        lungs.append(lung & ~body.fine(pockets) if pockets.any() else lung)
    return lungs


def _any_large(coarse: np.ndarray, body: Body) -> bool:
    """Whether any component on the coarse grid may be a lung: no in nearly every scan, seen at a glance."""
    largest = Runs.of(coarse).components(FACES).size.max(initial=0)
    return bool(largest * float(np.prod(body.spacing_mm_kji)) / 1e6 >= _SMALLEST_LUNG_L / 2)


def _add_loose_lobes(labels: np.ndarray, mask: np.ndarray, spacing_mm_kji: np.ndarray) -> list[str]:
    """Label what lies apart from the rest of its lung, as a lobe behind fluid in a fissure; messages.

    Cleaning keeps the largest part of each lung. Air of couch and blankets, which it drops, lies beyond the lungs.
    """
    components = Runs.of(mask & (labels == 0)).components(FACES)
    voxel_l = float(np.prod(spacing_mm_kji)) / 1e6
    large = np.flatnonzero(components.size * voxel_l >= _SMALLEST_LUNG_L).tolist()
    lungs, added_l = CTLungs(labels.copy(), np.diag([*spacing_mm_kji, 1.0])), 0.0
    for number in large:
        part = components.mask(np.arange(components.count) == number)
        points_mm = np.argwhere(part)[::97] * spacing_mm_kji
        at_border = part[:, [0, -1]].any() or part[:, :, [0, -1]].any()
        if at_border or 1 - lungs.beyond_hull(points_mm).mean() < _LEAST_WITHIN_HULL:
            continue
        center_i = _center_i(part)
        apart = {label: abs(_center_i(lungs.labels == label) - center_i) for label in SIDES if (labels == label).any()}
        labels[part] = min(apart, key=apart.__getitem__)
        added_l += np.count_nonzero(part) * voxel_l
    return [f"{added_l:.1f} L of lung lies apart from the rest of its lung, as behind fluid."] if added_l else []


# ---------------------------------------------------------------------- which lung is which


def _by_side(mask: np.ndarray, body: Body, spacing_mm_kji: np.ndarray, preset: Preset) -> dict[int, np.ndarray]:
    """The lungs of a mask by label."""
    parts = [part for part in split_lungs(mask, spacing_mm_kji, preset) if part.any()]
    middle_i = _middle_i(mask, body)
    if not preset.recover_lost_lungs:
        parts = sorted(parts, key=_center_i)
        middle_i = middle_i or (mask.shape[2] - 1) / 2
        return {RIGHT: parts[0], LEFT: parts[1]} if len(parts) == 2 else {_side(mask, middle_i, 0.0): mask}
    if len(parts) == 2 and not _are_two_lungs(parts, middle_i, spacing_mm_kji):
        parts = [mask]
    if len(parts) == 1 and middle_i is not None:
        on_the_right = np.arange(mask.shape[2]) < middle_i
        halves = [mask & on_the_right, mask & ~on_the_right]
        smaller_l = min(map(np.count_nonzero, halves)) * float(np.prod(spacing_mm_kji)) / 1e6
        if smaller_l >= _SMALLEST_LUNG_L and contact(halves[0], halves[1], spacing_mm_kji) < _HALVED_LUNG_CONTACT:
            parts = halves
    if len(parts) == 2:
        right, left = sorted(parts, key=_center_i)
        return {LEFT: left, RIGHT: right}
    if middle_i is not None:
        return {_side(mask, middle_i, _CENTRED_MM / float(spacing_mm_kji[2])): mask}
    side_by_cut = {(True, False): LEFT, (False, True): RIGHT}  # an image that ends inside the body on the other side
    return {side_by_cut.get(body.cut_off(mask), UNKNOWN_SIDE): mask}


def _middle_i(mask: np.ndarray, body: Body) -> float | None:
    """The i index of the median plane: the spine, or the middle of a body that the image shows whole; else None."""
    if not body.tissue.any():
        return None
    spine_i = body.spine_i(mask)
    if spine_i is not None or any(body.cut_off(mask)):
        return spine_i
    return _center_i(body.tissue) * body.step[1]


def _are_two_lungs(parts: list[np.ndarray], middle_i: float | None, spacing_mm_kji: np.ndarray) -> bool:
    """Whether two parts of a mask are the two lungs rather than one lung that broke in two."""
    if contact(parts[0], parts[1], spacing_mm_kji) >= _ONE_LUNG_CONTACT:
        return False
    first_i, second_i = sorted(map(_center_i, parts))
    if middle_i is not None:
        return first_i <= middle_i <= second_i
    heights = [part.any(axis=(1, 2)) for part in parts]
    shared = np.count_nonzero(heights[0] & heights[1]) / min(map(np.count_nonzero, heights))
    return bool((second_i - first_i) * spacing_mm_kji[2] >= _SIDE_BY_SIDE_MM and shared >= 0.5)


def _side(mask: np.ndarray, middle_i: float, within: float) -> int:
    """The side of the median plane that a lung lies on; unknown within some pixels of it."""
    offset = _center_i(mask) - middle_i
    return UNKNOWN_SIDE if abs(offset) < within else LEFT if offset > 0 else RIGHT


def _center_i(mask: np.ndarray) -> float:
    """The i index of a mask's centre of mass."""
    columns = mask.sum(axis=(0, 1), dtype=float)
    return float(columns @ np.arange(len(columns)) / columns.sum())


# ---------------------------------------------------------------------- what to tell the user


def _one_lung_warning(label: int, cut_off: tuple[bool, bool]) -> str:
    """What to say of a scan with one lung; `cut_off` as `Body.cut_off` gives it."""
    if label == UNKNOWN_SIDE:
        return "Only one lung was found, and the image does not tell which: its side, and that of nodules, is unknown."
    side, missing = SIDES[label], SIDES[LEFT + RIGHT - label]
    if cut_off[0 if missing == SIDES[RIGHT] else 1]:
        return f"The image shows the {side} lung only; the {missing} lung lies outside it and was not searched."
    return f"Only one lung was found; the {missing} lung is missing from the mask and was not searched."


def lung_warnings(labels: np.ndarray) -> list[str]:
    """What to tell the user of a lung label map (K, J, I) on the scan's grid in canonical order."""
    messages = []
    for end, where in ((-1, "top"), (0, "bottom")):
        if labels[end].any():
            messages.append(f"The lungs are cut off at the {where} of the image; what lies beyond it is unknown.")
    if any(labels[:, side].any() for side in (0, -1)) or any(labels[:, :, side].any() for side in (0, -1)):
        messages.append("The lungs reach the border of the field of view; parts of them may be missing.")
    return messages
