"""Nodules that a classifier does not learn from, shown to it as at test time and sampled anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from ...classification.classifier import crop_start
from ...datasets.nodule_bank import BankNodule
from ...phantom.real_nodules import PlacedNodule, place_real_nodule
from ...preset import Preset
from .rated_crops import TRIES, Background, Rated, center_of, resampled, shown, without_nodule


class HeldOut(NamedTuple):
    """Nodules that are not learned from, in a scan that is not learned from, each in the middle of a crop.

    `resampled` shows the first of them sampled anew: shifted by half a voxel, turned by 10 degrees in the slice, in
    voxels of 0.7 mm, and mirrored; `alarms` are the scan's false alarms.
    """

    scan: str
    nodules: list[BankNodule]
    crops: list[Rated]
    resampled: list[list[Rated]]
    alarms: list[Rated]


def held_out(
    background: Background, nodules: Sequence[BankNodule], preset: Preset, seed: int, resampled_count: int = 40
) -> HeldOut:
    """The same crops for the same seed; nodules that find no place are left out."""
    alarms = [without_nodule(background, center, preset) for center in background.false_alarms]
    found = HeldOut(background.case.name, [], [], [], alarms)
    for number, nodule in enumerate(nodules):
        rng = np.random.default_rng([seed, number, 77])
        places = (place_real_nodule(rng, nodule, background.places, (1.0, 1.0)) for _ in range(TRIES))
        placed = next((place for place in places if place is not None), None)
        if placed is not None:
            found.nodules.append(nodule)
            found.crops.append(shown(placed, background, preset))
            if len(found.resampled) < resampled_count:
                found.resampled.append(_sampled_anew(placed, background, preset))
    return found


def _sampled_anew(placed: PlacedNodule, background: Background, preset: Preset) -> list[Rated]:
    straight = shown(placed, background, preset)
    middle = crop_start(center_of(placed, background), preset) + (preset.crop_size - 1) / 2
    turn: np.ndarray = Rotation.from_rotvec([np.radians(10.0), 0, 0]).as_matrix()
    return [
        shown(placed, background, preset, middle + 0.5, np.eye(3)),
        shown(placed, background, preset, middle, turn),
        straight._replace(image=resampled(straight.image, (0.7,) * 3, (0.3,) * 3, preset.tissue_value)),
        straight._replace(image=np.ascontiguousarray(straight.image[:, :, ::-1])),
    ]
