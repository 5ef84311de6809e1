"""The weights that Liao et al. published in 2017, as a model of ours.

Their two checkpoints are recognised by the id that git gives a file, read without running anything in them (see
`legacy_checkpoint`), and put strictly into the networks of preset `GRT123`, whose state dicts have the same names.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from ..errors import ModelError, UsageError
from ..names import LEAKY_NOISY_OR
from ..networks.cnet import CNet
from ..networks.nnet import NNet
from ..preset import GRT123
from .bundle import Model, weights_digest
from .legacy_checkpoint import MAX_FILE_BYTES, read_state_dict

PUBLISHED_NAME = "grt123"
DETECTOR_FILE, CLASSIFIER_FILE = "detector.ckpt", "classifier.ckpt"
PUBLISHED_IDS = {
    DETECTOR_FILE: ("04215a706bf0b1621d2edfeee8c654cca986273f",),
    CLASSIFIER_FILE: (
        "b9e952335c18ee4923c9103d6dd06a0b84aa21f3",  # as published, written by Python 2
        "c3d99350b862009578960a48ba5c24c5b3b9dc0b",  # the same saved again by Python 3
    ),
}
"""Git blob ids by the file's name in the authors' repository."""

_TRAINED_ON = (
    "Data Science Bowl 2017 and LUNA16; the weights that the winning team grt123 (Liao et al.) published in 2017"
)
_COUNTER = "num_batches_tracked"


def git_blob_id(content: bytes) -> str:
    """The id that git gives a file of this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def import_published(
    detector: Path,
    classifier: Path,
    name: str = PUBLISHED_NAME,
    accept_unknown: bool = False,
    outcome: str | None = None,
) -> tuple[Model, list[str]]:
    """A model from two checkpoint files, and warnings.

    Parameters
    ----------
    accept_unknown
        Also take files that are not the published ones.
    outcome
        What such files were trained on: "clinical", "synthetic" or "none" (also where it is not stated). The published
        ones are clinical.

    Raises
    ------
    ModelError
        Where a file is missing, is not the published one, cannot be read, or does not fit the networks.
    UsageError
        Where an outcome is stated for the published files.
    """
    contents = {DETECTOR_FILE: _read(detector), CLASSIFIER_FILE: _read(classifier)}
    paths = {DETECTOR_FILE: detector, CLASSIFIER_FILE: classifier}
    ids = {role: git_blob_id(content) for role, content in contents.items()}
    unknown = [role for role, found in ids.items() if found not in PUBLISHED_IDS[role]]
    if unknown and not accept_unknown:
        raise ModelError(" ".join(_unknown(paths[role], role, ids[role]) for role in unknown))
    if outcome is not None and not unknown:
        raise UsageError("These are the published files, trained on clinical outcomes: leave the outcome out.")
    network, joint = NNet(GRT123), CNet(GRT123, LEAKY_NOISY_OR)
    _fill(network, contents[DETECTOR_FILE], detector)
    _fill(joint, contents[CLASSIFIER_FILE], classifier)
    warnings, trained_on = [], _TRAINED_ON
    if unknown:
        outcome = outcome or "none"
        files = " and ".join(f"{paths[role]} (git blob id {ids[role]})" for role in unknown)
        warnings.append(f"{files}: not as published in 2017. The model's outcome is '{outcome}'.")
        trained_on = "unknown; imported from " + ", ".join(f"{paths[role].name} (git blob {ids[role]})" for role in ids)
    model = Model(
        name=name,
        preset=GRT123,
        outcome=outcome or "clinical",
        trained_on=trained_on,
        detector=network,
        classifier=joint,
    )
    return replace(model, sha256=weights_digest(model)), warnings


def _read(path: Path) -> bytes:
    """The whole file, read once, so that what is checked is what is used."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ModelError(f"The checkpoint {path} cannot be read ({error.strerror}).") from error
    if len(content) > MAX_FILE_BYTES:
        raise ModelError(
            f"The checkpoint {path} has more than {MAX_FILE_BYTES // 2**20} MiB; the published ones have about 22 MB."
        )
    return content


def _unknown(path: Path, role: str, found: str) -> str:
    other = next((name for name, ids in PUBLISHED_IDS.items() if found in ids), None)
    if other is not None:
        return f"{path} is the published {other}, expected {role}: give the detector first, then the classifier."
    return (
        f"{path} is not the published {role}: its git blob id is {found}, expected "
        f"{' or '.join(PUBLISHED_IDS[role])}. Download it again, or, if you know what it is, pass"
        " --accept-unknown to `models import`."
    )


def _fill(network: nn.Module, content: bytes, path: Path) -> None:
    """Put a checkpoint's tensors into a network: every one of its own and no other."""
    try:
        state = {name.removeprefix("module."): tensor for name, tensor in read_state_dict(content).items()}
    except ModelError as error:
        raise ModelError(f"The checkpoint {path} cannot be read: {error}. Nothing in it was run.") from None
    wanted = {name: tensor for name, tensor in network.state_dict().items() if not name.endswith(_COUNTER)}
    counters = network.state_dict().keys() - wanted.keys()
    state = {name: tensor for name, tensor in state.items() if name not in counters}
    missing, foreign = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
    if missing or foreign:
        raise ModelError(
            f"The checkpoint {path} is of another network than the published {type(network).__name__}: it lacks "
            f"{_some(missing)} and has the foreign {_some(foreign)}."
        )
    for name, tensor in state.items():
        if tensor.dtype != torch.float32 or tensor.shape != wanted[name].shape:
            raise ModelError(
                f"The checkpoint {path} holds '{name}' as {tensor.dtype} {tuple(tensor.shape)}, expected "
                f"{wanted[name].dtype} {tuple(wanted[name].shape)}."
            )
        if not torch.isfinite(tensor).all():
            raise ModelError(f"The checkpoint {path} holds numbers in '{name}' that are infinite or undefined.")
    network.load_state_dict(state)


def _some(names: list[str]) -> str:
    return f"{len(names)} tensors" + (f" ({', '.join(name[:60] for name in names[:3])}, ...)" if names else "")
