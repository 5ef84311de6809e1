"""Identifiers that follow from a seed alone."""

from __future__ import annotations

import hashlib


def derived_uid(*parts: object) -> str:
    """A DICOM UID that follows from its parts alone ("2.25." and 128 bits of their hash)."""
    return f"2.25.{int(_digest(parts)[:32], 16)}"


def derived_id(*parts: object) -> str:
    """32 hexadecimal digits that follow from the parts alone, as the Data Science Bowl names its patients."""
    return _digest(parts)[:32]


def _digest(parts: tuple[object, ...]) -> str:
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()
