"""From a preprocessed scan to its proposals: thresholds, the lung mask, memory, precision."""

import functools
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from LungCancerDxLib.detection import detector
from LungCancerDxLib.detection.detector import detect, network_output
from LungCancerDxLib.errors import Cancelled, ModelError, OutOfMemoryError
from LungCancerDxLib.networks.nnet import NNet
from LungCancerDxLib.preset import DEFAULT, GRT123, PAPER
from LungCancerDxLib.runtime.device import Compute
from Testing.detection.fake_scans import StandIn, fake_scan, grey_image
from Testing.networks.random_nets import randomised

OUTPUT = np.zeros(1)

SHAPE = (40, 48, 44)
ELSEWHERE = torch.device("meta")  # stands for a graphics card: a device that is not the processor
AMPLE = Compute(memory_gb=64)  # what this process has taken already must not decide


@pytest.fixture
def planted(monkeypatch):
    """A function that makes either way through the scan return boxes {(z, y, x): logit} of 10 voxels, centred."""

    def plant(logits):
        output = np.zeros((*(-(-n // 4) for n in SHAPE), 3, 5), dtype=np.float32)
        output[..., 0] = -20
        for cell, logit in logits.items():
            output[(*cell, 0, 0)] = logit
        monkeypatch.setattr(detector, "whole_scan_output", lambda *rest: output)
        monkeypatch.setattr(detector, "tiled_output", lambda *rest: output)

    return plant


def _detected(preset, dilated=None):
    scan = fake_scan(np.zeros(SHAPE, dtype=np.uint8), dilated)
    return detect(scan, nn.Identity(), preset, Compute())[0]


# ---------------------------------------------------------------------- which proposals are listed


def test_a_scan_without_proposals_lists_none(planted):
    planted({})
    assert len(_detected(DEFAULT)) == 0


def test_proposals_come_best_first_in_working_voxels(planted):
    planted({(1, 2, 3): 0.5, (8, 9, 10): 2.0})
    assert _detected(DEFAULT).rows().tolist() == [[2.0, 33.5, 37.5, 41.5, 10.0], [0.5, 5.5, 9.5, 13.5, 10.0]]


def test_only_logits_above_the_presets_threshold_are_listed(planted):
    planted({(1, 1, 1): -2.9, (5, 5, 5): -3.0, (9, 9, 9): -3.1})
    assert _detected(DEFAULT).logit == pytest.approx([-2.9])
    assert len(_detected(replace(DEFAULT, list_above_logit=-4.0))) == 3


def test_of_overlapping_proposals_the_best_is_listed(planted):
    planted({(1, 1, 1): 1.0, (1, 1, 2): 3.0, (1, 1, 3): 2.0, (9, 9, 9): 0.0})
    assert _detected(DEFAULT).logit.tolist() == [3, 0]


@pytest.mark.parametrize(("preset", "voted"), [(DEFAULT, True), (PAPER, False), (GRT123, False)])
def test_only_in_the_default_do_overlapping_boxes_vote_on_the_centre(planted, preset, voted):
    planted({(5, 5, 5): 3.0, (5, 5, 6): 2.0})  # cells are 4 voxels apart
    found = _detected(preset)
    weights = 1 / (1 + np.exp([-3.0, -2.0]))
    assert found.center_kji[0] == pytest.approx([21.5, 21.5, 21.5 + 4 * weights[1] / weights.sum() * voted])
    assert found.diameter[0] == 10


def test_boxes_outside_the_mask_do_not_vote(planted):
    planted({(5, 5, 5): 3.0, (5, 5, 6): 2.0})
    dilated = np.zeros(SHAPE, dtype=bool)
    dilated[:, :, :24] = True
    assert _detected(DEFAULT, dilated).rows().tolist() == [[3, 21.5, 21.5, 21.5, 10]]


def test_at_most_twenty_proposals_are_listed(planted):
    planted({(z, y, x): z + y / 10 for z in (0, 4, 8) for y in (0, 4, 8) for x in (0, 4, 8)})
    assert len(_detected(DEFAULT)) == 20
    assert len(_detected(replace(DEFAULT, listed_nodules=7))) == 7


@pytest.mark.parametrize(
    ("preset", "kept"), [(DEFAULT, [1]), (PAPER, [2, 1]), (GRT123, [2, 1])], ids=["DEFAULT", "PAPER", "GRT123"]
)
def test_only_the_default_drops_what_lies_outside_the_dilated_mask(planted, preset, kept):
    planted({(2, 2, 2): 2.0, (7, 7, 7): 1.0})
    dilated = np.zeros(SHAPE, dtype=bool)
    dilated[29:32, 29:32, 29:32] = True  # around 29.5, the centre of cell 7
    assert _detected(preset, dilated).logit.tolist() == kept


def test_a_proposal_outside_the_mask_does_not_suppress_one_inside(planted):
    planted({(2, 2, 2): 2.0, (2, 2, 3): 1.0})
    dilated = np.zeros(SHAPE, dtype=bool)
    dilated[:, :, 13:] = True
    assert _detected(DEFAULT, dilated).logit.tolist() == [1]


@pytest.mark.parametrize("offset", [-1.0, 1.0])
@pytest.mark.parametrize("field", [1, 2, 3])
def test_a_proposal_centred_outside_the_image_is_outside_the_mask(monkeypatch, field, offset):
    output = np.zeros((10, 12, 11, 3, 5), dtype=np.float32)
    output[..., 0] = -20
    output[5, 6, 5, 2, 0] = 3.0
    output[5, 6, 5, 2, field] = offset  # 60 voxels away
    monkeypatch.setattr(detector, "whole_scan_output", lambda *rest: output)
    assert len(_detected(DEFAULT)) == 0
    assert len(_detected(replace(DEFAULT, inside_lungs_only=False, coarse_from=None))) == 1


# ---------------------------------------------------------------------- the way through the scan


def test_a_preset_with_a_grid_runs_in_tiles_and_one_without_in_one_pass(monkeypatch):
    monkeypatch.setattr(detector, "whole_scan_output", lambda *rest: np.ones(1))
    monkeypatch.setattr(detector, "tiled_output", lambda *rest: np.zeros(1))
    scan = fake_scan(np.zeros(SHAPE, dtype=np.uint8))
    ways = [network_output(scan, nn.Identity(), preset, Compute())[0] for preset in (DEFAULT, PAPER, GRT123)]
    assert [bool(way[0]) for way in ways] == [True, False, False]


def test_cancelled_work_stops():
    def cancel(stage, fraction):
        raise Cancelled

    scan = fake_scan(grey_image((8, 8, 8)))
    with pytest.raises(Cancelled):
        network_output(scan, StandIn(), GRT123, Compute(), cancel)
    with pytest.raises(Cancelled):
        network_output(scan, StandIn(), DEFAULT, Compute(), cancel)


# ---------------------------------------------------------------------- memory that runs out


@functools.cache
def _net():
    return randomised(NNet(DEFAULT))


@pytest.fixture
def small_memory(monkeypatch):
    """A function that makes the processor hold slabs up to a size (None: any) and other devices up to another.

    Returns the list of (device, type, slab) that were tried.
    """
    real, tried = detector.whole_scan_output, []

    def limit(on_processor, on_device=0, error=None, run=real):
        def limited(net, image, location, preset, compute, slab, progress):
            tried.append((compute.device.type, compute.dtype, slab))
            most = on_processor if compute.device.type == "cpu" else on_device
            if most is not None and slab > most:
                raise error or torch.OutOfMemoryError("no more")
            return run(net, image, location, preset, compute, slab, progress)

        monkeypatch.setattr(detector, "whole_scan_output", limited)
        return tried

    return limit


def _output(*rest):
    return OUTPUT


@pytest.mark.slow
def test_memory_that_runs_out_halves_the_slab_and_the_output_stays_the_same(small_memory):
    scan = fake_scan(grey_image((24, 16, 16)))
    whole, *_ = network_output(scan, _net(), DEFAULT, AMPLE)
    tried = small_memory(4)
    output, warnings, _ = network_output(scan, _net(), DEFAULT, AMPLE)
    assert [slab for *_, slab in tried][1:] == [8, 4]
    assert warnings == ()
    np.testing.assert_allclose(output, whole, rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("no more"),
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("MPS backend out of memory"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_kind_of_memory_error_is_known(small_memory, error):
    tried = small_memory(4, error=error, run=_output)
    assert network_output(fake_scan(grey_image((40, 4, 4))), nn.Identity(), DEFAULT, Compute())[0] is OUTPUT
    assert tried[-1][-1] == 4


def test_a_device_that_has_too_little_gives_the_work_to_the_processor_with_a_warning(small_memory):
    tried = small_memory(None, on_device=0, run=_output)
    compute = replace(AMPLE, device=ELSEWHERE, dtype=torch.float16)
    output, warnings, _ = network_output(fake_scan(grey_image((4, 4, 40))), nn.Identity(), DEFAULT, compute)
    assert output is OUTPUT
    assert [device for device, *_ in tried] == ["meta"] * 4 + ["cpu"]
    assert tried[-2] == ("meta", torch.float16, 4)
    assert tried[-1][1] == torch.float32  # the processor has no fast half precision
    assert warnings == ("The meta device ran out of memory; the detector ran on the processor.",)


def test_a_tile_that_does_not_fit_a_device_goes_to_the_processor(monkeypatch):
    def tiled(net, image, location, preset, compute, progress):
        if compute.device.type != "cpu":
            raise torch.OutOfMemoryError
        return OUTPUT

    monkeypatch.setattr(detector, "tiled_output", tiled)
    scan = fake_scan(grey_image((8, 8, 8)))
    output, warnings, _ = network_output(scan, nn.Identity(), GRT123, Compute(ELSEWHERE))
    assert output is OUTPUT
    assert len(warnings) == 1


@pytest.mark.parametrize("compute", [Compute(), Compute(ELSEWHERE)], ids=["processor", "device"])
def test_when_the_thinnest_slab_does_not_fit_the_error_says_what_to_do(small_memory, compute):
    tried = small_memory(0)
    with pytest.raises(OutOfMemoryError, match=r"thinnest slabs\. Close other programs"):
        network_output(fake_scan(grey_image((40, 4, 4))), nn.Identity(), DEFAULT, compute)
    assert tried[-1][0] == "cpu"
    assert tried[-1][-1] == 4


@pytest.mark.parametrize("error", [RuntimeError("shapes do not match"), ValueError("other")])
def test_other_errors_pass_through_at_once(small_memory, error):
    tried = small_memory(0, error=error)
    with pytest.raises(type(error), match=str(error)):
        network_output(fake_scan(grey_image((40, 4, 4))), nn.Identity(), DEFAULT, Compute())
    assert len(tried) == 1


# ---------------------------------------------------------------------- precision


def test_half_precision_gives_about_the_same_and_leaves_the_models_weights_alone():
    net, scan = _net(), fake_scan(grey_image((16, 16, 16)))
    before = {key: value.clone() for key, value in net.state_dict().items()}
    reference, *_ = network_output(scan, net, DEFAULT, Compute())
    output, *_ = network_output(scan, net, DEFAULT, Compute(dtype=torch.bfloat16))
    assert output.dtype == np.float32
    assert 0 < np.abs(output - reference).max() < 0.2 * reference.std()
    assert {key: value.dtype for key, value in net.state_dict().items()} == {k: v.dtype for k, v in before.items()}
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


def test_a_network_in_training_mode_is_run_in_evaluation_mode_and_stays_in_training(monkeypatch):
    monkeypatch.setattr(detector, "whole_scan_output", lambda net, *rest: net.training)
    net = nn.Dropout().train()
    ran_in_training, *_ = network_output(fake_scan(grey_image((4, 4, 4))), net, DEFAULT, Compute())
    assert not ran_in_training
    assert net.training


def test_a_half_type_that_overflows_is_replaced_by_float32_with_a_warning(monkeypatch):
    def overflowing(net, image, location, preset, compute, *rest):
        return np.full(1, np.nan if compute.dtype == torch.float16 else 1.0)

    monkeypatch.setattr(detector, "whole_scan_output", overflowing)
    scan = fake_scan(grey_image((4, 4, 4)))
    output, warnings, _ = network_output(scan, nn.Identity(), DEFAULT, Compute(dtype=torch.float16))
    assert output == 1.0
    assert any("overflowed in fp16" in words for words in warnings)


def test_an_output_that_is_not_finite_in_float32_is_a_damaged_model(monkeypatch):
    monkeypatch.setattr(detector, "whole_scan_output", lambda *rest: np.array([np.inf]))
    with pytest.raises(ModelError, match="not finite"):
        network_output(fake_scan(grey_image((4, 4, 4))), nn.Identity(), DEFAULT, Compute())
