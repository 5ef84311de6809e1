"""Entries of JSON tables: each of the type, among the choices and within the bounds that it takes."""

from __future__ import annotations

import reprlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

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


_type_hints = cache(get_type_hints)  # else more than half of the time of reading a case


@dataclass(frozen=True)
class Entries:
    """How JSON becomes dataclasses: by their fields' types, and by what the last part of an entry's name says.

    Parameters
    ----------
    choices, bounds
        Of entries by their names.
    left_out
        Fields that are in no table.
    """

    choices: Mapping[str, tuple[str, ...]]
    bounds: Mapping[str, tuple[float, float]]
    left_out: Collection[str] = ()

    def read(self, kind: Any, value: Any, name: str = "") -> Any:
        """An entry as its field takes it.

        Raises
        ------
        ValueError
            Naming the entry that cannot be.
        """
        inner = get_args(kind)
        if kind is Any:
            return value
        if is_dataclass(kind) or get_origin(kind) is dict:
            if not isinstance(value, dict):
                raise ValueError(f"{name} is {reprlib.repr(value)}; expected a table")
            prefix = f"{name}." if name else ""
            if get_origin(kind) is dict:
                return {key: self.read(inner[1], each, f"{prefix}{key}") for key, each in value.items()}
            known = {each.name: each for each in fields(kind) if each.name not in self.left_out}
            for key, each in known.items():
                if key not in value and each.default is MISSING and each.default_factory is MISSING:
                    raise ValueError(f"{prefix}{key} is missing")
            if unknown := [key for key in value if key not in known]:
                raise ValueError(f"{prefix}{unknown[0]} is not known")
            hints = _type_hints(kind)
            return kind(**{key: self.read(hints[key], each, f"{prefix}{key}") for key, each in value.items()})
        if get_origin(kind) is tuple:
            length = None if inner[-1] is Ellipsis else len(inner)
            if not isinstance(value, list) or length not in (None, len(value)):
                raise ValueError(f"{name} is {reprlib.repr(value)}; expected a list{f' of {length}' if length else ''}")
            return tuple(self.read(inner[0], each, f"{name}[{n}]") for n, each in enumerate(value))
        last = name.rpartition(".")[2]
        if why := problem(value, inner or (kind,), self.choices.get(last, ()), self.bounds.get(last, ANY_NUMBER)):
            raise ValueError(f"{name} is {reprlib.repr(value)}; {why}")
        return value
