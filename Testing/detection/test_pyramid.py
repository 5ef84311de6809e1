"""The image pyramid: a scan at half its resolution, and large boxes from there."""

from dataclasses import replace

import numpy as np
import pytest
from torch import nn

from LungCancerDxLib.detection import detector
from LungCancerDxLib.detection.detector import detect
from LungCancerDxLib.detection.proposals import Proposals
from LungCancerDxLib.preset import DEFAULT, GRT123, PAPER
from LungCancerDxLib.runtime.device import Compute
from LungCancerDxLib.volume import index_to_world, world_to_index
from Testing.detection.fake_scans import fake_scan, grey_image

SHAPE = (80, 96, 88)


def _output(shape, boxes):
    """A network's output (Z', Y', X', 3, 5) over an image with boxes {(cell): (logit, diameter)} at their cells."""
    output = np.zeros((*(-(-n // 4) for n in shape), 3, 5), dtype=np.float32)
    output[..., 0] = -20
    for cell, (logit, diameter) in boxes.items():
        output[(*cell, 1, 0)], output[(*cell, 1, 4)] = logit, np.log(diameter / 30)
    return output


@pytest.fixture
def levels(monkeypatch):
    """A function that gives what the network puts out over the scan and over the scan at half its resolution."""

    def plant(fine, coarse):
        def output(net, image, *rest):
            return _output(image.shape, fine if image.shape == SHAPE else coarse)

        monkeypatch.setattr(detector, "whole_scan_output", output)
        monkeypatch.setattr(detector, "tiled_output", output)

    return plant


def _detected(preset=DEFAULT):
    return detect(fake_scan(np.zeros(SHAPE, dtype=np.uint8)), nn.Identity(), preset, Compute()).proposals


# ---------------------------------------------------------------------- the scan at half its resolution


def test_a_voxel_of_the_halved_scan_is_the_mean_of_eight_where_their_middle_lies():
    scan = fake_scan(grey_image((6, 8, 10)))
    halved = scan.halved()
    assert halved.image.shape == (3, 4, 5)
    assert halved.image[1, 2, 3] == np.rint(scan.image[2:4, 4:6, 6:8].mean())
    middle = index_to_world(scan.kji_to_lps, np.array([2.5, 4.5, 6.5]))
    assert index_to_world(halved.kji_to_lps, np.array([1.0, 2.0, 3.0])) == pytest.approx(middle)
    assert halved.spacing_mm == pytest.approx(2 * scan.spacing_mm)


def test_the_last_voxel_of_an_odd_size_is_repeated():
    scan = fake_scan(grey_image((5, 4, 1)))
    halved = scan.halved()
    assert halved.image.shape == (3, 2, 1)
    assert halved.image[2, 0, 0] == np.rint(scan.image[4, :2, 0].mean())


def test_lungs_and_their_ends_lie_where_they_lay():
    dilated = np.zeros((8, 8, 8), dtype=bool)
    dilated[3, 4, 5] = True
    scan = fake_scan(grey_image((8, 8, 8)), dilated)
    halved = scan.halved()
    assert np.argwhere(halved.dilated).tolist() == [[1, 2, 2]]
    ends = index_to_world(scan.kji_to_lps, scan.lung_ends_kji)
    assert world_to_index(halved.kji_to_lps, ends) == pytest.approx(halved.lung_ends_kji)


def test_proposals_of_the_halved_scan_are_at_their_place_in_the_patient():
    scan = fake_scan(grey_image((8, 8, 8)))
    halved = Proposals.from_rows(np.array([[1.0, 2.0, 1.0, 3.0, 5.0]]))
    back = halved.of_halved()
    there = index_to_world(scan.halved().kji_to_lps, halved.center_kji)
    assert index_to_world(scan.kji_to_lps, back.center_kji) == pytest.approx(there)
    assert back.diameter.tolist() == [10]


# ---------------------------------------------------------------------- both levels


def test_a_mass_that_only_the_coarse_level_boxes_whole_is_one_proposal(levels):
    """Parts of it that the fine level boxed go, where they overlap it."""
    levels(fine={(10, 8, 10): (5.0, 35), (14, 12, 10): (2.0, 35)}, coarse={(6, 5, 5): (11.0, 35)})
    found = _detected()
    assert found.rows() == pytest.approx(np.array([[11.0, 51.5, 43.5, 43.5, 70.0]]), abs=1e-4)


def test_a_nodule_that_the_fine_level_boxes_better_stays(levels):
    levels(fine={(10, 8, 10): (9.0, 42)}, coarse={(5, 4, 5): (6.0, 22)})
    found = _detected()
    assert found.rows()[:, [0, 4]] == pytest.approx(np.array([[9.0, 42.0]]))
    assert found.center_kji == pytest.approx(np.array([[42.5, 34.5, 42.5]]), abs=0.01)  # both vote: 41.5 and 43.5


def test_small_or_doubtful_boxes_of_the_coarse_level_do_not_count(levels):
    levels(fine={}, coarse={(5, 4, 5): (6.0, 19.9), (1, 1, 1): (3.5, 20.1), (8, 10, 9): (2.9, 20.1)})
    assert _detected().logit.tolist() == [3.5]


def test_the_list_is_ordered_over_both_levels(levels):
    levels(fine={(1, 1, 1): (5.0, 10), (18, 20, 18): (1.0, 10)}, coarse={(5, 5, 5): (4.0, 25)})
    assert _detected().logit.tolist() == [5, 4, 1]


@pytest.mark.parametrize("preset", [PAPER, GRT123, replace(DEFAULT, coarse_from=None)], ids=lambda one: one.name)
def test_presets_without_a_pyramid_look_once(levels, preset):
    levels(fine={}, coarse={(5, 4, 5): (6.0, 40)})
    assert len(_detected(preset)) == 0


def test_progress_runs_from_one_level_into_the_other(monkeypatch):
    told = []

    def output(net, image, location, preset, compute, slab, progress):
        progress("detecting nodules", 0.0)
        progress("detecting nodules", 1.0)
        return _output(image.shape, {})

    monkeypatch.setattr(detector, "whole_scan_output", output)
    scan = fake_scan(np.zeros(SHAPE, dtype=np.uint8))
    detect(scan, nn.Identity(), DEFAULT, Compute(), lambda stage, fraction: told.append(fraction))
    assert told == pytest.approx([0, 8 / 9, 8 / 9, 1])
