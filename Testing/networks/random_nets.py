"""Networks with seeded weights in which no layer is trivial, batch norm included."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

Net = TypeVar("Net", bound=nn.Module)


def randomised(net: Net, seed: int = 0) -> Net:
    """The network with random weights, biases and batch-norm statistics that keep its maps near one; for evaluation."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, module in net.named_modules():
            if isinstance(module, nn.BatchNorm3d):
                module.running_mean.normal_(0, 0.2, generator=generator)
                module.running_var.uniform_(0.5, 1.5, generator=generator)
                module.weight.uniform_(0.7, 1.3, generator=generator)
                module.bias.normal_(0, 0.2, generator=generator)
            elif isinstance(module, (nn.Conv3d, nn.ConvTranspose3d, nn.Linear)):
                gain = 0.3 if name.endswith("conv2") else 1.0
                module.weight.normal_(0, gain * (2 / module.weight[0].numel()) ** 0.5, generator=generator)
                module.bias.normal_(0, 0.1, generator=generator)
    return net.eval()


def seeded(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Normal random numbers, the same for the same seed."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)
