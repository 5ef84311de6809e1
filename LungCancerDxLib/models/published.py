"""The weights that Liao et al. published in 2017: fetched for this user, checked, and made a model of ours.

Their two checkpoints are recognised by the id that git gives a file, read without running anything in them (see
`legacy_checkpoint`), and put strictly into the networks of preset `GRT123`, whose state dicts have the same names.
"""

from __future__ import annotations

import hashlib
import logging
import os
import uuid
from dataclasses import replace
from pathlib import Path

import pooch
import torch
from torch import nn

from ..errors import ModelError, UsageError
from ..names import LEAKY_NOISY_OR
from ..networks.cnet import CNet
from ..networks.nnet import NNet
from ..preset import GRT123
from ..runtime.atomic import cleanup_on_exit
from ..runtime.progress import Progress, part
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

PUBLIC_ADDRESS = "https://raw.githubusercontent.com/lfz/DSB2017/0ac3eb9f383bf0127c587e0502c59ac84d9ba6a2/model"
"""The folder of both files in the authors' repository (MIT licence), at a fixed commit."""

BY_HAND = (
    "Where this computer cannot reach it, download detector.ckpt and classifier.ckpt elsewhere and run "
    "`lungcancerdx models import detector.ckpt classifier.ckpt`."
)
TIMEOUT_S = (10.0, 30.0)  # to connect, between two pieces
_PIECE_BYTES = 2**14
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
        What such files were trained on, a key of `names.OUTCOMES`; "none" where it is not stated. The published ones
        are clinical.

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
    wanted, counters = network.state_dict(), {name for name in network.state_dict() if name.endswith(_COUNTER)}
    wanted, state = ({k: v for k, v in tensors.items() if k not in counters} for tensors in (wanted, state))
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


def fetch_checkpoints(source: str, progress: Progress, cache: Path | None = None) -> tuple[Path, Path]:
    """The files of detector and classifier, from an address or a local folder.

    Proxies and certificates are taken from the environment (`HTTPS_PROXY`, `NO_PROXY`, `REQUESTS_CA_BUNDLE`).

    Parameters
    ----------
    source
        The address or folder that holds both files.
    cache
        Where downloads are kept (default: the user's cache). A file that is there already is not downloaded again.

    Raises
    ------
    ModelError
        Where a file cannot be had or is not the published one; nothing of it is kept.
    UsageError
        Where the source is neither an address nor a folder.
    """
    if not source.lower().startswith(("http://", "https://")):
        detector, classifier = Path(source) / DETECTOR_FILE, Path(source) / CLASSIFIER_FILE
        if not (detector.is_file() and classifier.is_file()):
            raise UsageError(
                f"{source} is neither an http(s) address nor a folder with {DETECTOR_FILE} and {CLASSIFIER_FILE}."
            )
        return detector, classifier
    cache, address = cache or Path(pooch.os_cache("LungCancerDx")), source.rstrip("/")
    detector = _fetch(f"{address}/{DETECTOR_FILE}", cache / DETECTOR_FILE, part(progress, 0.0, 0.5))
    return detector, _fetch(f"{address}/{CLASSIFIER_FILE}", cache / CLASSIFIER_FILE, part(progress, 0.5, 1.0))


def _fetch(url: str, kept: Path, progress: Progress) -> Path:
    try:
        if not kept.is_file() or not _is_published(kept):
            _download(url, kept, progress)
    except OSError as error:
        if error.errno is not None:  # of the disk; those of the network have none
            raise ModelError(f"{url} cannot be kept in {kept.parent} ({error.strerror}). {BY_HAND}") from error
        innermost: BaseException = error  # says it shortest
        while (inner := innermost.__cause__ or innermost.__context__) is not None:
            innermost = inner
        reason = str(innermost)[:200] or type(innermost).__name__
        raise ModelError(
            f"{url} cannot be fetched ({reason}): is there a network, and a proxy to be named in HTTPS_PROXY? {BY_HAND}"
        ) from error
    progress(f"fetching {kept.name}", 1.0)
    return kept


def _download(url: str, kept: Path, progress: Progress) -> None:
    pooch.get_logger().setLevel(logging.WARNING)  # it announces every download; progress does that here
    with cleanup_on_exit(kept.with_name(f".{kept.name}.{uuid.uuid4().hex[:8]}")) as staging:
        downloader = pooch.HTTPDownloader(
            progressbar=_Report(staging, f"fetching {kept.name}", progress), chunk_size=_PIECE_BYTES, timeout=TIMEOUT_S
        )
        path = Path(pooch.retrieve(url, known_hash=None, fname=kept.name, path=staging, downloader=downloader))
        if not _is_published(path):
            raise ModelError(
                f"What {url} gave is not the published file: damaged on the way, or the answer of a proxy. {BY_HAND}"
            )
        os.replace(path, kept)


def _is_published(path: Path) -> bool:
    return git_blob_id(path.read_bytes()) in PUBLISHED_IDS[path.name]


class _Report:
    """What pooch takes for a progress bar: it sets `total` and calls `update` after each piece."""

    total = 0

    def __init__(self, folder: Path, stage: str, progress: Progress) -> None:
        self._folder = folder
        self._stage = stage
        self._progress = progress

    def update(self, count: int) -> None:
        size = sum(path.stat().st_size for path in self._folder.iterdir())
        if size > MAX_FILE_BYTES:
            raise ModelError(f"The server gives more than {MAX_FILE_BYTES // 2**20} MiB, far too much. {BY_HAND}")
        self._progress(self._stage, min(size / self.total, 1.0) if self.total else 0.0)

    def close(self) -> None:
        """Nothing is open, and nothing counted."""

    reset = close
