"""How precisely a training computes on each kind of machine."""

import pytest
import torch

from LungCancerDxLib.training.engine.optimizer import training_compute


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
