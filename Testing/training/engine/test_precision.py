"""In which type a training computes on each kind of machine, and that it computes right on maps of every size."""

import pytest
import torch
from torch import nn

from LungCancerDxLib.runtime.device import has_bfloat16
from LungCancerDxLib.training.engine.precision import autocast, training_compute


@pytest.fixture
def machine(monkeypatch):
    """A function that says what this machine has."""

    def set_machine(processor=False, cuda=None):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": processor})
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda is not None)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: cuda == "with bfloat16")
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)

    return set_machine


@pytest.mark.parametrize(
    ("processor", "cuda", "device", "expected"),
    [
        (True, None, "auto", torch.bfloat16),
        (False, None, "auto", torch.float32),
        (False, "with bfloat16", "auto", torch.bfloat16),
        (True, "without", "auto", torch.float16),
        (True, "with bfloat16", "mps", torch.float32),
    ],
)
def test_auto_is_the_half_precision_that_the_device_has_instructions_for(machine, processor, cuda, device, expected):
    machine(processor, cuda)
    assert training_compute(device).dtype == expected


def test_a_precision_that_is_asked_for_is_taken_anywhere(machine):
    machine()
    assert training_compute("cpu", "bf16").dtype == torch.bfloat16
    machine(processor=True)
    assert training_compute("cpu", "fp32").dtype == torch.float32


CPU = torch.device("cpu")
LAYERS = {
    "3x3x3": nn.Conv3d(64, 64, 3, padding=1),
    "3x3x3 of one channel": nn.Conv3d(1, 24, 3, padding=1),
    "1x1x1": nn.Conv3d(64, 32, 1),
    "transposed": nn.ConvTranspose3d(64, 64, 2, stride=2),
}


def fill_free_memory():
    """Leave no number in memory that is given back, where a layer that reads what it never wrote meets it."""
    for power in range(8, 21):
        torch.full((1 << power,), torch.nan)


def output_and_gradients(layer, image, weights, dtype):
    layer.zero_grad()
    image = image.detach().requires_grad_()
    fill_free_memory()
    with autocast(CPU, dtype):
        output = layer(image)
    (output.float() * weights).sum().backward()
    return output.float().detach(), image.grad, *(parameter.grad for parameter in layer.parameters())


@pytest.mark.skipif(not has_bfloat16(CPU), reason="this processor has no instructions for bfloat16")
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 2, 2), (3, 3, 3), (4, 4, 4), (1, 4, 4), (2, 8, 8), (8, 8, 2)])
@pytest.mark.parametrize("layer", LAYERS)
def test_gradients_in_bfloat16_are_those_of_float32_on_maps_of_every_size(layer, shape):
    """Without care for small maps those of 3x3x3 kernels are garbage on processors with AVX512_BF16 but no AMX."""
    layer, random = LAYERS[layer].to(memory_format=torch.channels_last_3d), torch.Generator().manual_seed(0)
    image = torch.randn(2, layer.in_channels, *shape, generator=random).to(memory_format=torch.channels_last_3d)
    weights = torch.randn(layer(image).shape, generator=random)
    exact = output_and_gradients(layer, image, weights, torch.float32)
    for half, whole in zip(output_and_gradients(layer, image, weights, torch.bfloat16), exact, strict=True):
        torch.testing.assert_close(half, whole, rtol=0.02, atol=0.02 * whole.abs().max().item())


def test_only_convolutions_of_small_maps_leave_autocast():
    layer = LAYERS["1x1x1"]
    with autocast(CPU, torch.bfloat16):
        small, large = (layer(torch.ones(1, 64, *shape)).dtype for shape in ((3, 4, 4), (4, 4, 4)))
    assert (small, large) == (torch.float32, torch.bfloat16)
