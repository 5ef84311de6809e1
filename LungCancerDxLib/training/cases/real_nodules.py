"""What the recipes `readers` of both networks share: what may be learned from, what the bank lacks, and its cubes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.ndimage import affine_transform, binary_dilation, distance_transform_edt
from scipy.spatial.transform import Rotation

from ...datasets.nodule_bank import BankNodule, bank_digest
from ...errors import UsageError
from ...models.bundle import Model
from ...phantom.fields import Point, as_point
from ...phantom.nodules.nodule import Kind, Margin, SyntheticNodule
from ...phantom.nodules.population import KINDS, LungPlaces
from ...preprocessing.working_grid import to_grey
from ...preset import Preset
from .store import CaseStore

TEST_ONLY = ("LIDC-IDRI-0001", "LIDC-IDRI-0002", "QIN-LSC-0064")  # neither learned from nor inserted into
POINTS = 400
LUNG_BELOW_HU = -500.0


class Lacking(NamedTuple):
    """A sort of nodules that the bank lacks.

    share: of the synthetic nodules; diameters_mm: log-uniform; depths: of the centre in radii; suspicion: from 0 to 1.
    """

    share: float
    kind: Kind
    margins: tuple[Margin, ...]
    diameters_mm: tuple[float, float]
    depths: tuple[float, float]
    suspicion: float


# Masses lie broadly on pleura and mediastinum, but for the most part in the lung: from some with their middle at its
# edge detectors learned to see masses in heart, aorta and liver.
LACKING = (
    Lacking(0.25, "solid", ("lobulated", "spiculated"), (30.0, 90.0), (0.5, 0.95), 0.95),
    Lacking(0.2, "part-solid", ("lobulated", "smooth"), (12.0, 40.0), (0.8, 9.0), 0.8),
    Lacking(0.2, "ground-glass", ("smooth", "lobulated"), (12.0, 40.0), (0.8, 9.0), 0.55),
    Lacking(0.2, "calcified", ("smooth",), (4.0, 20.0), (0.8, 9.0), 0.03),
    Lacking(0.15, "cavitated", ("lobulated", "spiculated"), (14.0, 50.0), (0.5, 9.0), 0.85),
)


def learnable(nodules: Sequence[BankNodule], fold: int | None) -> tuple[list[BankNodule], list[BankNodule]]:
    """The nodules and cubes to learn from, and those held out: a fold of the bank's patients, none for None."""
    known = [nodule for nodule in nodules if nodule.patient not in TEST_ONLY]
    return [nodule for nodule in known if nodule.fold != fold], [nodule for nodule in known if nodule.fold == fold]


def folds_learned(start: Model | None, cases: CaseStore, nodules: Sequence[BankNodule] = ()) -> tuple[int, ...]:
    """The parts of the bank that a model knows which starts as another one and learns from these cases and nodules."""
    before = start.bank_folds if start else ()
    return tuple(sorted({*before, *cases.bank_folds, *(nodule.fold for nodule in nodules)}))


def refuse_known_fold(start: Model, fold: int | None, bank: Sequence[BankNodule], cases: CaseStore) -> None:
    """Raise a `UsageError` where a fold of a bank is to be held out from a model that has learned from it, or may have:
    from another bank, in whose folds the same patients are elsewhere; or where the cases show its nodules.
    """
    if fold in cases.bank_folds:
        raise UsageError(
            f"{cases.folder} has cases with nodules of part {fold} of the bank, which would be learned although they "
            "are to be held out. Leave --fold out, or prepare cases without nodules of that part."
        )
    if fold is not None and cases.bank_folds and cases.bank not in ("", bank_digest(bank)):
        raise UsageError(
            f"{cases.folder} has cases with nodules of another bank ({cases.bank}, this one is {bank_digest(bank)}), "
            f"whose parts are others: any patient of part {fold} may be among them. Leave --fold out, or prepare cases "
            "without nodules of it."
        )
    if fold is not None and start.bank_folds and start.bank not in ("", bank_digest(bank)):
        raise UsageError(
            f"Model '{start.name}' has learned from another bank ({start.bank}, this one is {bank_digest(bank)}), "
            f"whose parts are others: it may know any patient of part {fold}. Leave --fold out, or start from a model "
            "that has learned from no bank, say from a run of `train detector --recipe cpu`."
        )
    if fold in start.bank_folds:
        known = ", ".join(map(str, start.bank_folds))
        raise UsageError(
            f"Model '{start.name}' has learned from part {fold} of the bank already (and in all from {known}), which "
            "is not new to it. Start from a model that has not, say from a run of `train detector --recipe cpu`."
        )


