"""The location input: -1 to 1 between the ends of the lungs, or -0.5 to 0.5 between the ends of the image."""

import numpy as np
import pytest

from LungCancerDxLib.detection.location import location_grid, location_scale
from LungCancerDxLib.preset import DEFAULT, GRT123, PAPER

ORIGIN = np.zeros(3)
LUNG_ENDS = np.array([[1.5, 9.5, -2.5], [41.5, 25.5, 37.5]])


def _along(location, axis):
    """The map's own axis through the first cell."""
    line = [0, 0, 0]
    line[axis] = slice(None)
    return location[axis][tuple(line)]


@pytest.mark.parametrize("preset", [PAPER, DEFAULT], ids=lambda preset: preset.name)
def test_the_paper_puts_minus_one_and_one_at_the_ends_of_the_lungs(preset):
    location = location_scale(preset, (48, 48, 48), LUNG_ENDS).map(ORIGIN, (12, 12, 12))
    assert location.dtype == np.float32
    np.testing.assert_allclose(_along(location, 0)[[0, 5, 10]], [-1, 0, 1])  # cells at voxels 1.5, 21.5, 41.5
    np.testing.assert_allclose(_along(location, 1)[[2, 4, 6]], [-1, 0, 1])  # 9.5, 17.5, 25.5
    np.testing.assert_allclose(_along(location, 2)[[0, 4, 9]], [-0.8, 0, 1])  # 1.5, 17.5, 37.5; the lung starts at -2.5


def test_location_goes_on_linearly_beyond_the_lungs():
    location = location_scale(PAPER, (48, 48, 48), LUNG_ENDS).map(ORIGIN, (12, 12, 12))
    np.testing.assert_allclose(_along(location, 1)[[0, 1, 7, 11]], [-2, -1.5, 1.5, 3.5])


def test_a_map_may_start_anywhere():
    scale = location_scale(PAPER, (48, 48, 48), LUNG_ENDS)
    whole = scale.map(np.array([-8, -8, -8]), (16, 16, 16))
    part = scale.map(np.array([0, 4, 16]), (3, 4, 5))
    np.testing.assert_array_equal(part, whole[:, 2:5, 3:7, 6:11])


def test_each_axis_of_the_map_varies_along_itself_only():
    grid = location_grid([np.array([1.0, 2.0]), np.array([3.0, 4.0, 5.0]), np.array([6.0])])
    assert grid.shape == (3, 2, 3, 1)
    assert grid[0, :, 1, 0].tolist() == [1, 2]
    assert grid[1, 1, :, 0].tolist() == [3, 4, 5]
    assert (grid[2] == 6).all()


@pytest.mark.parametrize("shape", [(1, 4, 5), (8, 9, 12), (150, 100, 300), (144, 288, 161)])
def test_the_code_of_2017_spans_the_image_padded_to_whole_cells(shape):
    cells = tuple(-(-n // 4) for n in shape)
    location = location_scale(GRT123, shape, LUNG_ENDS).map(ORIGIN, cells)
    for axis, n in enumerate(cells):
        np.testing.assert_allclose(_along(location, axis), np.linspace(-0.5, 0.5, n), atol=1e-6)


def test_only_the_paper_asks_where_the_lungs_are():
    for preset, moves in ((PAPER, True), (DEFAULT, True), (GRT123, False)):
        maps = [
            location_scale(preset, (48, 48, 48), ends).map(ORIGIN, (2, 2, 2)) for ends in (LUNG_ENDS, LUNG_ENDS / 2)
        ]
        assert (maps[0] != maps[1]).any() == moves


def test_lungs_of_one_slice_have_a_finite_location():
    flat = np.array([[5.0, 5.0, 5.0], [5.0, 5.0, 5.0]])
    assert np.isfinite(location_scale(PAPER, (8, 8, 8), flat).map(ORIGIN, (2, 2, 2))).all()
