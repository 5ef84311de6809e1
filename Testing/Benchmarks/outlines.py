"""How good a segmenter's outlines are: real nodules, digital balls, other spacings and turns, a proven cancer.

    python -m Testing.Benchmarks.outlines SEGMENTER --data FOLDER [--fold N] [--background CT]

Nodules of the bank lie in their own surroundings; beyond what was cut out with them lies the background's lung, and no
Dice is counted there. Every proposal is off as a detector's is, each in its own way. With --fold only nodules that a
training with that --fold has not seen count; give it the same background.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import affine_transform
from scipy.spatial.transform import Rotation

from LungCancerDxLib.case import Nodule
from LungCancerDxLib.datasets.nodule_bank import BankNodule, read_nodule_bank
from LungCancerDxLib.io import read_ct
from LungCancerDxLib.io.image_file import read_array
from LungCancerDxLib.models.segmenter import load_segmenter
from LungCancerDxLib.networks.segmenter import SegmenterNet
from LungCancerDxLib.phantom.patient import grid_affine
from LungCancerDxLib.preprocessing import CTLungs
from LungCancerDxLib.segmentation import measure
from LungCancerDxLib.segmentation.nodules import outline, segment_nodules
from LungCancerDxLib.training.segmenter.items import Background
from LungCancerDxLib.volume import CTVolume, index_to_world
from Testing.segmentation.scenes import GLASS_HU, SOLID_HU, Scene, ball_mm3

CPU = torch.device("cpu")
AROUND_MM = 30.0
BALLS_MM, SPACINGS_MM = (4, 6, 8, 12, 20, 30), ((0.6, 0.6, 0.6), (1.25, 0.7, 0.7), (2.5, 0.75, 0.75), (3.0, 0.9, 0.9))
ANEW_MM, ANEW_DEGREES = (0.7, 1.25, 2.5), 10.0
SMALLEST_ANEW_MM = 6.0


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("segmenter", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--fold", type=int)
    parser.add_argument("--background", type=Path)
    arguments = parser.parse_args()
    net = load_segmenter(arguments.segmenter).net
    bank = [n for n in read_nodule_bank(arguments.data) if arguments.fold is None or n.fold == arguments.fold]
    background = Background.of(read_ct(arguments.background)) if arguments.background else None
    groups = {"cubes": [nodule for nodule in bank if nodule.is_cube]}
    if background is not None:
        for name, attached in (("free", False), ("attached", True)):
            groups[name] = [n for n in bank if not n.is_cube and n.is_attached == attached]
    dice = {
        name: [bank_dice(net, nodule, background, number) for number, nodule in enumerate(nodules)]
        for name, nodules in groups.items()
    }
    for name, values in ((name, values) for name, values in dice.items() if values):
        print(f"{name}: {len(values)}, Dice median {np.median(values):.3f}, p10 {np.percentile(values, 10):.3f}")
    large = [n for n in bank if n.is_cube and n.diameter_mm >= SMALLEST_ANEW_MM]
    spread = [variation(net, cube) for cube in large]
    if spread:
        print(f"sampled anew: {len(spread)} cubes, coefficient of variation median {np.nanmedian(spread):.3f}")
    for kind, hu in (("solid", SOLID_HU), ("ground glass", GLASS_HU)):
        errors = np.array([[ball_error(net, mm, hu, spacing) for spacing in SPACINGS_MM] for mm in BALLS_MM])
        print(f"balls, {kind}: bias {np.nanmean(errors):+.3f}, worst {np.nanmax(np.abs(errors)):.3f}")
        for mm, row in zip(BALLS_MM, errors, strict=True):
            print(f"  {mm:3d} mm: " + "  ".join(f"{error:+.3f}" for error in row))
    mass = arguments.data / "QIN-LSC-0064.nrrd"
    if mass.exists():
        print(f"QIN-LSC-0064: Dice {mass_dice(net, mass):.3f}")


def off(rng: np.random.Generator, center_lps_mm: np.ndarray, diameter_mm: float) -> Nodule:
    """A proposal that is off by up to 1 mm and a tenth of the diameter, its box by a factor of 0.8 to 1.25."""
    center = center_lps_mm + rng.uniform(-1, 1, 3) * (1.0 + 0.1 * diameter_mm) / 3**0.5
    box_mm = diameter_mm * float(np.exp(rng.uniform(*np.log((0.8, 1.25)))))
    return Nodule(rank=1, source="detected", center_lps_mm=tuple(center.tolist()), box_diameter_mm=box_mm)


def whole_mask(net: SegmenterNet, scan: CTVolume, nodule: Nodule) -> np.ndarray:
    """The mask of a proposal on a scan, (K, J, I) bool, empty where it has none."""
    mask, found = np.zeros(scan.shape_kji, dtype=bool), outline(scan, nodule, net, CPU)
    if found is not None:
        mask[found.box] = found.whole
    return mask


def volume_mm3(net: SegmenterNet, scan: CTVolume, nodule: Nodule) -> float:
    """Its volume; NaN where it has no mask."""
    lungs = CTLungs(np.zeros(scan.shape_kji, dtype=np.uint8), scan.kji_to_lps)
    volume = segment_nodules(scan, lungs, [replace(nodule, source="user")], net, CPU).nodules[0].volume_mm3
    return float("nan") if volume is None else volume


def dice(mask: np.ndarray, truth: np.ndarray) -> float:
    """Of two masks, the truth not empty."""
    return float(2 * (mask & truth).sum() / (mask.sum() + truth.sum()))


def embedded(nodule: BankNodule, background: Background | None, rng: np.random.Generator) -> tuple[CTVolume, tuple]:
    """A scan of the nodule's own voxels with the background's lung around it, and the slices where they are."""
    hu, _ = nodule.decode()
    spacing = np.array(nodule.spacing_mm_kji)
    pad = (0, 0, 0) if background is None else np.ceil(AROUND_MM / spacing).astype(int)
    shape = np.array(hu.shape) + 2 * np.array(pad)
    affine = grid_affine(nodule.spacing_mm_kji, (0.0, 0.0, 0.0))
    own = tuple(slice(p, p + n) for p, n in zip(pad, hu.shape, strict=True))
    voxels = np.full(shape, -850, dtype=np.int16)
    if background is not None:
        there = affine.copy()
        there[:3, 3] = background.draw_point(rng, 5.0, np.inf) - affine[:3, :3] @ (shape / 2)
        to_scan = np.linalg.inv(background.volume.kji_to_lps) @ there
        affine_transform(background.volume.voxels, to_scan[:3, :3], to_scan[:3, 3], tuple(shape), voxels, order=1)
    voxels[own] = hu
    return CTVolume(voxels, affine), own


def bank_dice(net: SegmenterNet, nodule: BankNodule, background: Background | None, seed: int) -> float:
    """Dice of a nodule in its own surroundings, counted where they are known."""
    rng = np.random.default_rng([seed, 3])
    scan, own = embedded(nodule, background, rng)
    truth = nodule.mask
    center = index_to_world(scan.kji_to_lps, np.argwhere(truth).mean(axis=0) + [side.start for side in own])
    return dice(whole_mask(net, scan, off(rng, center, nodule.diameter_mm))[own], truth)


def variation(net: SegmenterNet, cube: BankNodule) -> float:
    """Coefficient of variation of a cube's volume over other spacings and a turn."""
    scan, _ = embedded(cube, None, np.random.default_rng(0))
    center = index_to_world(scan.kji_to_lps, np.argwhere(cube.mask).mean(axis=0))
    nodule = Nodule(rank=1, source="detected", center_lps_mm=tuple(center.tolist()), box_diameter_mm=cube.diameter_mm)
    turn = Rotation.from_rotvec([0, 0, np.radians(ANEW_DEGREES)]).as_matrix()
    scans = [scan, *(_resampled(scan, (mm, min(mm, 1.25), min(mm, 1.25)), np.eye(3)) for mm in ANEW_MM)]
    volumes = [volume_mm3(net, one, nodule) for one in [*scans, _resampled(scan, (1.0, 1.0, 1.0), turn)]]
    return float(np.std(volumes) / np.mean(volumes))


