"""Fetch the published checkpoints: resumed after a cut, checked before use, kept for this user."""

from __future__ import annotations

import logging
from pathlib import Path

import pooch

from ..errors import ModelError, UsageError
from ..runtime.progress import Progress, part
from .published import CLASSIFIER_FILE, DETECTOR_FILE, PUBLISHED_IDS, git_blob_id
from .resuming import ResumingDownloader

PUBLIC_ADDRESS = "https://raw.githubusercontent.com/lfz/DSB2017/0ac3eb9f383bf0127c587e0502c59ac84d9ba6a2/model"
"""The folder of both files in the authors' repository (MIT licence), at a fixed commit."""

BY_HAND = (
    "Where this computer cannot reach it, download detector.ckpt and classifier.ckpt elsewhere and run "
    "`lungcancerdx models import detector.ckpt classifier.ckpt`."
)


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
        Where a file cannot be had or is not the published one; what came of it is kept for the next try.
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
    pooch.get_logger().setLevel(logging.WARNING)  # it announces every download; progress does that here
    kept = cache / name

    def is_right(content: bytes) -> bool:
        return git_blob_id(content) in PUBLISHED_IDS[name]

    try:
        if kept.is_file() and not is_right(kept.read_bytes()):
            kept.unlink()
        downloader = ResumingDownloader(cache / f"{name}.part", is_right, progress)
        path = pooch.retrieve(url, known_hash=None, fname=name, path=cache, downloader=downloader)
    except OSError as error:
        raise ModelError(f"{url} cannot be kept in {cache} ({error.strerror or error}). {BY_HAND}") from error
    except ModelError as error:
        raise ModelError(f"{error} {BY_HAND}") from error
    progress(f"fetching {name}", 1.0)
    return Path(path)
