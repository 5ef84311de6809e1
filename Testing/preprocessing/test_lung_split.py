"""The shortcut past the components of a mask that surely holds together."""

import numpy as np
import pytest
from scipy import ndimage

from LungCancerDxLib.preprocessing.lung_split import _holds_together, _least_of_blocks
from LungCancerDxLib.preset import DEFAULT

EDGES = ndimage.generate_binary_structure(3, 2)


def two_boxes(gap, width, holes=0.0, seed=0):
    """A box of 20 voxels along each edge and, after a gap, one of this width, with a share of holes in both."""
    mask = np.zeros((20, 21, 20 + gap + width), dtype=bool)
    mask[:, :20, :20] = mask[:, :20, 20 + gap :] = True
    return mask & (np.random.default_rng(seed).random(mask.shape) >= holes)


def sizes(mask):
    labels, _ = ndimage.label(mask, EDGES)
    return np.sort(np.bincount(labels.ravel())[1:])[::-1]


def holds_together(mask):
    return _holds_together(_least_of_blocks(mask), int(mask.sum()), DEFAULT)


@pytest.mark.parametrize(("gap", "width"), [(0, 0), (0, 18), (4, 1), (4, 3), (4, 5), (4, 18)])
def test_it_is_said_of_whole_boxes_where_one_component_outweighs_the_rest(gap, width):
    found = [*sizes(two_boxes(gap, width)), 0]
    assert holds_together(two_boxes(gap, width)) == (found[0] >= DEFAULT.max_split_ratio * found[1])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("holes", [0.01, 0.1, 0.5])
@pytest.mark.parametrize(("gap", "width"), [(0, 18), (4, 3), (4, 5)])
def test_it_is_never_said_wrongly_of_a_mask_full_of_holes(gap, width, holes, seed):
    mask = two_boxes(gap, width, holes, seed)
    found = [*sizes(mask), 0]
    assert found[0] >= DEFAULT.max_split_ratio * found[1] or not holds_together(mask)


def test_the_least_of_each_whole_block():
    array = np.random.default_rng(0).integers(0, 9, (5, 4, 7))
    least = array[:4, :, :6].reshape(2, 2, 2, 2, 3, 2).min(axis=(1, 3, 5))
    np.testing.assert_array_equal(_least_of_blocks(array), least)
