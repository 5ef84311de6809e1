"""A network made ready for inference computes what it computed before, and the original stays as it is."""

import copy

import pytest
import torch
from torch import nn

from LungCancerDxLib.networks.cnet import CNet
from LungCancerDxLib.networks.inference import (
    ShiftedColumns,
    fold_batch_norm,
    prepare_for_inference,
    replace_single_channels,
)
from LungCancerDxLib.networks.nnet import NNet
from LungCancerDxLib.preset import DEFAULT, GRT123
from LungCancerDxLib.runtime.device import Compute
from Testing.helpers import tiny
from Testing.networks.random_nets import randomised


@pytest.mark.slow
@pytest.mark.parametrize("network", [NNet, CNet])
def test_with_folded_batch_norm_the_output_is_the_same(network):
    net = randomised(network(tiny()).double())
    folded = copy.deepcopy(net)
    fold_batch_norm(folded)
    image = torch.rand(1, 1, 32, 32, 32, dtype=torch.float64) - 0.5
    place = torch.rand(1, 3, 8, 8, 8, dtype=torch.float64)
    backbone, own = (n if network is NNet else n.NoduleNet for n in (net, folded))
    with torch.inference_mode():
        torch.testing.assert_close(own.features(image, place), backbone.features(image, place), rtol=1e-10, atol=1e-10)
    assert any(isinstance(module, nn.BatchNorm3d) for module in net.modules())
    assert not any(isinstance(module, nn.BatchNorm3d) for module in folded.modules())


def test_a_convolution_of_one_channel_is_the_same_function_when_its_columns_become_channels():
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


def test_preparing_leaves_the_original_untouched():
    net = nn.Sequential(nn.Conv3d(1, 2, 3), nn.Dropout(0.5)).train()
    before = net[0].weight.clone()
    ready = prepare_for_inference(net, DEFAULT, Compute(dtype=torch.bfloat16))
    with torch.no_grad():
        ready[0].weight.zero_()
    assert net.training
    assert not ready.training
    assert (net[0].weight.dtype, ready[0].weight.dtype) == (torch.float32, torch.bfloat16)
    assert torch.equal(net[0].weight, before)


def test_published_weights_run_as_they_are():
    net = nn.Sequential(nn.Conv3d(2, 4, 3))
    assert torch.equal(prepare_for_inference(net, GRT123, Compute())[0].weight, net[0].weight)


def test_the_weights_of_the_default_preset_are_the_same_numbers_in_every_precision():
    net = randomised(NNet(tiny(DEFAULT)))
    exact, rough = (
        prepare_for_inference(net, DEFAULT, Compute(dtype=dtype)) for dtype in (torch.float32, torch.bfloat16)
    )
    for (name, ours), theirs in zip(exact.named_parameters(), rough.parameters(), strict=True):
        assert (ours.dtype, theirs.dtype) == (torch.float32, torch.bfloat16)
        assert torch.equal(ours, theirs.float()), name
    assert not torch.equal(exact.output[0].weight, net.output[0].weight)
