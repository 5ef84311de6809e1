"""A segmenter is kept beside its model's weights, comes back with it, and says what is wrong with its file."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from LungCancerDxLib.errors import ModelError
from LungCancerDxLib.models.bundle import load_model, save_model
from LungCancerDxLib.models.find import segmenter_of, untrained_model
from LungCancerDxLib.models.segmenter import SEGMENTER_FILE, Segmenter, load_segmenter, save_segmenter
from LungCancerDxLib.networks.segmenter import SegmenterNet


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return SegmenterNet().eval()


def outlined(net):
    crop = torch.randn((1, 1, 16, 16, 16), generator=torch.Generator().manual_seed(1)) * 300 - 500
    with torch.no_grad():
        return net(crop, torch.tensor([6.0]), torch.tensor([0.7]))


@pytest.mark.slow
def test_a_segmenter_is_saved_and_read_with_its_model(net, tmp_path):
    model = replace(untrained_model(), segmenter=Segmenter(net, "elsewhere", "balls", "0"))
    save_model(model, tmp_path / "mine")
    again = load_model(tmp_path / "mine").segmenter
    assert (again.model, again.trained_on) == ("mine", "balls")
    torch.testing.assert_close(outlined(again.net), outlined(net), atol=5e-3, rtol=5e-3)
    assert segmenter_of(replace(model, segmenter=again)) is again


def test_a_damaged_file_is_named(net, tmp_path):
    path = tmp_path / SEGMENTER_FILE
    save_segmenter(net, path, "balls")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError, match=rf"{SEGMENTER_FILE} holds no segmenter"):
        load_segmenter(path)


def test_weights_of_another_network_are_refused(tmp_path):
    path = tmp_path / SEGMENTER_FILE
    save_file({"output.weight": torch.zeros(2, 8, 1, 1, 1)}, path)
    with pytest.raises(ModelError, match="of this version"):
        load_segmenter(path)


def test_numbers_that_are_not_finite_are_refused(net, tmp_path):
    path, weights = tmp_path / SEGMENTER_FILE, net.state_dict()
    save_file({**weights, "output.bias": torch.full((2,), torch.nan)}, path)
    with pytest.raises(ModelError, match="not finite"):
        load_segmenter(path)
