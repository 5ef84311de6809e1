"""Whether what an image file holds compressed is whole: readers take what they can get of it, and call it voxels."""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import BinaryIO

_BLOCK = 1 << 16  # bytes: what they unpack to must fit into memory
_HEADER_BYTES = 1 << 20  # no text header is longer
_ZLIB_OR_GZIP = 32 + zlib.MAX_WBITS
_GZIP = b"\x1f\x8b"
_META_END = re.compile(rb"^ElementDataFile\s*=\s*(.+?)\s*?(\n|\Z)", re.MULTILINE)
_META_COMPRESSED = re.compile(rb"^CompressedData\s*=\s*True", re.MULTILINE | re.IGNORECASE)
_META_SKIPPED = re.compile(rb"^HeaderSize\s*=\s*[^0\s]", re.MULTILINE)  # of another kind, before the voxels


def check_gzip_file(path: Path) -> None:
    """Read a gzip file to its end, where it says how long it is and what its checksum is.

    Raises
    ------
    ValueError
        Where it is damaged or cut off.
    """
    with path.open("rb") as file:
        _check_stream(file)


def check_compressed_voxels(path: Path) -> None:
    """Read the compressed voxels of an NRRD or MetaImage file to their end; nothing where none are, or in many files.

    Raises
    ------
    ValueError
        Where they are damaged or cut off.
    """
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES)
        place = _nrrd_voxels(head) if head.startswith(b"NRRD") else _meta_voxels(head)
        if place is None:
            return
        offset, beside = place
        if not beside:
            file.seek(offset)
            _check_stream(file)
            return
    if (other := path.parent / beside).is_file():
        check_gzip_file(other)


def _nrrd_voxels(head: bytes) -> tuple[int, str] | None:
    """Where an NRRD's gzip stream begins, or the file that it is in."""
    end = re.search(rb"\r?\n\r?\n", head)
    text = head[: end.start() if end else None].decode("latin1")
    fields = {name.lower(): value.strip() for name, value in re.findall(r"^([\w ]+):(?!=)(.*)$", text, re.MULTILINE)}
    if fields.get("encoding", "").lower() not in ("gzip", "gz") or {"line skip", "lineskip"} & fields.keys():
        return None
    beside = fields.get("data file") or fields.get("datafile") or ""
    if not beside:
        return (end.end(), "") if end else None
    return _in_another_file(beside)


def _meta_voxels(head: bytes) -> tuple[int, str] | None:
    """Where a MetaImage's zlib stream begins, or the file that it is in."""
    end = _META_END.search(head)
    if end is None or not _META_COMPRESSED.search(head, 0, end.start()) or _META_SKIPPED.search(head, 0, end.start()):
        return None
    beside = end.group(1).decode("utf-8", "surrogateescape")
    if beside.upper() == "LOCAL":
        return end.end(), ""
    return _in_another_file(beside)


def _in_another_file(name: str) -> tuple[int, str] | None:
    """The beginning of a file that is named in a header; None where it names many."""
    return None if name.startswith("LIST") or "%" in name else (0, name)


def _check_stream(file: BinaryIO) -> None:
    """Unpack from here to the end of a zlib stream, or of all gzip members that follow each other."""
    stream, rest = zlib.decompressobj(_ZLIB_OR_GZIP), b""
    try:
        while block := rest or file.read(_BLOCK):
            if stream.eof:
                if not block.startswith(_GZIP):
                    return
                stream = zlib.decompressobj(_ZLIB_OR_GZIP)
            stream.decompress(block)
            rest = stream.unused_data
    except zlib.error as error:
        raise ValueError(f"what is compressed in it is damaged: {error}") from error
    if not stream.eof:
        raise ValueError("what is compressed in it ends too early")
