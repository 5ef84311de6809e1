"""Entries of JSON tables: each of the type, among the choices and within the bounds that it takes."""

from __future__ import annotations

from collections.abc import Sequence
from types import NoneType

ANY_NUMBER = (-1e9, 1e9)
"""Bounds of what is only to be finite."""


def problem(
    value: object,
    allowed: Sequence[type],
    choices: Sequence[str] = (),
    bounds: tuple[float, float] = ANY_NUMBER,
) -> str:
    """What an entry was expected to be, for a message; empty where it is that.

    Parameters
    ----------
    allowed
        Its types: bool, str, int or float, and NoneType where it may be left open.
    choices
        Of a text; empty: any.
    bounds
        Of a number, both included.
    """
    if value is None and NoneType in allowed:
        return ""
    if choices:
        return "" if value in choices else f"expected {' or '.join(choices)}"
    if bool in allowed:
        return "" if isinstance(value, bool) else "expected true or false"
    if str in allowed:
        return "" if isinstance(value, str) else "expected a text"
    whole = int in allowed
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        return f"expected a {'whole ' if whole else ''}number"
    low, high = bounds
    return "" if low <= value <= high else f"expected {low:g} to {high:g}"
