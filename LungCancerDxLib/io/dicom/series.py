"""Which of the image stacks in a folder is the chest CT: the axial one with the most slices, one slice a position."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from ...errors import CTReadError
from ...suitability import is_very_sharp
from .header import SliceHeader, slice_positions_mm
from .pixels import decoded

SAME_POSITION_MM = 0.01
MIN_COVERAGE = 0.9  # of the positions, by the phase that is read
_SAME_DIRECTION = 1e-3  # per component, between slices of one stack
_LISTED = 5  # stacks named in a warning


def choose_stack(slices: Iterable[SliceHeader], path: Path) -> tuple[list[SliceHeader], tuple[str, ...]]:
    """The stack to read, sorted along its normal, and a warning where there was a choice.

    A stack is what one series UID holds of one image size, pixel size, orientation and kernel. The axial stack with
    slices at the most positions is taken. Raises CTReadError where no stack is axial.
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
    order = np.argsort(slice_positions_mm(chosen), kind="stable")
    return [chosen[n] for n in order], warnings


def without_repeats(slices: Sequence[SliceHeader], path: Path) -> tuple[list[SliceHeader], tuple[str, ...]]:
    """One slice a position out of slices sorted along their normal, and sentences on what was left out.

    Raises CTReadError where different slices share a position and no number in the headers tells their stacks apart.
    """
    groups = _by_position(slices)
    if len(groups) == len(slices):
        return list(slices), ()
    groups = _without_copies(groups)
    total = sum(map(len, groups))
    copies = len(slices) - total
    warnings = (f"{copies} duplicate slice{'s' * (copies > 1)} left out.",) if copies else ()
    if len(groups) == total:
        return [group[0] for group in groups], warnings
    phase, told_by = _one_phase(groups, path)
    chosen = f"The series holds several images at the same places; {len(phase)} of {total} slices read, told apart by "
    return phase, (*warnings, f"{chosen}{told_by}.")


def _stacks(slices: Iterable[SliceHeader]) -> list[list[SliceHeader]]:
    by_kind: dict[tuple[object, ...], list[list[SliceHeader]]] = defaultdict(list)
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


def _rank(stack: list[SliceHeader]) -> tuple[bool, int, bool, str, str, str]:
    """Axial first, then by positions covered, very sharp kernels last, then by names, never by the order of files."""
    first = stack[0]
    positions = len(np.unique(slice_positions_mm(stack).round(2)))
    sharp = is_very_sharp(first.series.kernel)
    return first.plane != "axial", -positions, sharp, first.series.description, first.series.uid, first.series.kernel


def _listed(stacks: list[list[SliceHeader]]) -> str:
    names = "; ".join(_name(stack) for stack in stacks[:_LISTED])
    return names + (f"; and {len(stacks) - _LISTED} more" if len(stacks) > _LISTED else "")


def _name(stack: list[SliceHeader]) -> str:
    series = stack[0].series
    label = f'"{series.description}"' if series.description else f"UID {series.uid or 'unknown'}"
    return f"{label} ({len(stack)} {stack[0].plane} slice{'s' * (len(stack) > 1)})"


def _by_position(slices: Sequence[SliceHeader]) -> list[list[SliceHeader]]:
    """Slices sorted along their normal, those that share a position together."""
    steps = np.diff(slice_positions_mm(slices))
    groups = [[slices[0]]]
    for s, step in zip(slices[1:], steps, strict=True):
        if step > SAME_POSITION_MM:
            groups.append([s])
        else:
            groups[-1].append(s)
    return groups


def _without_copies(groups: list[list[SliceHeader]]) -> list[list[SliceHeader]]:
    """Of slices with the same pixels and position only one."""
    shared = [s for group in groups if len(group) > 1 for s in group]
    digests = {(shared[n].path, shared[n].frame): _digest(pixels) for n, pixels in decoded(shared)}
    kept = []
    for group in groups:
        different = {(digests.get((s.path, s.frame)), np.round(s.position_lps_mm, 2).tobytes()): s for s in group}
        kept.append(list(different.values()))
    return kept


def _digest(pixels: np.ndarray) -> bytes:
    return hashlib.blake2b(pixels.tobytes()).digest()


def _one_phase(groups: list[list[SliceHeader]], path: Path) -> tuple[list[SliceHeader], str]:
    """The first complete stack and the name of the number that tells it from the others."""
    for name in ("acquisition", "temporal"):
        phase = _largest_phase(groups, name)
        if phase:
            return phase, f"their {name} number ({getattr(phase[0], name)})"
    phase = _first_by_instance(groups)
    if phase:
        return phase, "the order of their instance numbers"
    fullest = max(groups, key=len)
    raise CTReadError(
        f"{path}: up to {len(fullest)} different slices lie at the same place (for example at z = "
        f"{fullest[0].position_lps_mm[2]:.1f} mm), and neither acquisition, temporal nor instance numbers tell the "
        f"stacks apart; give a folder with one stack only."
    )


def _largest_phase(groups: list[list[SliceHeader]], name: str) -> list[SliceHeader]:
    """The slices that share a number, where that gives one slice a position at nearly all positions; else none."""
    phases: dict[int, list[SliceHeader]] = defaultdict(list)
    for group in groups:
        values = [getattr(s, name) for s in group]
        if None in values or len(set(values)) < len(values):
            return []
        for value, s in zip(values, group, strict=True):
            phases[value].append(s)
    largest = phases[min(phases, key=lambda value: (-len(phases[value]), value))]
    return largest if len(largest) >= MIN_COVERAGE * len(groups) else []


def _first_by_instance(groups: list[list[SliceHeader]]) -> list[SliceHeader]:
    """The lowest instance number at each position, where those of the others follow at the same steps everywhere."""
    if any(s.instance is None for group in groups for s in group):
        return []
    ordered = [sorted(group, key=lambda s: s.instance or 0) for group in groups]
    steps = {tuple(np.diff([s.instance or 0 for s in group])) for group in ordered}
    regular = len(steps) == 1 and 0 not in next(iter(steps))
    return [group[0] for group in ordered] if regular else []
