"""Which of the image stacks in a folder is the chest CT: the axial one with the most slices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..errors import CTReadError
from ..kernels import is_very_sharp
from .slice_header import SliceHeader, distances_mm

_SAME_DIRECTION = 1e-3  # per component, between slices of one stack
_LISTED = 5  # stacks named in a warning


def choose_stack(slices: Iterable[SliceHeader], path: Path) -> tuple[list[SliceHeader], tuple[str, ...]]:
    """The stack to read, sorted along its normal, and a warning where there was a choice.

    A stack is what one series UID holds of one image size, pixel size, orientation and kernel. The axial stack with
    slices at the most places is taken. Raises CTReadError where no stack is axial.
    """
    stacks = sorted(_stacks(slices), key=_rank)
    chosen = stacks[0]
    if chosen[0].plane != "axial":
        raise CTReadError(
            f"{path}: no axial slices; found {_listed(stacks)}. Give the axial series from which these were made."
        )
    warnings: tuple[str, ...] = ()
    if len(stacks) > 1:
        warnings = (f"{len(stacks)} CT series found; read {_name(chosen)}; not read: {_listed(stacks[1:])}.",)
    order = np.argsort(distances_mm(chosen), kind="stable")
    return [chosen[n] for n in order], warnings


def _stacks(slices: Iterable[SliceHeader]) -> list[list[SliceHeader]]:
    by_kind: dict[tuple, list[list[SliceHeader]]] = defaultdict(list)
    for s in slices:
        pixel_mm = tuple(round(size, 4) for size in s.pixel_mm)
        alike = by_kind[s.series.uid, s.series.kernel, s.stack, s.shape, pixel_mm]
        for stack in alike:
            if np.allclose(stack[0].orientation, s.orientation, rtol=0, atol=_SAME_DIRECTION):
                stack.append(s)
                break
        else:
            alike.append([s])
    return [stack for alike in by_kind.values() for stack in alike]


def _rank(stack: list[SliceHeader]) -> tuple:
    """Axial first, then by places covered, very sharp kernels last, then by names: the order of files never decides."""
    first = stack[0]
    places = len(np.unique(distances_mm(stack).round(2)))
    sharp = is_very_sharp(first.series.kernel)
    return first.plane != "axial", -places, sharp, first.series.description, first.series.uid, first.series.kernel


def _listed(stacks: list[list[SliceHeader]]) -> str:
    names = "; ".join(_name(stack) for stack in stacks[:_LISTED])
    return names + (f"; and {len(stacks) - _LISTED} more" if len(stacks) > _LISTED else "")


def _name(stack: list[SliceHeader]) -> str:
    series = stack[0].series
    label = f'"{series.description}"' if series.description else f"UID {series.uid or 'unknown'}"
    return f"{label} ({len(stack)} {stack[0].plane} slice{'s' * (len(stack) > 1)})"
