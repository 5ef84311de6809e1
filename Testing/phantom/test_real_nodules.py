"""Real nodules come where they are put, the attached side onto the wall, and denser tissue stays."""

import numpy as np
import pytest
from scipy.ndimage import center_of_mass

from LungCancerDxLib.phantom.real_nodules import (
    PlacedNodule,
    attached_side,
    insert_real_nodules,
    place_real_nodule,
)
from LungCancerDxLib.phantom.scanner.image_quality import ImageQuality

QUIET = ImageQuality((0.0, 0.0, 0.0), 0.0, (0.0, 0.0, 0.0))
SHAPE = (40, 44, 48)
AFFINE = np.array([[0.0, 0, 1, -20], [0, 1, 0, 10], [1, 0, 0, -70], [0, 0, 0, 1]])
LUNG, TISSUE, SOFT = 50, 170, 176
STRAIGHT = np.eye(3)[:, ::-1]


class HalfSpace:
    """Lungs of 60 mm whose wall lies at x = 30 mm."""

    low_lps_mm, high_lps_mm = (-30.0, -30.0, -30.0), (30.0, 30.0, 30.0)
    vessels = np.empty((0, 4))
    bronchi = np.empty((0, 4))

    def depth_mm(self, points):
        return 30.0 - np.asarray(points)[:, 0]

    def upper(self, points):
        return np.zeros(len(points), dtype=bool)


def placed(nodule, kji, matrix=STRAIGHT, scale=1.0):
    x, y, z = (AFFINE @ [*kji, 1])[:3]
    return PlacedNodule(nodule, (x, y, z), matrix / scale, scale, seed=1)


def inserted(image, *nodules, look=QUIET):
    return insert_real_nodules(image, AFFINE, nodules, look)


def test_a_nodule_lies_at_its_centre_with_its_size_and_nothing_else_changes(bank):
    image = np.full(SHAPE, LUNG, dtype=np.uint8)
    new = inserted(image, placed(bank[0], (20.3, 21.6, 24.1)))
    change = new.astype(int) - image
    np.testing.assert_allclose(center_of_mass(change > 60), (20.3, 21.6, 24.1), atol=0.5)
    assert np.cbrt(6 / np.pi * (change > 60).sum()) == pytest.approx(9, abs=1.2)
    far = np.linalg.norm(np.argwhere(change > 0) - (20.3, 21.6, 24.1), axis=1)
    assert far.max() < 9


def test_a_nodule_may_be_larger_than_in_its_own_patient(bank):
    image = np.full(SHAPE, LUNG, dtype=np.uint8)
    sizes = [(inserted(image, placed(bank[0], (20, 22, 24), scale=s)) > 110).sum() for s in (0.8, 1.25)]
    assert np.cbrt(sizes[1] / sizes[0]) == pytest.approx(1.25 / 0.8, rel=0.12)


def test_denser_tissue_and_filled_voxels_stay(bank):
    image = np.full(SHAPE, LUNG, dtype=np.uint8)
    image[:, :22], image[:, 30:] = 230, TISSUE
    new = inserted(image, placed(bank[0], (20, 24, 24)))
    assert (new[:, :21] == 230).all()
    assert (new[:, 30:] == TISSUE).all()
    assert (new[:, 24:27] > 150).any()


def test_noise_comes_with_a_noisy_scan(bank):
    image = np.full(SHAPE, LUNG, dtype=np.uint8)
    noisy = ImageQuality((0.0, 0.0, 0.0), 80.0, (0.0, 0.0, 0.0))
    inner = (slice(18, 23), slice(20, 25), slice(22, 27))
    assert inserted(image, placed(bank[0], (20, 22, 24)))[inner].std() < 2
    assert inserted(image, placed(bank[0], (20, 22, 24)), look=noisy)[inner].std() > 5


def test_the_attached_side_is_found(bank):
    side, reach_mm, on_wall = attached_side(bank[1])
    np.testing.assert_allclose(side, (0, 0, 1), atol=0.1)
    assert reach_mm == pytest.approx(4, abs=1)
    assert on_wall


def test_the_attached_side_meets_the_wall(bank):
    for seed in range(12):
        found = place_real_nodule(np.random.default_rng(seed), bank[1], HalfSpace())
        assert found is not None
        assert 30 - found.center_lps_mm[0] == pytest.approx(4 * found.scale, abs=1.5)
        side = found.lps_to_nodule @ [1.0, 0, 0] * found.scale
        assert side[2] > 0.9, side


def test_free_nodules_keep_away_from_the_wall_and_from_what_they_must(bank):
    ball = ((0.0, 0.0, 0.0), 20.0)
    for seed in range(12):
        found = place_real_nodule(np.random.default_rng(seed), bank[0], HalfSpace(), exclusion_regions=[ball])
        assert found is not None
        assert 30 - found.center_lps_mm[0] >= found.diameter_mm / 2 + 4
        assert np.linalg.norm(found.center_lps_mm) >= 20 + found.diameter_mm / 2


def test_lungs_without_vessels_hold_no_nodule_of_a_vessel(bank, monkeypatch):
    monkeypatch.setattr("LungCancerDxLib.phantom.real_nodules.WALL_SHARE", 1.0)
    assert place_real_nodule(np.random.default_rng(0), bank[1], HalfSpace()) is None
