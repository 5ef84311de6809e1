"""The published tile grids against oracles that pad first and slice then, with a stand-in network."""

import numpy as np
import pytest

from LungCancerDxLib.detection.location import location_scale
from LungCancerDxLib.detection.whole_scan import tiled_output
from LungCancerDxLib.errors import Cancelled
from LungCancerDxLib.preset import GRT123, PAPER
from LungCancerDxLib.runtime.device import Compute
from Testing.detection.fake_scans import StandIn, fake_scan, grey_image
from Testing.Oracles.tiles import output_2017, output_paper


def _tiled(preset, image, net, **options):
    scale = location_scale(preset, image.shape, fake_scan(image).lung_ends_kji)
    return tiled_output(net, image, scale, preset, Compute(), **options)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(150, 100, 300), (144, 288, 144), (145, 3, 7)])
def test_the_grid_of_2017_gives_the_published_cells(shape):
    image, net = grey_image(shape), StandIn()
    output = _tiled(GRT123, image, net)
    expected = output_2017(net.on_arrays, image)
    assert output.shape == expected.shape
    np.testing.assert_allclose(output, expected, atol=1e-5)
    assert output.std() > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(150, 200, 60), (176, 177, 20)])
def test_the_grid_of_the_paper_gives_the_cells_of_overlapping_parts(shape):
    image, net = grey_image(shape), StandIn()
    output = _tiled(PAPER, image, net)
    expected = output_paper(net.on_arrays, image, fake_scan(image).lung_ends_kji)
    assert output.shape == expected.shape
    np.testing.assert_allclose(output, expected, atol=1e-5)


@pytest.mark.parametrize(("preset", "shared"), [(PAPER, 32), (GRT123, 64)], ids=["PAPER", "GRT123"])
def test_parts_are_208_wide_and_neighbours_share_their_margins(preset, shared):
    net = StandIn()
    _tiled(preset, grey_image((20, 20, 200)), net)
    (left, left_location), (right, right_location) = net.seen
    assert left.shape == right.shape == (1, 1, 208, 208, 208)
    assert left_location.shape == (1, 3, 52, 52, 52)
    np.testing.assert_array_equal(left[..., -shared:], right[..., :shared])
    np.testing.assert_array_equal(left_location[..., -shared // 4 :], right_location[..., : shared // 4])


def test_beyond_the_scan_lies_tissue_in_the_paper_and_the_scans_edge_in_2017():
    image = np.full((20, 20, 20), 40, dtype=np.uint8)
    for preset, grey in ((PAPER, 170), (GRT123, 40)):
        net = StandIn()
        _tiled(preset, image, net)
        first, last = net.seen[0][0][0, 0, 0, 0, 0], net.seen[0][0][0, 0, -1, -1, -1]
        assert (float(first) * 128 + 128, float(last) * 128 + 128) == (grey, grey)


def test_far_padding_to_whole_cells_is_tissue_in_both():
    image = np.full((18, 18, 18), 40, dtype=np.uint8)
    net = StandIn()
    _tiled(GRT123, image, net)
    along = net.seen[0][0][0, 0, 32, 32, :] * 128 + 128
    assert along[:50].unique().tolist() == [40]
    assert along[50:].unique().tolist() == [170]  # two voxels of padding, then that edge repeated


def test_progress_goes_up_from_tile_to_tile_and_ends_at_one():
    fractions = []
    _tiled(GRT123, grey_image((4, 4, 300)), StandIn(), progress=lambda stage, fraction: fractions.append(fraction))
    assert fractions == pytest.approx([0, 1 / 3, 2 / 3, 1])


def test_cancelling_stops_before_the_next_tile():
    net = StandIn()

    def cancel_after_one(stage, fraction):
        if fraction > 0:
            raise Cancelled

    with pytest.raises(Cancelled):
        _tiled(GRT123, grey_image((4, 4, 300)), net, progress=cancel_after_one)
    assert len(net.seen) == 1
