"""How precisely a training computes."""

from __future__ import annotations

from dataclasses import replace

import torch

from ..compute import Compute, choose_compute


def training_compute(device: str = "auto", precision: str = "auto") -> Compute:
    """The device asked for and the type of its convolutions; weights are float32 whatever it is.

    "auto" is bfloat16 on the processor and on GPUs that have it, float16 with scaled losses on older ones, float32 on
    MPS.

    Raises
    ------
    UsageError
        Where the device is not there or cannot compute in the asked-for type.
    """
    compute = choose_compute(device, precision)
    if precision != "auto" or compute.device.type == "mps":
        return compute
    has_bfloat16 = compute.device.type == "cpu" or torch.cuda.is_bf16_supported(including_emulation=False)
    return replace(compute, dtype=torch.bfloat16 if has_bfloat16 else torch.float16)
