"""How precisely a training computes."""

from __future__ import annotations

from dataclasses import replace

import torch

from ..compute import Compute, choose_compute, has_bfloat16


def training_compute(device: str = "auto", precision: str = "auto") -> Compute:
    """The device asked for and the type of its convolutions; weights are float32 whatever it is.

    "auto" is bfloat16 on processors and GPUs that have instructions for it, float16 with scaled losses on other GPUs,
    and float32 on other processors and MPS.

    Raises
    ------
    UsageError
        Where the device is not there or cannot compute in the asked-for type.
    """
    compute = choose_compute(device, precision)
    if precision != "auto":
        return compute
    if has_bfloat16(compute.device):
        return replace(compute, dtype=torch.bfloat16)
    return replace(compute, dtype=torch.float16) if compute.device.type == "cuda" else compute
