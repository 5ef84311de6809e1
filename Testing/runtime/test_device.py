"""Where and how precisely the networks run."""

import pytest
import torch

from LungCancerDxLib.errors import UsageError
from LungCancerDxLib.preset import DEFAULT, GRT123, PAPER
from LungCancerDxLib.runtime.device import (
    DEFAULT_MEMORY_GB,
    DTYPES,
    Compute,
    choose_compute,
    exact_arithmetic,
    is_out_of_memory,
)


@pytest.fixture
def at_hand(monkeypatch):
    """A function that says which devices there are besides the processor."""

    def set_devices(*names):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in names)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in names)

    set_devices()
    return set_devices


@pytest.mark.parametrize(
    ("others", "chosen"), [((), "cpu"), (("cuda",), "cuda"), (("mps",), "cpu"), (("cuda", "mps"), "cuda")]
)
def test_auto_takes_cuda_or_the_processor_in_float32(at_hand, others, chosen):
    at_hand(*others)
    compute = choose_compute()
    assert (compute.device.type, compute.dtype, compute.memory_gb) == (chosen, torch.float32, DEFAULT_MEMORY_GB)


@pytest.mark.parametrize("instructions", ["amx_bf16", "avx512_bf16"])
def test_auto_is_bfloat16_on_a_processor_that_is_quick_in_it(at_hand, instructions, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {instructions: True})
    assert choose_compute(preset=DEFAULT).dtype == torch.bfloat16
    assert choose_compute("cpu", "fp32", preset=DEFAULT).dtype == torch.float32
    at_hand("cuda", "mps")
    assert choose_compute("cpu", preset=DEFAULT).dtype == torch.bfloat16
    assert {choose_compute(device, preset=DEFAULT).dtype for device in ("cuda", "mps")} == {torch.float32}


@pytest.mark.parametrize("preset", [PAPER, GRT123, None])
def test_auto_is_float32_for_weights_that_rounding_changes(at_hand, preset, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})
    assert choose_compute(preset=preset).dtype == torch.float32


def test_auto_is_float32_on_a_processor_without_the_instructions(at_hand, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "avx512_bf16": False})
    assert choose_compute(preset=DEFAULT).dtype == torch.float32
    monkeypatch.delattr(torch.cpu, "get_capabilities")  # an older torch
    assert choose_compute(preset=DEFAULT).dtype == torch.float32


def test_the_device_asked_for_is_taken_although_there_is_a_better_one(at_hand):
    at_hand("cuda", "mps")
    assert choose_compute("cpu").device.type == "cpu"
    assert choose_compute("mps").device.type == "mps"


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_refused_with_those_that_are(at_hand, device):
    with pytest.raises(UsageError, match=rf"'{device}' is not available here \(at hand: cpu\); use --device auto"):
        choose_compute(device)


@pytest.mark.parametrize("name", DTYPES)
def test_a_precision_keeps_its_name(at_hand, name):
    compute = choose_compute(precision=name)
    assert (compute.dtype, compute.precision) == (DTYPES[name], name)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("tpu", "auto"), "unknown device 'tpu'; expected auto, cpu, cuda, mps"),
        (("cpu", "fp8"), "unknown precision 'fp8'; expected auto, fp32, bf16, fp16"),
        (("cpu", "auto", 0.0), "memory limit must be greater than zero"),
        (("cpu", "auto", -1.0), "memory limit must be greater than zero"),
        (("cpu", "auto", float("nan")), "memory limit must be greater than zero"),
    ],
)
def test_what_cannot_be_is_refused_in_words(at_hand, arguments, words):
    with pytest.raises(UsageError, match=words):
        choose_compute(*arguments)


def test_the_memory_asked_for_is_kept(at_hand):
    assert choose_compute(memory_gb=0.5).memory_gb == 0.5


@pytest.mark.parametrize(
    ("name", "instructions", "on_cpu"),
    [("fp32", True, "fp32"), ("bf16", True, "bf16"), ("bf16", False, "fp32"), ("fp16", True, "fp32")],
)
def test_the_fallback_to_the_processor_keeps_what_the_processor_is_quick_in(name, instructions, on_cpu, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": instructions})
    fallback = Compute(torch.device("cuda"), DTYPES[name], 3.0).on_cpu()
    assert (fallback.device.type, fallback.precision, fallback.memory_gb) == ("cpu", on_cpu, 3.0)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA"),
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: 9 bytes"),
        RuntimeError("MPS backend out of memory"),
    ],
)
def test_memory_that_ran_out_is_recognised(error):
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error", [RuntimeError("shapes differ"), ValueError("out of memory"), OSError("can't allocate")]
)
def test_other_failures_are_not_taken_for_it(error):
    assert not is_out_of_memory(error)


def test_what_the_processor_says_when_asked_for_too_much_is_recognised():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)


def test_exact_arithmetic_switches_tf32_and_gradients_off_and_back():
    before = torch.backends.cudnn.allow_tf32
    with exact_arithmetic():
        assert not torch.backends.cudnn.allow_tf32
        assert not (torch.ones(1, requires_grad=True) * 2).requires_grad
    assert torch.backends.cudnn.allow_tf32 == before
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_mps_computes_in_float32_only(at_hand, precision):
    at_hand("mps")
    with pytest.raises(UsageError, match=f"mps device computes in fp32 only, got {precision}"):
        choose_compute("mps", precision)
