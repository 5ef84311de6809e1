"""The whole scan in slabs equals the whole scan at once."""

import functools
from dataclasses import replace

import numpy as np
import pytest
import torch

from LungCancerDxLib.detection import whole_scan
from LungCancerDxLib.detection.location import location_scale
from LungCancerDxLib.detection.whole_scan import normalised, slab_thickness, stem_in_slabs, whole_scan_output
from LungCancerDxLib.errors import Cancelled
from LungCancerDxLib.networks.nnet import ENTRY_HALO, NNet
from LungCancerDxLib.preset import DEFAULT, GRT123
from LungCancerDxLib.runtime.device import Compute
from Testing.Benchmarks.bench import counting, detector_flop
from Testing.detection.fake_scans import fake_scan, grey_image
from Testing.networks.random_nets import randomised

TWO_UNITS = replace(DEFAULT, units_per_block=GRT123.units_per_block)
PRESETS = pytest.mark.parametrize("preset", [TWO_UNITS, DEFAULT], ids=["two units", "three units"])


@functools.cache
def _net(preset, dtype=torch.float32):
    return randomised(NNet(preset)).to(dtype)


def _image(shape, seed=0):
    return torch.from_numpy(grey_image(shape, seed))


@functools.cache
def _stem_at_once(preset, shape, dtype):
    with torch.inference_mode():
        return _net(preset, dtype).stem(normalised(_image(shape), dtype)[None, None])


def _stem(preset, shape, slab, dtype):
    with torch.inference_mode():
        return stem_in_slabs(_net(preset, dtype), _image(shape), slab, Compute(dtype=dtype))


# ---------------------------------------------------------------------- the stem


@pytest.mark.slow
@PRESETS
@pytest.mark.parametrize(("dtype", "within"), [(torch.float32, 1e-4), (torch.float64, 1e-9)], ids=str)
@pytest.mark.parametrize("slab", [4, 20, 100])
def test_the_stem_in_slabs_is_the_stem_at_once(preset, dtype, within, slab):
    shape = (4, 8, 36)
    at_once = _stem_at_once(preset, shape, dtype)
    in_slabs = _stem(preset, shape, slab, dtype)
    torch.testing.assert_close(in_slabs, at_once, rtol=0, atol=within)
    assert at_once.std() > 0.1


@PRESETS
@pytest.mark.parametrize("halo", ["ENTRY_HALO", "descent_halo"])
def test_a_halo_that_is_a_step_less_is_not_exact(preset, halo, monkeypatch):
    shape, dtype = (4, 8, 72), torch.float64
    exact = getattr(whole_scan, halo)
    monkeypatch.setattr(whole_scan, halo, (lambda net: exact(net) - 2) if callable(exact) else exact - 2)
    in_slabs = _stem(preset, shape, 8, dtype)
    assert (in_slabs - _stem_at_once(preset, shape, dtype)).abs().max() > 1e-6


@pytest.mark.slow
def test_a_slab_may_be_given_in_network_units_already():
    image = _image((24, 8, 8))
    with torch.inference_mode():
        from_grey = stem_in_slabs(_net(DEFAULT), image, 8, Compute())
        from_float = stem_in_slabs(_net(DEFAULT), normalised(image, torch.float32), 8, Compute())
    torch.testing.assert_close(from_grey, from_float, rtol=0, atol=0)


class _Counting:
    """A stem that pools and counts the planes along i that it is given."""

    def __init__(self):
        self.entered, self.descended = [], []
        self.forw1 = [None] * 3

    def entry(self, seen):
        self.entered.append(seen.shape[-1])
        return seen[:, :, ::2, ::2, ::2]

    def descent(self, seen):
        self.descended.append(seen.shape[-1])
        return seen[:, :, ::2, ::2, ::2]


def test_no_slab_holds_more_than_itself_and_two_halos():
    net = _Counting()
    out = stem_in_slabs(net, _image((4, 4, 128)), 8, Compute())
    assert net.entered == [10, *[12] * 14, 10]
    assert net.descended == [22, 28, 28, 22]
    torch.testing.assert_close(out[0, 0, 0, 0], normalised(_image((4, 4, 128))[0, 0, ::4], torch.float32))


def test_cancelling_stops_before_the_next_slab():
    net = _Counting()

    def cancel(stage, fraction):
        if fraction >= 0.25:
            raise Cancelled

    with pytest.raises(Cancelled):
        stem_in_slabs(net, _image((4, 4, 64)), 8, Compute(), cancel)
    assert len(net.entered) == 4


# ---------------------------------------------------------------------- the whole network


