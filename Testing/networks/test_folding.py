"""Networks with folded batch norm compute what they computed before."""

import copy

import pytest
import torch
from torch import nn

from LungCancerDxLib.networks.cnet import CNet
from LungCancerDxLib.networks.inference import fold_batch_norm
from LungCancerDxLib.networks.nnet import NNet
from Testing.helpers import tiny


def trained_looking(net):
    """Statistics and scales of batch norms that are not those of a new network."""
    generator = torch.Generator().manual_seed(3)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm3d):
            for values, low, high in (
                (module.weight, 0.5, 1.5),
                (module.bias, -0.3, 0.3),
                (module.running_mean, -0.3, 0.3),
                (module.running_var, 0.5, 2.0),
            ):
                values.data.uniform_(low, high, generator=generator)
    return net.double().eval()


@pytest.mark.parametrize("network", [NNet, CNet])
def test_the_output_is_the_same_and_no_batch_norm_is_left(network):
    net = trained_looking(network(tiny()))
    folded = copy.deepcopy(net)
    fold_batch_norm(folded)
    image = torch.rand(1, 1, 32, 32, 32, dtype=torch.float64) - 0.5
    place = torch.rand(1, 3, 8, 8, 8, dtype=torch.float64)
    backbone, own = (n if network is NNet else n.NoduleNet for n in (net, folded))
    with torch.inference_mode():
        torch.testing.assert_close(own.features(image, place), backbone.features(image, place), rtol=1e-10, atol=1e-10)
    assert any(isinstance(module, nn.BatchNorm3d) for module in net.modules())
    assert not any(isinstance(module, nn.BatchNorm3d) for module in folded.modules())
