"""Where and how precisely the networks run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch

from ..errors import ModelError, UsageError
from ..preset import Preset
from .memory import resident_gb

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
DEVICES = ("cpu", "cuda", "mps")
DEFAULT_MEMORY_GB = 3.0
_PROCESS_GB = 1.0  # what this process is taken to need where the system does not tell
_NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


@dataclass(frozen=True)
class Compute:
    """Device, floating-point type, and how much memory the process may take (of the device's, where it has its own)."""

    device: torch.device = torch.device("cpu")  # noqa: RUF009 - immutable
    dtype: torch.dtype = torch.float32
    memory_gb: float = DEFAULT_MEMORY_GB

    @property
    def precision(self) -> str:
        """The type's name on the command line."""
        return next(name for name, dtype in DTYPES.items() if dtype == self.dtype)

    @property
    def available_gb(self) -> float:
        """What is left of the memory at this moment; below zero where more is taken already."""
        if self.device.type == "cuda":
            taken = torch.cuda.memory_allocated(self.device) / 1e9
        else:
            taken = resident_gb() or _PROCESS_GB
        return self.memory_gb - taken

    def on_cpu(self) -> Compute:
        """The same on the processor, in a type that it is quick in: the fallback when a device runs out of memory."""
        cpu = torch.device("cpu")
        keeps_type = self.dtype == torch.bfloat16 and has_bfloat16(cpu)
        return replace(self, device=cpu, dtype=self.dtype if keeps_type else torch.float32)


def choose_compute(
    device: str = "auto", precision: str = "auto", memory_gb: float | None = None, preset: Preset | None = None
) -> Compute:
    """The device asked for, or CUDA where it is at hand and else the processor.

    "auto" precision is bfloat16 where that was measured to leave nodules and scores where they are (docs/speed.md): on
    processors that have instructions for it, with a preset whose weights are the same numbers in every precision.
    Elsewhere it is float32. Apple's MPS runs only when asked for, in float32: its 3D layers differ from one torch
    version to the next.

    Parameters
    ----------
    preset
        Of the model that is to run; "auto" precision is float32 without one.

    Raises
    ------
    UsageError
        Where the asked-for device is not there or cannot compute in the asked-for type.
    """
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        device = "cuda" if available["cuda"] else "cpu"
    if device not in available:
        raise UsageError(f"unknown device '{device}'; expected auto, {', '.join(DEVICES)}")
    if not available[device]:
        at_hand = ", ".join(name for name in DEVICES if available[name])
        raise UsageError(f"device '{device}' is not available here (at hand: {at_hand}); use --device auto")
    if precision != "auto" and precision not in DTYPES:
        raise UsageError(f"unknown precision '{precision}'; expected auto, {', '.join(DTYPES)}")
    if device == "mps" and precision in ("bf16", "fp16"):
        raise UsageError(f"the mps device computes in fp32 only, got {precision}; use --precision fp32")
    if memory_gb is not None and not 0 < memory_gb < math.inf:
        raise UsageError(f"the memory limit must be greater than zero and finite, got {memory_gb} GB")
    dtype = _quick_and_measured(device, preset) if precision == "auto" else DTYPES[precision]
    return Compute(torch.device(device), dtype, DEFAULT_MEMORY_GB if memory_gb is None else memory_gb)


def _quick_and_measured(device: str, preset: Preset | None) -> torch.dtype:
    measured = device == "cpu" and preset is not None and preset.inference_weights == "bfloat16"
    return torch.bfloat16 if measured and has_bfloat16(torch.device(device)) else torch.float32


def has_bfloat16(device: torch.device) -> bool:
    """Whether a device has instructions for bfloat16; without them it may take hundreds of times as long."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):
        return False
    has = torch.cpu.get_capabilities()
    return bool(has.get("amx_bf16") or has.get("avx512_bf16"))


@contextmanager
def exact_arithmetic() -> Iterator[None]:
    """No gradients, and float32 that is float32: cuDNN would use TF32 (10 bits of mantissa) without a word."""
    with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        yield


class Computed(NamedTuple):
    """What a network gave, what to tell the user, and how it was really computed after any fallback."""

    values: np.ndarray
    warnings: tuple[str, ...]
    compute: Compute


def run_with_float32_fallback(run: Callable[[Compute], Computed], compute: Compute, what: str) -> Computed:
    """The result of a run; a half type that overflows is replaced by float32, with a warning.

    Raises
    ------
    ModelError
        Where the result is not finite even in float32.
    """
    result = run(compute)
    if not np.isfinite(result.values).all() and compute.dtype != torch.float32:
        result = run(replace(compute, dtype=torch.float32))
        warning = f"The {what} overflowed in {compute.precision}; it ran in float32."
        result = result._replace(warnings=(*result.warnings, warning))
    if not np.isfinite(result.values).all():
        raise ModelError(f"The {what}'s output is not finite: the model's weights are damaged or badly trained.")
    return result


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device or the processor could not give the memory asked for."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    message = str(error)
    return isinstance(error, RuntimeError) and any(phrase in message for phrase in _NO_MEMORY)