def _by_one_pass(preset, image, lung_ends):
    """N-Net on the scan padded with tissue to whole cells, location worked out cell by cell."""
    padded = np.pad(image, [(0, -n % 4) for n in image.shape], constant_values=170)
    low, high = lung_ends
    axes = [2 * (1.5 + 4 * np.arange(n // 4) - low[a]) / (high[a] - low[a]) - 1 for a, n in enumerate(padded.shape)]
    location = torch.from_numpy(np.stack(np.meshgrid(*axes, indexing="ij"))).float()[None]
    with torch.inference_mode():
        output = _net(preset)((torch.from_numpy(padded).float()[None, None] - 128) / 128, location)[0].numpy()
    return output[tuple(slice(-(-n // 4)) for n in image.shape)]


@pytest.mark.slow
@PRESETS
@pytest.mark.parametrize("shape", [(13, 15, 37), (16, 16, 16)])
def test_the_whole_scan_in_slabs_is_one_pass(preset, shape):
    image = grey_image(shape)
    lung_ends = fake_scan(image).lung_ends_kji
    expected = _by_one_pass(preset, image, lung_ends)
    scale = location_scale(preset, shape, lung_ends)
    for slab in (4, 24):
        output = whole_scan_output(_net(preset), image, scale, preset, Compute(), slab)
        assert output.dtype == np.float32
        assert output.shape == (*(-(-n // 4) for n in shape), 3, 5)
        np.testing.assert_allclose(output, expected, rtol=0, atol=1e-3)
    assert expected.std() > 0.1


@pytest.mark.slow
def test_little_is_computed_twice():
    image = grey_image((96, 96, 96))
    scale = location_scale(DEFAULT, image.shape, fake_scan(image).lung_ends_kji)
    with counting() as counted:
        whole_scan_output(_net(DEFAULT), image, scale, DEFAULT, Compute(), 48)
    assert 1 < counted.flop / detector_flop(DEFAULT, image.shape) < 1.04


def test_progress_never_goes_back_and_ends_at_one():
    fractions = []
    image = grey_image((16, 16, 16))
    scale = location_scale(DEFAULT, image.shape, fake_scan(image).lung_ends_kji)
    whole_scan_output(_net(DEFAULT), image, scale, DEFAULT, Compute(), 8, lambda stage, f: fractions.append(f))
    assert fractions == sorted(fractions)
    assert len(fractions) >= 4
    assert (fractions[0], fractions[-1]) == (0, 1)


# ---------------------------------------------------------------------- input and memory


def test_grey_values_are_centred_on_128():
    grey = torch.tensor([0, 128, 170, 255], dtype=torch.uint8)
    assert normalised(grey, torch.float32).tolist() == [-1, 0, 42 / 128, 127 / 128]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_grey_values_are_exact_in_half_precision(dtype):
    grey = torch.arange(256, dtype=torch.uint8)
    assert normalised(grey, dtype).dtype == dtype
    assert torch.equal(normalised(grey, dtype).float(), normalised(grey, torch.float32))


@pytest.mark.parametrize("available_gb", [-1.0, 0.5, 2.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_slab_with_its_halos_fits_the_room_or_is_one_cell(available_gb, dtype):
    slab = slab_thickness((300, 200, 250), dtype, available_gb)
    one_map = 300 * 200 * 24 * dtype.itemsize
    assert slab % 4 == 0
    assert slab == 4 or (slab + 4) * 2 * one_map <= available_gb * 1e9  # at the least its input and its output


def test_more_room_or_half_the_precision_gives_thicker_slabs():
    def slab(available_gb, dtype=torch.float32):
        return slab_thickness((300, 200, 250), dtype, available_gb)

    assert slab(-1.0) == slab(1e-6) == 4
    assert slab(1e-6) < slab(2.0) < slab(4.0)
    assert slab(2.0) < slab(2.0, torch.bfloat16)


def test_no_slab_makes_rows_that_half_precision_convolutions_are_slow_at():
    assert slab_thickness((300, 200, 400), torch.bfloat16, 1e3) + 2 * ENTRY_HALO <= 256


def test_the_work_can_be_stopped_between_the_layers_of_the_trunk():
    net, image = _net(DEFAULT), grey_image((16, 16, 16))
    reports = []

    def stop_after_the_stem(stage, fraction):
        reports.append(fraction)
        if fraction > 0.5:
            raise Cancelled("enough")

    location = location_scale(DEFAULT, image.shape, np.array([[0, 0, 0], [15, 15, 15]]))
    with pytest.raises(Cancelled):
        whole_scan_output(net, image, location, DEFAULT, Compute(), 16, stop_after_the_stem)
    assert reports == sorted(reports)
    assert 0.5 < reports[-1] < 1
    before = len(reports)
    with torch.inference_mode():
        net(torch.zeros(1, 1, 16, 16, 16), torch.zeros(1, 3, 4, 4, 4))
    assert len(reports) == before  # other work is not reported
