"""Which of the image stacks in a folder is the chest CT: the axial one with the most slices."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from ...errors import CTReadError
from ...suitability import is_very_sharp
from .header import SliceHeader, distances_mm
from .pixels import decoded

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


SAME_PLACE_MM = 0.01
MIN_COVERAGE = 0.9  # of the places, by the phase that is read

Place = list[SliceHeader]  # the slices at one place


def without_repeats(slices: Sequence[SliceHeader], path: Path) -> tuple[list[SliceHeader], tuple[str, ...]]:
    """One slice a place out of slices sorted along their normal, and what was left out in words.

    Raises CTReadError where different slices share a place and no number in the headers tells their stacks apart.
    """
    places = _places(slices)
    if not _has_repeats(places):
        return list(slices), ()
    places = _without_copies(places)
    copies = len(slices) - sum(map(len, places))
    warnings = (f"{copies} duplicate slice{'s' * (copies > 1)} left out.",) if copies else ()
    if not _has_repeats(places):
        return [place[0] for place in places], warnings
    phase, told_by = _one_phase(places, path)
    total = sum(map(len, places))
    chosen = f"The series holds several images at the same places; {len(phase)} of {total} slices read, told apart by "
    return phase, (*warnings, f"{chosen}{told_by}.")


def _places(slices: Sequence[SliceHeader]) -> list[Place]:
    steps = np.diff(distances_mm(slices))
    places = [[slices[0]]]
    for s, step in zip(slices[1:], steps, strict=True):
        if step > SAME_PLACE_MM:
            places.append([s])
        else:
            places[-1].append(s)
    return places


def _has_repeats(places: list[Place]) -> bool:
    return any(len(place) > 1 for place in places)


def _without_copies(places: list[Place]) -> list[Place]:
    """The places, of slices with the same pixels and position only one kept."""
    shared = [s for place in places if len(place) > 1 for s in place]
    digests = {(shared[n].path, shared[n].frame): _digest(pixels) for n, pixels in decoded(shared)}
    kept = []
    for place in places:
        different = {(digests.get((s.path, s.frame)), np.round(s.position_lps_mm, 2).tobytes()): s for s in place}
        kept.append(list(different.values()))
    return kept


def _digest(pixels: np.ndarray) -> bytes:
    return hashlib.blake2b(pixels.tobytes()).digest()


def _one_phase(places: list[Place], path: Path) -> tuple[list[SliceHeader], str]:
    """The first complete stack and the name of the number that tells it from the others."""
    for name in ("acquisition", "temporal"):
        phase = _largest_group(places, name)
        if phase:
            return phase, f"their {name} number ({getattr(phase[0], name)})"
    phase = _first_by_instance(places)
    if phase:
        return phase, "the order of their instance numbers"
    most = max(map(len, places))
    where = places[int(np.argmax([len(place) for place in places]))][0].position_lps_mm
    raise CTReadError(
        f"{path}: up to {most} different slices lie at the same place (for example at z = {where[2]:.1f} mm), and "
        f"neither acquisition, temporal nor instance numbers tell the stacks apart; give a folder with one stack only."
    )


def _largest_group(places: list[Place], name: str) -> list[SliceHeader]:
    """The slices that share a number, where that gives one slice a place at nearly all places; else none."""
    groups: dict[int, list[SliceHeader]] = defaultdict(list)
    for place in places:
        values = [getattr(s, name) for s in place]
        if None in values or len(set(values)) < len(values):
            return []
        for value, s in zip(values, place, strict=True):
            groups[value].append(s)
    largest = groups[min(groups, key=lambda value: (-len(groups[value]), value))]
    return largest if len(largest) >= MIN_COVERAGE * len(places) else []


def _first_by_instance(places: list[Place]) -> list[SliceHeader]:
    """The lowest instance number at each place, where the numbers of the others follow at the same steps everywhere."""
    if any(s.instance is None for place in places for s in place):
        return []
    ordered = [sorted(place, key=lambda s: s.instance or 0) for place in places]
    steps = {tuple(np.diff([s.instance or 0 for s in place])) for place in ordered}
    regular = len(steps) == 1 and 0 not in next(iter(steps))
    return [place[0] for place in ordered] if regular else []
