"""A convolution of one channel is the same function when its columns become channels."""

import torch
from torch import nn

from LungCancerDxLib.networks.inference import ShiftedColumns, replace_single_channels
from LungCancerDxLib.networks.nnet import NNet
from LungCancerDxLib.preset import DEFAULT


def test_the_output_is_the_same_at_the_edges_too():
    torch.manual_seed(0)
    convolution, image = nn.Conv3d(1, 5, 3, padding=1).double(), torch.randn(2, 1, 4, 5, 7, dtype=torch.float64)
    replaced = ShiftedColumns(convolution).double()
    torch.testing.assert_close(replaced(image), convolution(image), rtol=0, atol=1e-12)


def test_only_the_first_layer_of_the_detector_is_replaced():
    net = NNet(DEFAULT)
    layers = sum(isinstance(part, nn.Conv3d) for part in net.modules())
    replace_single_channels(net)
    replaced = [name for name, part in net.named_modules() if isinstance(part, ShiftedColumns)]
    assert replaced == ["preBlock.0"]
    assert sum(isinstance(part, nn.Conv3d) for part in net.modules()) == layers