def _resampled(scan: CTVolume, spacing_mm: tuple[float, float, float], turn: np.ndarray) -> CTVolume:
    """A scan on other voxels, turned about its middle, linearly interpolated; thick slices are averages."""
    shape = np.floor(np.array(scan.shape_kji) * scan.spacing_mm_kji / spacing_mm).astype(int)
    affine = grid_affine(spacing_mm, (0.0, 0.0, 0.0))
    affine[:3, :3] = turn @ affine[:3, :3]
    middle = index_to_world(scan.kji_to_lps, (np.array(scan.shape_kji) - 1) / 2)
    affine[:3, 3] = middle - affine[:3, :3] @ ((shape - 1) / 2)
    parts = max(1, round(spacing_mm[0] / 0.6))
    total = np.zeros(shape, dtype=np.float32)
    for part in (np.arange(parts) + 0.5) / parts - 0.5:
        shifted = affine.copy()
        shifted[:3, 3] += affine[:3, 0] * part
        to_scan = np.linalg.inv(scan.kji_to_lps) @ shifted
        sampled = affine_transform(
            scan.voxels, to_scan[:3, :3], to_scan[:3, 3], tuple(shape), np.float32, order=1, mode="nearest"
        )
        total += sampled / parts
    return CTVolume(np.rint(total).astype(np.int16), affine)


def ball_error(net: SegmenterNet, diameter_mm: float, hu: float, spacing_mm: tuple[float, float, float]) -> float:
    """The error of a digital ball's volume, as a share; NaN where it has no mask."""
    center = np.random.default_rng(int(10 * diameter_mm)).uniform(-1, 1, 3)
    half_mm = 20 + diameter_mm / 2
    scan, _ = Scene(spacing_mm, half_mm, half_mm - 3, seed=1).ball(center, diameter_mm, hu).scan()
    nodule = Nodule(rank=1, source="detected", center_lps_mm=tuple(center.tolist()), box_diameter_mm=diameter_mm)
    return volume_mm3(net, scan.canonical(), nodule) / ball_mm3(diameter_mm) - 1


def mass_dice(net: SegmenterNet, path: Path) -> float:
    """Dice of a scan with one lesion whose mask lies beside it, from a box that fits."""
    scan = read_ct(path)
    truth = scan.axis_order().apply(read_array(path.with_name(f"{path.stem}-tumour.nrrd")) > 0)
    scan = scan.canonical()
    points = index_to_world(scan.kji_to_lps, np.argwhere(truth))
    diameter_mm = measure.equivalent_diameter_mm(truth.sum() * float(np.prod(scan.spacing_mm_kji)))
    center = tuple(points.mean(axis=0).tolist())
    return dice(whole_mask(net, scan, Nodule(1, "detected", center, box_diameter_mm=diameter_mm)), truth)


if __name__ == "__main__":
    main()
