"""Which of the image stacks in a folder is the chest CT: an axial one of original slices, with the most of them."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path

import numpy as np

from ...errors import CTReadError
from ...suitability import is_very_sharp
from ..checks import MIN_EXTENT_MM, MIN_SLICES
from .acquisitions import one_acquisition
from .header import Series, SliceHeader, slice_positions_mm

_SAME_DIRECTION = 1e-3  # per component, between slices of one stack
_LISTED = 5  # stacks named in a warning
_AS_MANY = 0.9  # of the most positions: as good, so that the kernel decides
_SMALL_FIELD_MM = 300.0  # narrower fields of view are of a small patient, or of a part of the chest
_HALF_CHEST_MM = 220.0  # narrower ones of a child, or of a part
_WIDER = 1.15  # times a small field of view, and more to one side than
_ASIDE_MM = 40.0
_SLAB_SPACINGS, _SLAB_MM = 3.0, 5.0  # thicker slices than both were made of several
_NEXT_SPACINGS = (-0.05, 1.5)  # from the end of one stack to the begin of one that continues it
_SAME_SPACING = 0.05  # as a share, between two such stacks
_SIDEWAYS_PX = 0.5  # between two such stacks

_PROJECTIONS = {"MIP", "MINIP", "MNIP", "AIP", "AVIP", "MAXIMUM", "MINIMUM", "MEAN", "PROJECTION", "VRT", "VR", "SSD"}
_REFORMATS = {"SECONDARY", "MPR", "REFORMATTED", "CSAMPR"}
_CHEST = re.compile(r"CHEST|THORA|TORAX|LUNG|PULMO|BODY|\bCAP\b|\bTAP\b")
_OTHER_PARTS = re.compile(
    r"\b(HEAD|BRAIN|SKULL|NEURO|SINUS|ORBIT|FACE|NECK|[CL]SPINE|ABDO|PELVI|HIP\b|LIVER|KIDNEY|KNEE|LEG\b|FOOT|ANKLE|"
    r"ARM\b|WRIST|ELBOW|HAND|SCHAEDEL|SCHÄDEL|KOPF|HALS\b|BECKEN)"
)
_NOT_AXIAL, _PROJECTION, _SLAB, _FEW = "not axial", "a projection", "thick slabs", "few slices"
_NOT_HU, _HU = "not in HU", ("", "HU", "HU_MOD", "US")  # US: not specified
_OTHER_PART, _SMALL_FIELD, _REFORMAT = "another part of the body", "a smaller field of view", "reformatted"
_DOUBTS = (_NOT_AXIAL, _PROJECTION, _NOT_HU, _SLAB, _FEW, _OTHER_PART, _SMALL_FIELD, _REFORMAT)  # the worst first


@dataclass(frozen=True)
class Stack:
    """Parallel slices, sorted along their normal.

    `notes` are sentences on how they came to be, `mixed` says why they are of several acquisitions, which no one can
    tell apart.
    """

    slices: list[SliceHeader]
    notes: tuple[str, ...] = ()
    mixed: str = ""

    @property
    def series(self) -> Series:
        return self.slices[0].series

    @property
    def plane(self) -> str:
        return self.slices[0].plane

    @cached_property
    def positions_mm(self) -> np.ndarray:
        """The different positions, growing."""
        return np.unique(slice_positions_mm(self.slices).round(2))

    @cached_property
    def spacing_mm(self) -> float:
        steps = np.diff(self.positions_mm)
        return float(np.median(steps)) if len(steps) else 0.0

    @cached_property
    def ends_lps_mm(self) -> np.ndarray:
        """(2, 3) the middle of the first and of the last slice."""
        middles = []
        for end in (self.slices[0], self.slices[-1]):
            half_mm = (np.array(end.shape) - 1) * end.pixel_mm / 2
            along_i, along_j = np.reshape(end.orientation, (2, 3))
            middles.append(end.position_lps_mm + along_j * half_mm[0] + along_i * half_mm[1])
        return np.array(middles)

    @cached_property
    def width_mm(self) -> float:
        """The longer side of the field of view."""
        first = self.slices[0]
        return float(np.multiply(first.shape, first.pixel_mm).max())


def choose_stack(slices: Sequence[SliceHeader], path: Path) -> tuple[list[SliceHeader], tuple[str, ...]]:
    """The stack to read, sorted along its normal, and warnings where there was a choice.

    A stack is what one series UID holds of one image size, pixel size, orientation and kernel, of several acquisitions
    one; series that continue each other are one stack. The one with the fewest doubts is taken (not axial, a projection
    such as a MIP, another part of the body, a smaller field of view, ...), of several of these the one with slices at
    the most positions.

    Raises CTReadError where no stack will do and where slices are of several patients.
    """
    _check_one_patient(slices, path)
    stacks = _joined([Stack(*one_acquisition(stack)) for stack in _stacks(slices)])
    doubts = {id(stack): _doubts(stack, stacks) for stack in stacks}
    least = min(map(_severity, doubts.values()))
    equals = [stack for stack in stacks if _severity(doubts[id(stack)]) == least]
    most = max(len(stack.positions_mm) for stack in equals)
    chosen = min((stack for stack in equals if len(stack.positions_mm) >= _AS_MANY * most), key=_rank)
    others = sorted((stack for stack in stacks if stack is not chosen), key=_rank)

    def listed(some: Sequence[Stack]) -> str:
        names = "; ".join(_name(stack, chosen, stacks, doubts[id(stack)]) for stack in some[:_LISTED])
        return names + (f"; and {len(some) - _LISTED} more" if len(some) > _LISTED else "")

    for doubt in (_NOT_AXIAL, _PROJECTION):
        if doubt in doubts[id(chosen)]:
            found = "no axial slices" if doubt == _NOT_AXIAL else "no axial slices but projections of several"
            raise CTReadError(
                f"{path}: {found}; found {listed([chosen, *others])}. Give the axial series from which these were made."
            )
    if len(chosen.slices) > 1 and len(chosen.positions_mm) == 1:
        raise CTReadError(
            f"{path}: all {len(chosen.slices)} slices state the same position (ImagePositionPatient): their places are "
            "lost, as after a bad anonymisation. Export the series again."
        )
    if chosen.mixed:
        raise CTReadError(f"{path}: {listed([chosen])}: {chosen.mixed}. Give a folder with one of them.")
    if not others:
        return chosen.slices, chosen.notes
    choice = f"{len(stacks)} CT series found; read {listed([chosen])}; not read: {listed(others)}."
    return chosen.slices, (choice, *chosen.notes)


def _check_one_patient(slices: Sequence[SliceHeader], path: Path) -> None:
    """Refuse slices of several patients, who are told by their folders or series, never by name."""
    patients: dict[tuple[str, str, str], list[SliceHeader]] = defaultdict(list)
    for s in slices:
        patients[s.series.patient].append(s)
    for (one, ones), (other, others) in combinations(patients.items(), 2):
        if _are_different(one, other):
            raise CTReadError(
                f"{path}: CT slices of different patients: {_whereabouts(ones, others, path)} and "
                f"{_whereabouts(others, ones, path)}. Give a folder with the slices of one."
            )


def _are_different(one: tuple[str, str, str], other: tuple[str, str, str]) -> bool:
    """By their IDs, or without these by their names; and by their dates of birth."""
    (one_id, one_name, one_birth), (other_id, other_name, other_birth) = one, other
    names = (one_id, other_id) if one_id and other_id else (one_name, other_name)
    return any(a and b and a != b for a, b in (names, (one_birth, other_birth)))


def _whereabouts(slices: Sequence[SliceHeader], others: Sequence[SliceHeader], path: Path) -> str:
    """The folder of slices or, where the others lie there too, the series."""
    folders = {os.path.relpath(s.path.parent, path) for s in slices}
    if folders & {os.path.relpath(s.path.parent, path) for s in others}:
        return f"series {slices[0].series.uid or 'without UID'} ({len(slices)} slices)"
    return f"{min(folders)} ({len(slices)} slices)"


def _stacks(slices: Iterable[SliceHeader]) -> list[list[SliceHeader]]:
    """Slices that can lie above each other, sorted along their normal."""
    by_kind: dict[tuple[object, ...], list[list[SliceHeader]]] = defaultdict(list)
    for s in slices:
        pixel_mm = tuple(round(size, 4) for size in s.pixel_mm)
        alike = by_kind[s.series.uid, s.series.kernel, s.stack, s.shape, pixel_mm, _is_projection(s.series)]
        for stack in alike:
            if np.allclose(stack[0].orientation, s.orientation, rtol=0, atol=_SAME_DIRECTION):
                stack.append(s)
                break
        else:
            alike.append([s])
    return [_sorted(stack) for alike in by_kind.values() for stack in alike]


def _sorted(slices: Sequence[SliceHeader]) -> list[SliceHeader]:
    return [slices[n] for n in np.argsort(slice_positions_mm(slices), kind="stable")]


def _joined(stacks: Sequence[Stack]) -> list[Stack]:
    """The stacks, those that continue each other as one: some archives split long series."""
    by_kind: dict[tuple[object, ...], list[Stack]] = defaultdict(list)
    for stack in stacks:
        first, series = stack.slices[0], stack.series
        name = re.sub(r"[\W\d_]+", " ", series.description.upper())  # parts may be numbered
        about = (series.frame_of_reference, name.strip(), series.kernel, series.image_type)
        by_kind[(*about, series.slice_thickness_mm, first.shape, stack.plane)].append(stack)
    joined = []
    for alike in by_kind.values():
        normal = alike[0].slices[0].normal_lps
        chains: list[list[Stack]] = []
        for stack in sorted(alike, key=lambda stack: float(stack.slices[0].position_lps_mm @ normal)):
            chain = next((chain for chain in chains if _continues(chain[-1], stack)), None)
            if chain is None:
                chains.append([stack])
            else:
                chain.append(stack)
        joined += [_one_stack(chain) for chain in chains]
    return joined


def _one_stack(chain: list[Stack]) -> Stack:
    if len(chain) == 1:
        return chain[0]
    note = f"The scan is split into {len(chain)} series that continue each other; they were read as one."
    slices = _sorted([s for stack in chain for s in stack.slices])
    notes = (note, *(note for stack in chain for note in stack.notes))
    return Stack(slices, notes, next((stack.mixed for stack in chain if stack.mixed), ""))


def _continues(below: Stack, above: Stack) -> bool:
    """Whether a stack begins where another ends, on the same grid."""
    first, last = above.slices[0], below.slices[-1]
    spacing_mm = below.spacing_mm or above.spacing_mm
    same_spacing = abs((above.spacing_mm or spacing_mm) - spacing_mm) <= _SAME_SPACING * spacing_mm
    same_grid = np.allclose(first.orientation, last.orientation, rtol=0, atol=_SAME_DIRECTION) and np.allclose(
        first.pixel_mm, last.pixel_mm, rtol=0, atol=1e-4
    )
    if not (same_spacing and same_grid and spacing_mm):
        return False
    way_mm = np.subtract(first.position_lps_mm, last.position_lps_mm)
    up_mm = float(way_mm @ last.normal_lps)
    drift_mm = np.subtract(last.position_lps_mm, below.slices[0].position_lps_mm)  # of a tilted scan, sideways too
    length_mm = float(drift_mm @ last.normal_lps)
    sideways_mm = np.linalg.norm(way_mm - (drift_mm * (up_mm / length_mm) if length_mm else up_mm * last.normal_lps))
    low, high = _NEXT_SPACINGS
    return bool(low * spacing_mm <= up_mm <= high * spacing_mm and sideways_mm <= _SIDEWAYS_PX * min(first.pixel_mm))


def _is_projection(series: Series) -> bool:
    tokens = {part for value in series.image_type for part in re.split(r"[ _/]", value)}
    tokens |= set(re.split(r"[^A-Z]+", series.description.upper()))
    return bool(_PROJECTIONS & tokens) or {"MIN", "IP"} <= tokens


def _doubts(stack: Stack, stacks: Sequence[Stack]) -> list[str]:
    """Why a stack may not be the chest CT to read, beside the others."""
    series, positions_mm, spacing_mm = stack.series, stack.positions_mm, stack.spacing_mm
    about = f"{series.body_part} {series.description.upper()}"
    axial = [other for other in stacks if other.plane == "axial"]
    originals = [other for other in axial if not _REFORMATS & set(other.series.image_type)]
    found = {
        _NOT_AXIAL: stack.plane != "axial",
        _PROJECTION: _is_projection(series),
        _NOT_HU: series.rescale_type not in _HU,
        _SLAB: 0 < _SLAB_SPACINGS * spacing_mm < (series.slice_thickness_mm or 0.0) > _SLAB_MM,
        _FEW: len(positions_mm) < MIN_SLICES or len(positions_mm) * spacing_mm < MIN_EXTENT_MM,
        _OTHER_PART: bool(_OTHER_PARTS.search(about)) and not _CHEST.search(about),
        _SMALL_FIELD: any(_is_part(stack, other) for other in axial),
        _REFORMAT: stack not in originals
        and any(2 * len(other.positions_mm) >= len(positions_mm) for other in originals),
    }
    return [doubt for doubt in _DOUBTS if found[doubt]]


def _is_part(stack: Stack, wide: Stack) -> bool:
    """Whether a stack shows a part only of what another shows, or lies beside it, as a head above the chest."""
    if stack.width_mm >= _SMALL_FIELD_MM or wide.width_mm < _WIDER * stack.width_mm:
        return False
    aside_mm = np.abs(stack.ends_lps_mm.mean(axis=0) - wide.ends_lps_mm.mean(axis=0))[:2].max()
    return bool(stack.width_mm < _HALF_CHEST_MM or aside_mm > _ASIDE_MM or _beside(stack, wide))


def _beside(stack: Stack, other: Stack) -> str:
    """Where a stack lies that shares no height with another: above it or below it; else empty."""
    (low, high), (other_low, other_high) = (np.sort(both.ends_lps_mm[:, 2]) for both in (stack, other))
    return "above it" if low >= other_high else "below it" if high <= other_low else ""


def _severity(doubts: Sequence[str]) -> tuple[bool, ...]:
    return tuple(doubt in doubts for doubt in _DOUBTS)


def _rank(stack: Stack) -> tuple[bool, bool, int, str, str, str]:
    """Very sharp kernels last, and derived images, as those of one energy; then by positions covered, then by names,
    never by the order of files.
    """
    series = stack.series
    is_derived = series.image_type[:1] == ("DERIVED",)
    by_name = series.description, series.uid, series.kernel
    return is_very_sharp(series.kernel), is_derived, -len(stack.positions_mm), *by_name


def _name(stack: Stack, chosen: Stack, stacks: Sequence[Stack], doubts: Sequence[str]) -> str:
    """What a stack is called, how many slices it has, and what sets it apart from the one that is read."""
    series, count = stack.series, len(stack.slices)
    uid = f"UID {series.uid or 'unknown'}"
    same = [other for other in stacks if other.series.description == series.description]
    label = f'"{series.description}"' + (f", {uid}" if len({other.series.uid for other in same}) > 1 else "")
    about = [f"{count} {stack.plane} slice{'s' * (count > 1)}"]
    about += [doubt for doubt in doubts[:1] if doubt not in (_NOT_AXIAL, _FEW)]
    if stack is not chosen:
        about += ["of another study"] * (series.study != chosen.series.study)
        about += filter(None, [_beside(stack, chosen)])
    return f"{label if series.description else uid} ({', '.join(about)})"
