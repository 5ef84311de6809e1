"""Components by runs are those of a label volume."""

import numpy as np
import pytest
from scipy import ndimage

from LungCancerDxLib.preprocessing.runs import ALL, FACES, FACES_AND_EDGES, PIXELS, Runs

WITHIN_A_SLICE = np.zeros((3, 3, 3), bool)
WITHIN_A_SLICE[1] = True
STRUCTURES = {
    PIXELS: WITHIN_A_SLICE,
    FACES: ndimage.generate_binary_structure(3, 1),
    FACES_AND_EDGES: ndimage.generate_binary_structure(3, 2),
    ALL: ndimage.generate_binary_structure(3, 3),
}
SHAPES = [(5, 7, 9), (1, 6, 8), (7, 5, 1), (6, 1, 9), (4, 9, 12)]


def noise(shape, share, seed=0):
    return np.random.default_rng(seed).random(shape) < share


@pytest.mark.parametrize("neighbours", STRUCTURES, ids=["pixels", "faces", "faces and edges", "all"])
@pytest.mark.parametrize("share", [0.0, 0.15, 0.4, 0.7, 1.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_partition_and_the_sizes_are_those_of_labelling(shape, share, neighbours):
    mask = noise(shape, share)
    labels, count = ndimage.label(mask, STRUCTURES[neighbours])
    components = Runs.of(mask).components(neighbours)
    assert components.count == count
    own = components.runs.paint(components.of_run + 1)
    np.testing.assert_array_equal(own > 0, mask)
    assert len(np.unique(np.stack([own[mask], labels[mask]]), axis=1).T) == count
    np.testing.assert_array_equal(components.size, np.bincount(own[mask], minlength=count + 1)[1:])


@pytest.mark.parametrize("shape", SHAPES)
def test_chosen_components_are_painted_whole(shape):
    mask = noise(shape, 0.3)
    labels, _ = ndimage.label(mask, STRUCTURES[ALL])
    components = Runs.of(mask).components(ALL)
    point = np.argwhere(mask)[-1]
    chosen = components.choose(components.runs.holding(point[None]))
    np.testing.assert_array_equal(components.mask(chosen), labels == labels[tuple(point)])


def test_a_point_outside_the_mask_is_held_by_no_run():
    mask = noise((4, 5, 6), 0.4)
    assert len(Runs.of(mask).holding(np.argwhere(~mask))) == 0
    assert len(Runs.of(np.zeros((2, 3, 4), bool)).holding(np.array([[0, 0, 0]]))) == 0


def test_the_runs_of_one_slice_and_of_those_before_it():
    mask = noise((4, 5, 6), 0.4)
    runs = Runs.of(mask)
    for k in range(4):
        of_slice, here = runs.in_slice(k)
        np.testing.assert_array_equal(of_slice.paint(np.ones(len(of_slice.first), bool))[0], mask[k])
        assert set(runs.k[here]) <= {k}
        below = runs.below(k)
        np.testing.assert_array_equal(below.paint(np.ones(len(below.first), bool))[:k], mask[:k])
        assert not below.paint(np.ones(len(below.first), bool))[k:].any()


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("side", [0, -1])
def test_runs_at_a_border_are_those_with_a_voxel_there(axis, side):
    mask = noise((4, 5, 6), 0.5)
    runs = Runs.of(mask)
    plane = np.zeros_like(mask)
    np.moveaxis(plane, axis, 0)[side] = True
    np.testing.assert_array_equal(np.flatnonzero(runs.at_border(axis, side)), runs.holding(np.argwhere(mask & plane)))
