"""N-Net: its size, its published keys, its wiring, and what a cell sees."""

import functools
from dataclasses import replace

import pytest
import torch

from LungCancerDxLib.networks.nnet import ENTRY_HALO, NNet, descent_halo
from LungCancerDxLib.preset import DEFAULT, GRT123, PAPER
from Testing.networks.random_nets import randomised, seeded
from Testing.Oracles.networks import n_net, published_shapes

PRESETS = pytest.mark.parametrize("preset", [GRT123, DEFAULT], ids=lambda preset: preset.name)


@functools.cache
def _net(preset):
    return randomised(NNet(preset).double())


@functools.cache
def _blueprint(preset):
    """A network of shapes only."""
    with torch.device("meta"):
        return NNet(preset)


def _count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def _unit_count(channels_in, channels):
    """Parameters of a residual unit: every convolution has a bias, every batch norm a scale and a shift."""

    def conv_and_norm(inputs, kernel):
        return inputs * channels * kernel**3 + channels + 2 * channels

    shortcut = 0 if channels_in == channels else conv_and_norm(channels_in, 1)
    return conv_and_norm(channels_in, 3) + conv_and_norm(channels, 3) + shortcut


# ---------------------------------------------------------------------- size and keys


@pytest.mark.parametrize(
    ("block", "count"),
    [
        ("preBlock", 16_344),
        ("forw1", 104_928),
        ("forw2", 390_080),
        ("forw3", 664_704),
        ("forw4", 664_704),
        ("path1", 32_960),
        ("path2", 32_960),
        ("back3", 783_680),
        ("back2", 2_684_032),
        ("output", 9_231),
    ],
)
def test_every_block_has_the_published_number_of_parameters(block, count):
    assert _count(getattr(_blueprint(GRT123), block)) == count


def test_the_whole_has_the_published_number_of_parameters():
    assert _count(_blueprint(GRT123)) == 5_383_623


@pytest.mark.parametrize("preset", [PAPER, DEFAULT], ids=lambda preset: preset.name)
def test_the_paper_has_three_units_in_every_forward_block(preset):
    third_units = _unit_count(32, 32) + _unit_count(64, 64)  # in forw1 and forw2
    assert _count(_blueprint(preset)) == 5_383_623 + third_units


def test_the_state_dict_has_the_published_keys_and_shapes():
    state = _blueprint(GRT123).state_dict()
    assert len(state) == 284
    shapes = {key: tuple(value.shape) for key, value in state.items() if not key.endswith("num_batches_tracked")}
    assert shapes == published_shapes()
    assert len(shapes) == 244


def test_a_state_dict_of_2017_without_batch_counters_loads_strictly():
    old = {key: torch.full(shape, 0.5) for key, shape in published_shapes().items()}
    net = NNet(GRT123)
    net.load_state_dict(old, strict=True)
    assert all((value == 0.5).all() for key, value in net.state_dict().items() if key in old)


# ---------------------------------------------------------------------- wiring


@pytest.mark.slow
@PRESETS
def test_the_forward_pass_is_that_of_the_published_layers(preset):
    net, image, location = _net(preset), seeded(1, 1, 16, 16, 32), seeded(1, 3, 4, 4, 8, seed=1)
    with torch.no_grad():
        output = net(image, location)
        assert output.shape == (1, 4, 4, 8, 3, 5)
        torch.testing.assert_close(output, n_net(net.state_dict(), image, location), rtol=0, atol=1e-9)
    assert output.std() > 0.1


@pytest.mark.slow
def test_an_output_cell_is_centred_between_its_four_voxels():
    """A mirrored scan gives mirrored cells, so cell n lies at 1.5 + 4 n."""
    net = randomised(NNet(GRT123).double())
    image, location = seeded(1, 1, 16, 32, 16), seeded(1, 3, 4, 8, 4, seed=1)
    axes = (2, 3, 4)
    with torch.no_grad():
        output = net(image, location)
        for parameter in net.parameters():
            if parameter.dim() == 5:
                parameter.copy_(parameter.flip(axes))
        mirrored = net(image.flip(axes), location.flip(axes))
    torch.testing.assert_close(mirrored.flip(1, 2, 3), output, rtol=0, atol=1e-9)


@pytest.mark.parametrize("anchors", [(10.0,), (5.0, 10.0, 30.0, 60.0)])
def test_there_is_one_box_per_anchor(anchors):
    net = NNet(replace(DEFAULT, anchors_mm=anchors)).eval()
    with torch.no_grad():
        assert net.head(torch.zeros(1, 128, 1, 2, 3)).shape == (1, 1, 2, 3, len(anchors), 5)


def test_whole_feature_channels_are_dropped_in_training_only():
    features = torch.ones(1, 128, 2, 2, 2)
    assert (NNet(PAPER).train().drop(features) == 1).all()
    assert (NNet(GRT123).eval().drop(features) == 1).all()
    torch.manual_seed(0)
    dropped = NNet(GRT123).train().drop(features)
    assert (dropped == dropped[..., :1, :1, :1]).all()
    torch.testing.assert_close(dropped.unique(), torch.tensor([0, 1 / (1 - 0.2)]))


# ---------------------------------------------------------------------- what a stem cell sees


@functools.cache
def _positive_net(units):
    """All weights are positive and no bias acts, so a spike changes exactly the cells that see it."""
    net = NNet(_with_units(units)).eval()
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if parameter.dim() == 5:
                parameter.fill_(1 / parameter[0].numel())
            elif name.endswith("bias"):
                parameter.zero_()
    return net


def _with_units(units):
    return replace(PAPER, units_per_block=(units, 1, 1, 1))


def _cells_that_see(units, voxel, axis=0):
    """Stem cells along an axis of 48 voxels that a spike at a voxel changes."""
    image = torch.zeros(1, 1, 48, 4, 4)
    image[0, 0, voxel, 1, 2] = 1.0
    with torch.no_grad():
        stem = _positive_net(units).stem(image.movedim(2, 2 + axis)).movedim(2 + axis, 2)
    return stem[0].amax(dim=(0, 2, 3)).nonzero().flatten().tolist()


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize(("units", "reach"), [(2, 10), (3, 14)])
def test_a_stem_cell_sees_its_four_voxels_and_the_reach_of_its_convolutions(units, reach, axis):
    for voxel in (0, 24, 26, 47):
        expected = [n for n in range(12) if 4 * n - reach <= voxel <= 4 * n + 3 + reach]
        assert _cells_that_see(units, voxel, axis) == expected


@pytest.mark.parametrize(("units", "reach"), [(2, 10), (3, 14)])
def test_the_halos_of_both_stages_add_up_to_what_a_stem_cell_sees(units, reach):
    assert ENTRY_HALO + 2 * descent_halo(NNet(_with_units(units))) == reach


@pytest.mark.slow
@pytest.mark.parametrize("cells", [4, 12])
def test_the_middle_alone_is_the_middle_of_the_whole_map(cells):
    """Also where the crop is smaller than what back2 sees."""
    net = NNet(replace(DEFAULT, units_per_block=(1, 1, 1, 1), units_per_back_block=2)).double().eval()
    image = torch.rand(1, 1, *(4 * cells,) * 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    place = torch.rand(1, 3, *(cells,) * 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    middle = slice(cells // 2 - 1, cells // 2 + 1)
    with torch.inference_mode():
        whole = net.features(image, place)[..., middle, middle, middle]
        torch.testing.assert_close(net.features(image, place, 2), whole, rtol=1e-12, atol=1e-12)
