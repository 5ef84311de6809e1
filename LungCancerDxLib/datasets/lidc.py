"""LIDC-IDRI as TCIA publishes it (DICOM series, the readers' XML) to a bank of nodules (`nodule_bank`).

Armato et al., Medical Physics 38 (2011) 915-931. A reader's outline is the first pixel outside the nodule.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import binary_fill_holes, distance_transform_edt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..errors import CTReadError, LungCancerDxError
from ..io import read_ct
from ..runtime.progress import Progress, silent
from ..volume import CTVolume, world_to_index
from .nodule_bank import RATINGS, BankRow, write_nodule_bank

MIN_READERS = 3
SURROUNDINGS_MM = 15.0
SHELL_MM = (1.5, 4.0)
FOLDS = 5
_TAGS = ["SeriesInstanceUID", "PatientID", "Rows", "Columns"]
_OFF_SLICE, _OFF_AXIS = 0.25, 1e-3  # of a slice; of a unit vector


@dataclass(frozen=True)
class Outline:
    """One reader's nodule: ratings by name, and (z in mm, whether it is inside or a hole, (N, 2) x, y in pixels)."""

    reader: int
    ratings: dict[str, int]
    contours: tuple[tuple[float, bool, np.ndarray], ...]


@dataclass(frozen=True)
class Reading:
    """What all readers outlined in a series; nodules under 3 mm have neither outline nor rating and are not in it."""

    path: Path
    series_uid: str
    outlines: tuple[Outline, ...]


def read_reading(path: Path) -> Reading | None:
    """A reader's XML; None for one of radiographs, or of something else.

    Raises
    ------
    CTReadError
        Where it is damaged.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise CTReadError(f"{path} cannot be read ({error}); expected the readers' XML. Download it again.") from error
    name = {"": root.tag[1:].split("}")[0]} if root.tag.startswith("{") else {}
    uid = (root.findtext(".//SeriesInstanceUid", "", name) or "").strip()
    if not root.tag.endswith("LidcReadMessage") or not uid:
        return None
    try:
        outlines = [
            Outline(
                reader,
                {trait: int(nodule.findtext(f"characteristics/{trait}", "", name)) for trait in RATINGS},
                tuple(_contour(roi, name) for roi in nodule.iterfind("roi", name)),
            )
            for reader, session in enumerate(root.iterfind("readingSession", name))
            for nodule in session.iterfind("unblindedReadNodule", name)
            if nodule.find("characteristics/malignancy", name) is not None
        ]
    except (TypeError, ValueError) as error:
        raise CTReadError(f"{path}: a nodule is damaged ({error}); download the file again.") from error
    return Reading(path, uid, tuple(outlines))


def _contour(roi: ElementTree.Element, name: dict[str, str]) -> tuple[float, bool, np.ndarray]:
    edges = roi.iterfind("edgeMap", name)
    points = [[int(edge.findtext(axis, "", name)) for axis in ("xCoord", "yCoord")] for edge in edges]
    if not points:
        raise ValueError("an outline has no points")
    inside = (roi.findtext("inclusion", "TRUE", name) or "").strip().upper() == "TRUE"
    return float(roi.findtext("imageZposition", "", name)), inside, np.array(points)


def nodules_of(volume: CTVolume, reading: Reading, patient: str, min_readers: int = MIN_READERS) -> Iterator[BankRow]:
    """The nodules that so many readers outlined: those parts that at least half of these readers gave, median ratings.

    Outlines that share a voxel are of one nodule.

    Raises
    ------
    CTReadError
        Where the outlines do not lie on slices of this series.
    """
    voxels = [_voxels(outline, volume, reading) for outline in reading.outlines]
    for members in _groups(voxels):
        readers = {reading.outlines[n].reader for n in members}
        if len(readers) < min_readers:
            continue
        own = []
        for reader in sorted(readers):
            parts = [voxels[n] for n in members if reading.outlines[n].reader == reader]
            own.append(np.unique(np.concatenate(parts), axis=0))
        found, votes = np.unique(np.concatenate(own), axis=0, return_counts=True)
        inside = found[2 * votes >= len(readers)]
        if not len(inside):
            continue
        spacing = volume.spacing_mm_kji
        around = np.ceil(SURROUNDINGS_MM / spacing).astype(int)
        low = np.maximum(inside.min(axis=0) - around, 0)
        high = np.minimum(inside.max(axis=0) + around + 1, volume.shape_kji)
        mask = np.zeros(high - low, dtype=bool)
        mask[tuple((inside - low).T)] = True
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        hu = volume.voxels[box].copy()  # else it keeps the whole series in memory
        away = distance_transform_edt(~mask, sampling=spacing)
        ratings = {
            trait: int(np.floor(np.median([reading.outlines[n].ratings[trait] for n in members]) + 0.5))
            for trait in RATINGS
        }
        yield BankRow(
            patient=patient,
            fold=zlib.crc32(patient.encode()) % FOLDS,
            spacing_mm_kji=(float(spacing[0]), float(spacing[1]), float(spacing[2])),
            diameter_mm=float((6 / np.pi * len(inside) * np.prod(spacing)) ** (1 / 3)),
            ratings=ratings,
            readers=len(readers),
            shell_hu=float(hu[(away > SHELL_MM[0]) & (away < SHELL_MM[1])].mean()),
            hu=hu,
            mask=mask,
        )


def _voxels(outline: Outline, volume: CTVolume, reading: Reading) -> np.ndarray:
    """(N, 3) int, k, j, i of what lies within an outline; of one without an inside its own pixels."""
    inside: list[np.ndarray] = []
    holes: list[np.ndarray] = []
    for z_mm, included, xy in outline.contours:
        k = _slice_of(z_mm, volume, reading)
        low, high = xy.min(axis=0), xy.max(axis=0)
        if (low < 0).any() or (high >= volume.shape_kji[:0:-1]).any():
            raise CTReadError(f"{reading.path}: an outline leaves the image; the XML is of another series.")
        edge = np.zeros((high - low + 1)[::-1], dtype=bool)
        edge[tuple((xy - low).T[::-1])] = True
        filled = binary_fill_holes(edge) & ~edge
        j, i = np.nonzero(filled if filled.any() else edge)
        (inside if included else holes).append(np.column_stack([np.full(len(j), k), j + low[1], i + low[0]]))
    if not inside:
        return np.zeros((0, 3), dtype=int)
    found = np.unique(np.concatenate(inside), axis=0)
    if not holes:
        return found
    out = {tuple(voxel) for voxel in np.concatenate(holes).tolist()}
    return found[[tuple(voxel) not in out for voxel in found.tolist()]]


def _slice_of(z_mm: float, volume: CTVolume, reading: Reading) -> int:
    place = volume.kji_to_lps[:3, 3] * (1, 1, 0) + (0, 0, z_mm)
    k: float = world_to_index(volume.kji_to_lps, place[None])[0, 0]
    if abs(k - round(k)) > _OFF_SLICE or not 0 <= round(k) < volume.shape_kji[0]:
        raise CTReadError(
            f"{reading.path}: an outline at z = {z_mm:g} mm is on no slice; the XML is of another series."
        )
    return round(k)


def _groups(voxels: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Which outlines share a voxel, directly or through others: their numbers, group by group."""
    owners: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for number, one in enumerate(voxels):
        for voxel in map(tuple, one.tolist()):
            owners[voxel].append(number)
    pairs = np.array([(one[0], other) for one in owners.values() for other in one]).reshape(-1, 2)
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(voxels),) * 2)
    count, label = connected_components(graph, directed=False)
    return [np.flatnonzero(label == n) for n in range(count)]


