"""From proposals to masks and measurements on the CT's own grid (ours; the paper outlines nothing)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage

from ..case import Nodule
from ..names import SIDES, SOLID
from ..networks.segmenter import CORE, WHOLE, SegmenterNet
from ..preprocessing import CTLungs
from ..runtime.progress import Progress, silent
from ..volume import CTVolume, index_to_world, world_to_index
from . import measure
from .crop import CROP_SIZE, Crop, interpolated
from .lungs import DrawnLungs, draw_lungs

_POINT_STARTS_MM = (10.0, 20.0, 40.0, 70.0)  # what may lie around a point that a user set
_SHELL_MM, _LUNG_BELOW_HU = (2.0, 5.0), -500.0  # around a mask; what of it is lung
_LEAST_LUNG, _AS_MUCH, _ENOUGH_LUNG = 0.3, 0.1, 0.8  # of the shell: within something larger; as good; all around
_ROUNDS = 3  # of crops that follow the nodule where the box was off
_FITS = (0.75, 1.35)  # the nodule's diameter, of the box's
_GROWTH = 1.5  # of the crop where the nodule reaches beyond it
_OFF_SHARE = 0.25  # of the diameter: a crop whose nodule lies further off its middle is moved
_LARGEST_MM = 110.0
_SMALLEST_SHARE = 0.03  # of the ball of the box: less is no outline
_MOST_SHARED = 0.5  # of a mask, with those of better ranks
_MOST_IN_WALL = 0.8  # of a mask, beyond the lungs' hull; 0.05 of a cancer broadly on the pleura, 0.97 of a rib


@dataclass(frozen=True)
class SegmentedNodules:
    """Masks and measurements: labels (K, J, I) uint8 on the CT's own grid, each label a nodule's rank; the nodules in
    their order, with what was measured filled in; the lungs as a person would draw them, on the same grid.
    """

    labels: np.ndarray
    nodules: tuple[Nodule, ...]
    lungs: CTLungs


class Masks(NamedTuple):
    """A nodule on the scan: the box of voxels that holds it with a margin; whole and core in it, bool."""

    box: tuple[slice, slice, slice]
    whole: np.ndarray
    core: np.ndarray

    def hold(self, scan: CTVolume, point_lps_mm: np.ndarray) -> bool:
        """Whether a point lies in the nodule."""
        index = np.rint(world_to_index(scan.kji_to_lps, point_lps_mm)).astype(int) - [part.start for part in self.box]
        return bool(((index >= 0) & (index < self.whole.shape)).all() and self.whole[tuple(index)])


def is_outlined(nodule: Nodule) -> bool:
    """Whether a nodule is worth an outline: one that counts, was asked for or set by the user, or stands out."""
    return _stands_out(nodule) or nodule.malignancy is not None


def _stands_out(nodule: Nodule) -> bool:
    return nodule.is_reported or (nodule.logit or 0.0) > 0


def segment_nodules(
    volume: CTVolume,
    lungs: CTLungs,
    nodules: Sequence[Nodule],
    net: SegmenterNet | None,
    device: torch.device,
    progress: Progress = silent,
) -> SegmentedNodules:
    """Outline and measure the nodules that are worth it (`is_outlined`), and draw the lungs.

    A nodule without a mask keeps the box's diameter. Where masks overlap, the better rank keeps the voxel.
    The scan may have any orientation; the lungs are on its grid, or it is a ValueError. A nodule without
    `box_diameter_mm` is a point that the user set. `net` is in evaluation mode; without one nothing is outlined.
    """
    if lungs.labels.shape != volume.shape_kji:
        raise ValueError(f"lungs {lungs.labels.shape} are not on the grid of the CT {volume.shape_kji}")
    order, scan = volume.axis_order(), volume.canonical()
    labels, found = np.zeros(scan.shape_kji, dtype=np.uint8), {}
    if net is not None:
        net = net.to(device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        found = _outlined(nodules, lambda nodule: outline(scan, nodule, net, device, lungs), labels, progress)
    progress("drawing the lungs", 0.9)
    drawn = draw_lungs(scan, order.apply(lungs.labels), labels)
    known = []
    for n, nodule in enumerate(nodules):
        masks = found.get(n)
        sized = measured(scan, nodule, masks) if masks else replace(nodule, diameter_mm=nodule.box_diameter_mm)
        known.append(_placed(scan, sized, masks, drawn))
    progress("nodules outlined", 1.0)
    return SegmentedNodules(order.undo(labels), tuple(known), CTLungs(order.undo(drawn.labels), volume.kji_to_lps))


def _outlined(
    nodules: Sequence[Nodule], outline_of: Callable[[Nodule], Masks | None], labels: np.ndarray, progress: Progress
) -> dict[int, Masks]:
    """The masks of the nodules that are worth it, by their number; they go into the labels.

    The better rank comes first, what is outlined only because its malignancy was asked for last, so that asking takes
    no outline away. What lies for the most part in an earlier mask is the same nodule and has none.
    """
    found: dict[int, Masks] = {}
    wanted = [n for n, nodule in enumerate(nodules) if is_outlined(nodule)]
    wanted.sort(key=lambda n: (not _stands_out(nodules[n]), nodules[n].rank))
    for number, n in enumerate(wanted):
        progress("outlining nodules", number / len(wanted))
        masks = outline_of(nodules[n])
        if masks is not None and masks.whole[labels[masks.box] == 0].sum() > _MOST_SHARED * masks.whole.sum():
            labels[masks.box][masks.whole & (labels[masks.box] == 0)] = nodules[n].rank
            found[n] = masks
    return found


def outline(
    scan: CTVolume, nodule: Nodule, net: SegmenterNet, device: torch.device, lungs: CTLungs | None = None
) -> Masks | None:
    """The masks of a proposal on a scan in canonical order; None where there is no nodule, or a rib in the wall.

    A point that the user set tells no size: several are tried, as within a mass the network outlines whatever it is
    shown. That with the most lung around it is the nodule; None where there is little of it.
    """
    center = np.array(nodule.center_lps_mm, dtype=float)
    if nodule.box_diameter_mm:
        smallest_mm3 = _SMALLEST_SHARE * np.pi / 6 * nodule.box_diameter_mm**3
        return _outline_from(scan, center, nodule.box_diameter_mm, net, device, smallest_mm3, lungs)
    found: list[tuple[float, Masks]] = []
    for start_mm in _POINT_STARTS_MM:
        masks = _outline_from(scan, center, start_mm, net, device)
        if masks is not None and masks.hold(scan, center):
            found.append((_lung_around(scan, masks), masks))
            if found[-1][0] > _ENOUGH_LUNG:
                break
    most = max((share for share, _ in found), default=0.0)
    return next((masks for share, masks in found if share >= max(most - _AS_MUCH, _LEAST_LUNG)), None)


def _lung_around(scan: CTVolume, masks: Masks) -> float:
    """The share of lung in a shell around a mask."""
    outside_mm = ndimage.distance_transform_edt(~masks.whole, scan.spacing_mm_kji)
    shell = scan.voxels[masks.box][(outside_mm > _SHELL_MM[0]) & (outside_mm < _SHELL_MM[1])]
    return float((shell < _LUNG_BELOW_HU).mean()) if len(shell) else 0.0


def _outline_from(
    scan: CTVolume,
    center: np.ndarray,
    diameter_mm: float,
    net: SegmenterNet,
    device: torch.device,
    smallest_mm3: float = 0.0,
    lungs: CTLungs | None = None,
) -> Masks | None:
    """The masks around a centre (LPS mm), beginning with a crop for a diameter."""
    for _ in range(_ROUNDS):
        crop = Crop.around(center, diameter_mm)
        shares = segmenter_output(net, crop, scan, device)
        mask = _in_the_middle(shares[WHOLE] > 0.5)
        if not mask.any():
            return None
        center, fitted_mm, cut_off = _place(mask, crop)
        off_mm = float(np.linalg.norm(center - index_to_world(crop.kji_to_lps, np.full(3, (CROP_SIZE - 1) / 2))))
        fitted_mm = max(fitted_mm, _GROWTH * diameter_mm if cut_off else 0.0)
        if _FITS[0] < fitted_mm / diameter_mm < _FITS[1] and off_mm < _OFF_SHARE * diameter_mm + crop.spacing_mm:
            break
        diameter_mm = min(fitted_mm, _LARGEST_MM)
    some = index_to_world(crop.kji_to_lps, np.argwhere(mask)[::7])
    in_wall = lungs is not None and lungs.beyond_hull(some).mean() > _MOST_IN_WALL
    if in_wall or mask.sum() * crop.spacing_mm**3 < smallest_mm3:
        return None
    return _onto_scan(np.where(mask, shares, np.minimum(shares, 0.49)), mask, crop, scan)


def outlined(scan: CTVolume, nodule: Nodule, net: SegmenterNet, device: torch.device) -> Nodule:
    """A proposal with what its outline measures, as it is where it has none; no lung is known to tell ribs."""
    masks = outline(scan, nodule, net, device)
    return nodule if masks is None else measured(scan, nodule, masks)


@torch.no_grad()
def segmenter_output(net: SegmenterNet, crop: Crop, scan: CTVolume, device: torch.device) -> np.ndarray:
    """(2, S, S, S) float32, the probabilities of whole nodule and solid core; no core is outside the nodule."""
    hu = torch.from_numpy(crop.hu(scan))[None, None]
    sizes = (torch.tensor([size], dtype=torch.float32) for size in (crop.diameter_mm, crop.spacing_mm))
    with torch.autocast(device.type, enabled=False):  # a training that is under way may have turned it on
        logits = net(*(tensor.to(device) for tensor in (hu, *sizes)))
    shares: np.ndarray = torch.sigmoid(logits)[0].cpu().numpy()
    shares[CORE] = np.minimum(shares[CORE], shares[WHOLE])
    return shares


def _in_the_middle(mask: np.ndarray) -> np.ndarray:
    """The part of a mask that has most of what lies near the middle."""
    parts, count = ndimage.label(mask)
    if count <= 1:
        return mask
    square = (np.arange(CROP_SIZE) - (CROP_SIZE - 1) / 2) ** 2
    far = square[:, None, None] + square[:, None] + square
    near = ndimage.sum_labels(np.exp2(-far / (CROP_SIZE / 5) ** 2), parts, range(1, count + 1))
    return np.asarray(parts == 1 + int(np.argmax(near)))


def _place(mask: np.ndarray, crop: Crop) -> tuple[np.ndarray, float, bool]:
    """Centre in LPS mm and equivalent diameter of a mask, and whether it reaches the crop's faces."""
    points = np.argwhere(mask)
    cut_off = bool((points == 0).any() or (points == CROP_SIZE - 1).any())
    center = index_to_world(crop.kji_to_lps, points.mean(axis=0))
    return center, measure.equivalent_diameter_mm(len(points) * crop.spacing_mm**3), cut_off


