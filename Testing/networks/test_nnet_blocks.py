"""The residual unit, the residual block and the upsampling path."""

import pytest
import torch
from torch import nn

from LungCancerDxLib.networks.nnet import ResidualUnit, residual_block, upsampling
from Testing.networks.random_nets import randomised, seeded


def _without_branch(unit):
    """The unit with nothing on its convolution branch, so that only the shortcut is left."""
    with torch.no_grad():
        for parameter in unit.bn2.parameters():
            parameter.zero_()
    return unit


def test_a_unit_that_keeps_the_channels_adds_its_input():
    unit = _without_branch(randomised(ResidualUnit(4, 4).double()))
    x = seeded(1, 4, 3, 5, 4)
    torch.testing.assert_close(unit(x), torch.relu(x))


def test_a_unit_that_changes_the_channels_adds_a_projection_of_each_voxel():
    unit = _without_branch(randomised(ResidualUnit(4, 6).double()))
    x = seeded(1, 4, 3, 5, 4)
    one_voxel = unit(x[..., 1:2, 2:3, 3:4])
    torch.testing.assert_close(unit(x)[..., 1:2, 2:3, 3:4], one_voxel)
    assert one_voxel.shape == (1, 6, 1, 1, 1)


def test_a_unit_sees_two_voxels_to_each_side():
    unit = randomised(ResidualUnit(1, 3).double())
    x = seeded(1, 1, 9, 9, 9)
    changed = x.clone()
    changed[..., 4, 4, 4] += 10.0
    moved = (unit(changed) != unit(x)).any(dim=1)[0].nonzero()
    assert moved.amin(0).tolist() == [2, 2, 2]
    assert moved.amax(0).tolist() == [6, 6, 6]


def test_a_unit_leaves_its_input_alone():
    unit = randomised(ResidualUnit(3, 3).double())
    x = seeded(1, 3, 4, 4, 4)
    before = x.clone()
    unit(x)
    torch.testing.assert_close(x, before, rtol=0, atol=0)


@pytest.mark.parametrize("units", [1, 2, 3])
def test_only_the_first_unit_of_a_block_changes_the_channels(units):
    block = residual_block(2, 5, units)
    assert [unit.conv1.in_channels for unit in block] == [2] + [5] * (units - 1)
    assert [isinstance(unit.shortcut, nn.Identity) for unit in block] == [False] + [True] * (units - 1)
    assert block.eval()(torch.zeros(1, 2, 4, 4, 4)).shape == (1, 5, 4, 4, 4)


def test_upsampling_makes_two_cells_of_each_and_mixes_no_neighbours():
    up = randomised(upsampling(3).double())
    x = seeded(1, 3, 2, 2, 2)
    assert up(x).shape == (1, 3, 4, 4, 4)
    torch.testing.assert_close(up(x)[..., 2:, :2, 2:], up(x[..., 1:, :1, 1:]))
