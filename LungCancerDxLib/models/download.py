"""Fetch the published checkpoints: checked before they are kept for this user, whole or not at all."""

from __future__ import annotations

import logging
import os
import uuid
from pathlib import Path

import pooch

from ..errors import ModelError, UsageError
from ..runtime.atomic import cleanup_on_exit
from ..runtime.progress import Progress, part
from .legacy_checkpoint import MAX_FILE_BYTES
from .published import CLASSIFIER_FILE, DETECTOR_FILE, PUBLISHED_IDS, git_blob_id

PUBLIC_ADDRESS = "https://raw.githubusercontent.com/lfz/DSB2017/0ac3eb9f383bf0127c587e0502c59ac84d9ba6a2/model"
"""The folder of both files in the authors' repository (MIT licence), at a fixed commit."""

BY_HAND = (
    "Where this computer cannot reach it, download detector.ckpt and classifier.ckpt elsewhere and run "
    "`lungcancerdx models import detector.ckpt classifier.ckpt`."
)
TIMEOUT_S = (10.0, 30.0)  # to connect, between two pieces
_PIECE_BYTES = 2**14


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
        return _in_folder(Path(source))
    cache = cache or Path(pooch.os_cache("LungCancerDx"))
    address = source.rstrip("/")
    return (
        _fetch(f"{address}/{DETECTOR_FILE}", DETECTOR_FILE, cache, part(progress, 0.0, 0.5)),
        _fetch(f"{address}/{CLASSIFIER_FILE}", CLASSIFIER_FILE, cache, part(progress, 0.5, 1.0)),
    )


def _in_folder(folder: Path) -> tuple[Path, Path]:
    detector, classifier = folder / DETECTOR_FILE, folder / CLASSIFIER_FILE
    if not (detector.is_file() and classifier.is_file()):
        raise UsageError(
            f"{folder} is neither an http(s) address nor a folder with {DETECTOR_FILE} and {CLASSIFIER_FILE}."
        )
    return detector, classifier


def _fetch(url: str, name: str, cache: Path, progress: Progress) -> Path:
    kept = cache / name
    try:
        if not kept.is_file() or not _is_published(kept):
            _download(url, kept, progress)
    except OSError as error:
        if error.errno is not None:  # of the disk; those of the network have none
            raise ModelError(f"{url} cannot be kept in {cache} ({error.strerror}). {BY_HAND}") from error
        raise ModelError(
            f"{url} cannot be fetched ({_reason(error)}): is there a network, and a proxy to be named in HTTPS_PROXY? "
            f"{BY_HAND}"
        ) from error
    progress(f"fetching {name}", 1.0)
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

    def reset(self) -> None:
        """Nothing is counted."""

    def close(self) -> None:
        """Nothing is open."""


def _reason(error: BaseException) -> str:
    """The innermost cause, which says it shortest."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return str(error)[:200] or type(error).__name__