def _onto_scan(shares: np.ndarray, mask: np.ndarray, crop: Crop, scan: CTVolume) -> Masks | None:
    """The voxels of the scan at whose centres the interpolated shares are one half or more."""
    inside = np.argwhere(mask)
    corners = np.array([inside.min(axis=0) - 1, inside.max(axis=0) + 1])
    ends = np.stack(np.meshgrid(*corners.T, indexing="ij"), -1).reshape(-1, 3)
    index = world_to_index(scan.kji_to_lps, index_to_world(crop.kji_to_lps, ends))
    margin = np.ceil(measure.MARGIN_MM / scan.spacing_mm_kji)
    low = np.clip(np.floor(index.min(axis=0)) - margin, 0, scan.shape_kji).astype(int)
    high = np.clip(np.ceil(index.max(axis=0)) + margin + 1, low, scan.shape_kji).astype(int)
    k, j, i = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    to_crop = np.linalg.inv(crop.kji_to_lps) @ scan.kji_to_lps
    to_crop[:3, 3] += to_crop[:3, :3] @ low
    whole, core = (interpolated(share, to_crop, tuple(high - low), 0.0) >= 0.5 for share in shares[[WHOLE, CORE]])
    return Masks((k, j, i), whole, core & whole) if whole.any() else None