def make_nodule_bank(
    folder: Path, out: Path, min_readers: int = MIN_READERS, progress: Progress = silent
) -> tuple[int, int, list[str]]:
    """Write a bank of all nodules under a folder; returns how many, of how many series, and what was left out and why.

    The XML may lie beside the slices or elsewhere under the folder.

    Raises
    ------
    CTReadError
        Where no series has a reading.
    UsageError, OutputError
        Where `out` is taken or cannot be written.
    """
    rows: list[BankRow] = []
    left_out: list[str] = []
    series = _series(folder, left_out)
    for number, (slices, patient, shape, reading) in enumerate(series):
        progress(f"reading {patient}, series {number + 1} of {len(series)}", number / len(series))
        try:
            volume = read_ct(slices)
            if np.abs(volume.kji_to_lps[:2, 1:3] / volume.spacing_mm_kji[1:] - [[0, 1], [1, 0]]).max() > _OFF_AXIS:
                raise CTReadError(f"{slices}: rows and columns do not run along the patient; expected an axial series.")
            if volume.shape_kji[1:] != shape:
                raise CTReadError(f"{slices}: outlines do not fit, as slices lie aside of each other and were shifted.")
            rows += nodules_of(volume, reading, patient, min_readers)
        except LungCancerDxError as error:
            left_out.append(str(error))
    if not series:
        raise CTReadError(
            f"{folder}: no DICOM series with a readers' XML of the same SeriesInstanceUID under it; expected LIDC-IDRI "
            "as TCIA publishes it, with its XML files. " + " ".join(left_out)
        )
    write_nodule_bank(out, rows)
    return len(rows), len(series), left_out


def _series(folder: Path, left_out: list[str]) -> list[tuple[Path, str, tuple[int, int], Reading]]:
    """Folders of slices with their patient, size (rows, columns) and reading."""
    import pydicom

    readings: dict[str, Reading] = {}
    for path in sorted(folder.rglob("*.xml")):
        try:
            reading = read_reading(path)
        except CTReadError as error:
            left_out.append(str(error))
            continue
        if reading is not None:
            readings[reading.series_uid] = reading
    found = []
    for slices in sorted({path.parent for path in folder.rglob("*.dcm")}):
        first = min(slices.glob("*.dcm"))
        try:
            header = pydicom.dcmread(first, specific_tags=_TAGS, stop_before_pixels=True)
        except (OSError, pydicom.errors.InvalidDicomError) as error:
            left_out.append(f"{first} cannot be read ({error}); download it again.")
            continue
        if (reading := readings.get(str(header.get("SeriesInstanceUID", "")))) is not None:
            shape = int(header.get("Rows", 0)), int(header.get("Columns", 0))
            found.append((slices, str(header.get("PatientID", "")) or slices.name, shape, reading))
    return found
