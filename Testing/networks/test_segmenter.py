"""The segmenter's network: what goes in, what comes out, and its file."""

import pytest
import torch

from LungCancerDxLib.errors import ModelError
from LungCancerDxLib.models.segmenter import load_segmenter, save_segmenter
from LungCancerDxLib.networks.segmenter import SegmenterNet


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return SegmenterNet().eval()


def output(net, hu, diameter=8.0, spacing=0.5):
    with torch.no_grad():
        return net(hu, torch.full((len(hu),), diameter), torch.full((len(hu),), spacing))


def test_every_voxel_gets_two_logits_that_do_not_depend_on_other_crops(net):
    hu = torch.randn(2, 1, 16, 16, 16) * 300 - 500
    both = output(net, hu)
    assert both.shape == (2, 2, 16, 16, 16)
    torch.testing.assert_close(both[:1], output(net, hu[:1]), rtol=1e-4, atol=1e-4)


def test_it_sees_the_window_alone_and_the_size_of_the_proposal_and_of_voxels(net):
    hu = torch.randn(1, 1, 16, 16, 16) * 300 - 500
    outside = hu.clone()
    outside[hu > 100] = 400
    outside[0, 0, 0, 0, :2] = torch.tensor([400.0, -1000.0])
    beyond = outside.clone()
    beyond[0, 0, 0, 0, :2] = torch.tensor([3000.0, -2000.0])
    torch.testing.assert_close(output(net, outside), output(net, beyond))
    assert not torch.allclose(output(net, hu, 8.0), output(net, hu, 12.0))
    assert not torch.allclose(output(net, hu, 8.0, 0.5), output(net, hu, 16.0, 1.0))


def test_its_file_tells_what_it_was_trained_on_and_rounds_to_half_precision(net, tmp_path):
    path = tmp_path / "segmenter.safetensors"
    save_segmenter(net, path, "some nodules")
    loaded = load_segmenter(path)
    assert loaded.trained_on == "some nodules"
    assert loaded.model == tmp_path.name
    hu = torch.randn(1, 1, 16, 16, 16) * 300 - 500
    torch.testing.assert_close(output(loaded.net, hu), output(net, hu), rtol=0.05, atol=0.05)


def test_a_missing_damaged_or_foreign_file_is_named(net, tmp_path):
    path = tmp_path / "segmenter.safetensors"
    with pytest.raises(ModelError, match=r"segmenter\.safetensors"):
        load_segmenter(path)
    save_segmenter(net, path, "")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ModelError, match=r"segmenter\.safetensors"):
        load_segmenter(path)
    broken = SegmenterNet()
    with torch.no_grad():
        broken.output.bias.fill_(float("nan"))
    save_segmenter(broken, path, "")
    with pytest.raises(ModelError, match="not finite"):
        load_segmenter(path)
