"""A downloader for pooch that goes on where an earlier try was cut off."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from ..errors import ModelError
from ..runtime.progress import Progress
from .legacy_checkpoint import MAX_FILE_BYTES

TIMEOUT_S = (10.0, 30.0)  # to connect, between two pieces

_TRIES = 4
_PIECE_BYTES = 2**14
_PARTIAL, _NOT_SATISFIABLE = 206, 416


class ResumingDownloader:
    """Downloads into a file that outlives a cut, and hands it over only when it is right.

    Parameters
    ----------
    unfinished
        Where the download grows; kept when it is cut off, removed when it is done or wrong.
    is_right
        Whether the file's content is what was asked for.
    """

    def __init__(self, unfinished: Path, is_right: Callable[[bytes], bool], progress: Progress) -> None:
        self._unfinished = unfinished
        self._is_right = is_right
        self._progress = progress
        self._why_cut = "the connection ended too early"

    def __call__(self, url: str, output_file: Any, pooch: Any, check_only: bool = False) -> None:
        """Download into `output_file`, as pooch asks.

        Raises
        ------
        ModelError
        """
        for _ in range(_TRIES):
            began_at = self._size()
            complete = self._whole_already() or self._one_try(url)
            if not complete:
                if self._size() <= began_at:
                    break
                continue
            if self._is_right(self._unfinished.read_bytes()):
                shutil.move(self._unfinished, output_file)
                return
            self._unfinished.unlink()
            if began_at == 0:
                raise ModelError(
                    f"What {url} gave is not the published file: damaged on the way, or the answer of a proxy."
                )
        raise ModelError(
            f"The download of {url} was cut off at {self._size() / 1e6:.1f} MB ({self._why_cut}). Run the same again: "
            "it goes on from there."
        )

    def _size(self) -> int:
        return self._unfinished.stat().st_size if self._unfinished.exists() else 0

    def _whole_already(self) -> bool:
        return self._size() > 0 and self._is_right(self._unfinished.read_bytes())

    def _one_try(self, url: str) -> bool:
        """Whether the answer came to its end."""
        have = self._size()
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
        try:
            with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as answer:
                if answer.status_code == _NOT_SATISFIABLE and have:
                    return True  # nothing comes after what is there; if it is wrong, it is thrown away
                if not answer.ok:
                    raise ModelError(f"{url} is not to be had: the server says {answer.status_code} {answer.reason}.")
                if answer.status_code != _PARTIAL or _first_byte(answer) != have:
                    have = 0  # the server starts from the beginning
                return self._write(answer, have)
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            if self._size() == 0:
                raise ModelError(
                    f"{url} cannot be reached ({_reason(error)}): is there a network, and a proxy to be named in "
                    "HTTPS_PROXY?"
                ) from error
            self._why_cut = _reason(error)
            return False
        except requests.RequestException as error:
            raise ModelError(f"{url} cannot be fetched ({_reason(error)}).") from error

    def _write(self, answer: requests.Response, have: int) -> bool:
        length = answer.headers.get("Content-Length", "")
        total = have + int(length) if length.isdecimal() and not answer.headers.get("Content-Encoding") else None
        with self._unfinished.open("ab" if have else "wb") as file:
            for piece in answer.iter_content(_PIECE_BYTES):
                file.write(piece)
                have += len(piece)
                if have > MAX_FILE_BYTES:
                    file.truncate(0)
                    raise ModelError(f"{answer.url} gives more than {MAX_FILE_BYTES // 2**20} MiB, far too much.")
                self._progress(f"fetching {self._unfinished.stem}", min(have / total, 1.0) if total else 0.0)
        return total is None or have >= total


def _first_byte(answer: requests.Response) -> int | None:
    found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return int(found[1]) if found else None


def _reason(error: Exception) -> str:
    """The innermost cause, which says it shortest."""
    cause: BaseException = error
    while (inner := cause.__cause__ or cause.__context__) is not None:
        cause = inner
    return str(cause)[:200] or type(cause).__name__