def measured(scan: CTVolume, nodule: Nodule, masks: Masks) -> Nodule:
    """The nodule with what its masks tell of its size, density and type."""
    hu, spacing = scan.voxels[masks.box].astype(np.float32), scan.spacing_mm_kji
    core, core_mm = measure.solid_core(hu, masks.core, float(np.prod(spacing)))
    kind = measure.nodule_type(hu, masks.whole, core, spacing)
    volume_mm3 = measure.volume_mm3(hu, masks.whole, spacing, is_solid=kind == SOLID)
    return replace(
        nodule,
        volume_mm3=volume_mm3,
        diameter_mm=measure.equivalent_diameter_mm(volume_mm3),
        longest_axial_diameter_mm=measure.longest_axial_diameter_mm(masks.whole, spacing[1:]),
        solid_component_mm=core_mm,
        mean_hu=float(hu[masks.whole].mean()),
        type=kind,
    )


def _placed(scan: CTVolume, nodule: Nodule, masks: Masks | None, lungs: DrawnLungs) -> Nodule:
    """The nodule with its place in the lung; distances to the pleura are its surface's, without a mask its centre's."""
    center = np.array(nodule.center_lps_mm, dtype=float)
    label = lungs.lung_at(center)
    if label is None:
        return nodule
    points = center[None]
    if masks is not None:
        points = index_to_world(scan.kji_to_lps, np.argwhere(masks.whole) + [side.start for side in masks.box])
    return replace(
        nodule,
        side=SIDES[label],
        third=lungs.third(label, center),
        distance_to_pleura_mm=float(max(lungs.depth_mm(label, points).min(), 0.0)),
    )
