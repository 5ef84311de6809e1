"""One acquisition out of a stack of slices, and one slice a position: series may hold several phases, and copies."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from ...errors import CTReadError
from ..checks import MIN_SLICES
from .header import SliceHeader, slice_positions_mm
from .pixels import decoded

SAME_POSITION_MM = 0.01
MIN_COVERAGE = 0.9  # of the whole stack's extent, or positions, by the acquisition that is read
_MARKS = {
    "thickness": "slice thickness in mm",
    "acquisition": "acquisition number",
    "temporal": "temporal number",
    "cardiac_phase": "cardiac phase",
    "event": "irradiation event",
    "time": "acquisition time",
}
_ORDER = "the order of their instance numbers"
_SLICES_A_VALUE = 10  # where fewer slices share a time, pauses tell acquisitions apart
_SHARED_SLICES = 3  # of each of two acquisitions, before they overlap
_PAUSE = 5.0  # times the usual step from one time to the next
_INSIDE_STEPS = 3.0  # this far within an acquisition a single slice is one of another
_MAX_STEP = 2.5  # times the usual step between two slices of one acquisition


def one_acquisition(slices: Sequence[SliceHeader]) -> tuple[list[SliceHeader], tuple[str, ...], str]:
    """The largest of several acquisitions that cover the same part of the patient, and a sentence on the choice.

    Slices come and go sorted along their normal. Acquisitions that continue each other are one. Where nothing tells
    several apart, or none covers the whole, all slices are given back; in the latter case the last string says why
    they make no scan.
    """
    positions_mm = slice_positions_mm(slices)
    for name, called in _MARKS.items():
        values = [str(getattr(s, name)) for s in slices]
        units = _units(values, name)
        if chosen := _largest(_passes(units, positions_mm), positions_mm):
            return _chosen(slices, chosen, f"their {called}{_shown(name, values[chosen[0]])}")
        if any(_are_mixed(unit, other, positions_mm) for unit, other in combinations(units, 2)):
            return list(slices), (), f"its acquisitions (by their {called}) overlap, and none covers the whole"
    if chosen := _largest(_instance_runs(slices, positions_mm), positions_mm):
        return _chosen(slices, chosen, _ORDER)
    return list(slices), (), ""


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


def _chosen(
    slices: Sequence[SliceHeader], chosen: list[int], by: str
) -> tuple[list[SliceHeader], tuple[str, ...], str]:
    what = f"The series holds several acquisitions; {len(chosen)} of {len(slices)} slices read, told apart by {by}."
    return [slices[n] for n in chosen], (what,), ""


def _shown(name: str, value: str) -> str:
    """A value for a message; those that may tell the patient are left out."""
    return "" if name in ("event", "time") else f" ({value})"


def _units(values: Sequence[str], name: str) -> list[list[int]]:
    """The places of the slices that share a value, in the order of the values; none where one is missing."""
    if "" in values or len(set(values)) < 2:
        return []
    if name == "time":
        return _units_of_times(np.array([_seconds(value) for value in values]))
    units: dict[tuple[float, str], list[int]] = defaultdict(list)
    for n, value in enumerate(values):
        units[float(value) if re.fullmatch(r"[-+]?\d+(\.\d*)?", value) else np.inf, value].append(n)
    return [units[value] for value in sorted(units)]


def _units_of_times(seconds: np.ndarray) -> list[list[int]]:
    """Slices taken at the same time, or without a pause between them."""
    order = np.argsort(seconds, kind="stable")
    steps = np.diff(seconds[order])
    later = steps[steps > 0]
    many = len(later) + 1 > len(seconds) / _SLICES_A_VALUE
    breaks = np.flatnonzero(steps > (_PAUSE * np.median(later) if many else 0)) + 1
    return [sorted(part.tolist()) for part in np.split(order, breaks)]


def _seconds(value: str) -> float:
    """A DICOM date and time, or time, as seconds that only grow."""
    whole, _, fraction = re.split(r"[+-]", value.replace(":", ""))[0].partition(".")
    date, time = (whole[:8], whole[8:]) if len(whole) > 6 else ("", whole)
    hours, minutes, seconds = (int(f"{time:0<6}"[n : n + 2]) if time[:6].isdigit() else 0 for n in (0, 2, 4))
    days = int(date) if date.isdigit() else 0
    return days * 86400.0 + hours * 3600 + minutes * 60 + seconds + float(f"0.{re.sub(r'[^0-9]', '', fraction) or 0}")


def _passes(units: Iterable[list[int]], positions_mm: np.ndarray) -> list[list[int]]:
    """Units one after the other, joined as long as each lies beside what there is already."""
    inside_mm = _INSIDE_STEPS * _usual_step(positions_mm)
    passes: list[list[int]] = []
    low = high = 0.0  # of the last pass
    for unit in units:
        bottom, top = float(positions_mm[unit].min()), float(positions_mm[unit].max())
        if top - bottom > SAME_POSITION_MM:
            is_inside = min(top, high) - max(bottom, low) > min(top - bottom, high - low) / 2
        else:
            is_inside = low + inside_mm < bottom < high - inside_mm
        if passes and not is_inside:
            passes[-1] += unit
            low, high = min(low, bottom), max(high, top)
        else:
            passes.append(list(unit))
            low, high = bottom, top
    return [sorted(chosen) for chosen in passes]


def _are_mixed(unit: list[int], other: list[int], positions_mm: np.ndarray) -> bool:
    """Whether two units run through the same part of the patient, each evenly."""
    both = [np.unique(positions_mm[one].round(2)) for one in (unit, other)]
    low, high = max(own[0] for own in both), min(own[-1] for own in both)
    for own in both:
        shared = own[(own >= low) & (own <= high)]
        if len(shared) < _SHARED_SLICES:
            return False
        if np.diff([low, *shared, high]).max() > _MAX_STEP * np.median(np.diff(own)):
            return False
    return True


def _instance_runs(slices: Sequence[SliceHeader], positions_mm: np.ndarray) -> list[list[int]]:
    """Slices in the order of their instance numbers, a new run where these jump back over half of the stack."""
    instances = [s.instance for s in slices if s.instance is not None]
    if len(set(instances)) < len(slices):
        return []
    order = np.argsort(instances)
    breaks = np.flatnonzero(np.abs(np.diff(positions_mm[order])) > np.ptp(positions_mm) / 2) + 1
    runs = np.split(order, breaks)
    directions = {sign for run in runs for sign in np.sign(np.diff(positions_mm[run]))}
    return [sorted(run.tolist()) for run in runs] if len(directions) == 1 else []


def _largest(passes: Sequence[list[int]], positions_mm: np.ndarray) -> list[int]:
    """The first pass of those with the most positions, where it covers the whole stack evenly; else none."""
    if len(passes) < 2:
        return []
    largest = max(passes, key=lambda chosen: len(np.unique(positions_mm[chosen].round(2))))
    own_mm = np.unique(positions_mm[largest].round(2))
    if len(own_mm) < MIN_SLICES or np.ptp(own_mm) < MIN_COVERAGE * np.ptp(positions_mm):
        return []
    return largest if np.diff(own_mm).max() <= _MAX_STEP * np.median(np.diff(own_mm)) else []


def _usual_step(positions_mm: np.ndarray) -> float:
    steps = np.diff(np.unique(positions_mm.round(2)))
    return float(np.median(steps)) if len(steps) else 0.0


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
    """The first complete stack and the name of what tells it from the others."""
    for name, called in _MARKS.items():
        phase = _largest_phase(groups, name)
        if phase:
            return phase, f"their {called}{_shown(name, str(getattr(phase[0], name)))}"
    phase = _first_by_instance(groups)
    if phase:
        return phase, _ORDER
    fullest = max(groups, key=len)
    raise CTReadError(
        f"{path}: up to {len(fullest)} different slices lie at the same place (for example at z = "
        f"{fullest[0].position_lps_mm[2]:.1f} mm), and neither acquisition, temporal nor instance numbers tell the "
        f"stacks apart; give a folder with one stack only."
    )


def _largest_phase(groups: list[list[SliceHeader]], name: str) -> list[SliceHeader]:
    """The slices that share a mark, where that gives one slice a position at nearly all positions; else none."""
    phases: dict[str, list[SliceHeader]] = defaultdict(list)
    for group in groups:
        values = [str(getattr(s, name)) for s in group]
        if "" in values or len(set(values)) < len(values):
            return []
        for value, s in zip(values, group, strict=True):
            phases[value].append(s)
    largest = phases[min(phases, key=lambda value: (-len(phases[value]), len(value), value))]
    return largest if len(largest) >= MIN_COVERAGE * len(groups) else []


def _first_by_instance(groups: list[list[SliceHeader]]) -> list[SliceHeader]:
    """The lowest instance number at each position, where those of the others follow at the same steps everywhere."""
    if any(s.instance is None for group in groups for s in group):
        return []
    ordered = [sorted(group, key=lambda s: s.instance or 0) for group in groups]
    steps = {tuple(np.diff([s.instance or 0 for s in group])) for group in ordered}
    regular = len(steps) == 1 and 0 not in next(iter(steps))
    return [group[0] for group in ordered] if regular else []