def held_out_scan(store: CaseStore, fold: int) -> int | None:
    """The number in a store of the case that is held out with a fold: its scan of that number, from 0, if any.

    Synthetic patients, which may stand anywhere among the cases, are not counted.
    """
    scans = np.flatnonzero(~store.synthetic).tolist()
    return scans[fold] if fold < len(scans) else None


def refuse_test_scans(names: Sequence[str], where: object) -> None:
    """Raise a `UsageError` where one of the scans to learn from is for tests only."""
    forbidden = sorted(set(names) & set(TEST_ONLY))
    if forbidden:
        raise UsageError(f"{', '.join(forbidden)} in {where} is for tests only; prepare the others.")


def draw_lacking(rng: np.random.Generator) -> tuple[Lacking, float]:
    """A sort of nodules that the bank lacks, and a diameter in mm."""
    shares = np.array([sort.share for sort in LACKING])
    sort = LACKING[rng.choice(len(LACKING), p=shares / shares.sum())]
    return sort, float(np.exp(rng.uniform(*np.log(sort.diameters_mm))))


def place_lacking(rng: np.random.Generator, sort: Lacking, diameter_mm: float, places: LungPlaces) -> SyntheticNodule:
    """A nodule of a sort and size, about as deep in the lungs as the sort lies."""
    center = draw_point(rng, places, sort.depths[0] * diameter_mm / 2, sort.depths[1] * diameter_mm / 2)
    margin, hu = sort.margins[rng.integers(len(sort.margins))], float(rng.uniform(*KINDS[sort.kind][2]))
    seed = int(rng.integers(2**31))
    return SyntheticNodule(center, diameter_mm, hu, sort.kind, margin, "pleura", bool(rng.random() < 0.5), seed)


def draw_point(rng: np.random.Generator, places: LungPlaces, low_mm: float, high_mm: float) -> Point:
    """A random point, LPS mm, at a depth in the lungs, or as near to it as one of many points comes."""
    points = rng.uniform(places.low_lps_mm, places.high_lps_mm, (POINTS, 3))
    depth = places.depth_mm(points)
    far = np.where(depth < 0, np.inf, np.maximum(low_mm - depth, 0) + np.maximum(depth - high_mm, 0))
    return as_point(points[np.argmin(far)])


def draw_turn(rng: np.random.Generator, degrees: float) -> np.ndarray:
    """A turn by up to so many degrees about each axis and a random mirror, (3, 3)."""
    mirror = np.diag(np.where(rng.random(3) < 0.5, -1.0, 1.0))
    turn: np.ndarray = Rotation.from_rotvec(np.radians(rng.uniform(-degrees, degrees, 3))).as_matrix() @ mirror
    return turn


def cube_image(nodule: BankNodule, turn: np.ndarray, shift: np.ndarray, size: int, preset: Preset) -> np.ndarray:
    """A cube of the bank as the networks see it, (size,)*3 uint8, masked as preprocessing does it.

    The nodule's middle lies by `shift` (3,) voxels off the image's; beyond the cube there is tissue.

    Parameters
    ----------
    turn
        (3, 3) offsets in the image to offsets in the cube.
    """
    hu, mask = nodule.decode()
    grey, lungs = to_grey(hu, preset), (hu < LUNG_BELOW_HU) | binary_dilation(mask, iterations=2)
    near = distance_transform_edt(~lungs) <= preset.dilation_voxels
    grey = np.where(near & (lungs | (grey <= preset.bone_value)), grey, np.uint8(preset.tissue_value))
    middle = np.argwhere(mask).mean(axis=0) + shift
    offset = middle - turn @ np.full(3, (size - 1) / 2)
    image: np.ndarray = affine_transform(grey, turn, offset, (size,) * 3, order=1, cval=preset.tissue_value)
    return image
