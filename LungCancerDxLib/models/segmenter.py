"""The segmenter's weights on disk: one safetensors file that says what it was trained on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ..errors import ModelError
from ..networks.segmenter import SegmenterNet
from ..runtime.atomic import atomic_file

SEGMENTER_FILE = "segmenter.safetensors"
_TRAINED_ON = "trained_on"


@dataclass(frozen=True)
class Segmenter:
    """The network that outlines nodules, and what is known of it.

    Parameters
    ----------
    net
        In evaluation mode, float32.
    model
        Name of the model that it is part of.
    sha256
        Of its file.
    """

    net: SegmenterNet
    model: str
    trained_on: str
    sha256: str


def save_segmenter(net: SegmenterNet, path: Path, trained_on: str) -> None:
    """Write the weights, kernels in float16, whole or not at all.

    Raises
    ------
    OutputError
    """
    tensors = {key: value.detach().cpu().contiguous() for key, value in net.state_dict().items()}
    tensors = {key: value.half() if value.ndim > 1 else value for key, value in tensors.items()}
    with atomic_file(path) as staging:
        staging.write_bytes(save(tensors, {_TRAINED_ON: trained_on}))


def load_segmenter(path: Path) -> Segmenter:
    """The segmenter of a file in the folder of its model.

    Raises
    ------
    ModelError
        Where the file is missing, damaged or of another architecture.
    """
    net = SegmenterNet()
    try:
        with safe_open(path, framework="pt") as file:
            trained_on = (file.metadata() or {}).get(_TRAINED_ON, "")
            tensors = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118 - no mapping
        net.load_state_dict(tensors)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ModelError(f"{path} holds no segmenter of this version ({error}); copy or train it again.") from error
    if not all(torch.isfinite(value).all() for value in tensors.values()):
        raise ModelError(f"{path} holds numbers that are not finite: its training failed.")
    return Segmenter(net.eval(), path.resolve().parent.name, trained_on, digest)
