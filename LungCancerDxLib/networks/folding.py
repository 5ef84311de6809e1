"""Batch norm folded into the convolutions before it, for inference: the same function in fewer passes over memory."""

from __future__ import annotations

from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_batch_norm(net: nn.Module) -> None:
    """Fold, in place, every batch norm that follows a convolution or deconvolution in the order of a module's parts.

    The network must be in evaluation mode. Best done in float32, before the weights take another type.
    """
    for module in net.modules():
        for (name, conv), (norm_name, norm) in pairwise(list(module.named_children())):
            if isinstance(conv, (nn.Conv3d, nn.ConvTranspose3d)) and isinstance(norm, nn.BatchNorm3d):
                transposed = isinstance(conv, nn.ConvTranspose3d)
                setattr(module, name, fuse_conv_bn_eval(conv, norm, transpose=transposed))
                setattr(module, norm_name, nn.Identity())
