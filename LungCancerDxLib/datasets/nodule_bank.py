"""Real nodules cut out of LIDC-IDRI scans, with the readers' outlines and ratings.

A bank is a folder with `lidc-nodules.npz` (arrays `hu_<id>` and `mask_<id>`) and `lidc-nodules.csv`, and perhaps the
same of `lidc-cubes`: cubes of 1 mm voxels with all their surroundings. Ratings are opinions, not outcomes.
"""

from __future__ import annotations

import hashlib
import os
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from ..errors import CTReadError, UsageError
from ..io.tables import read_table, write_table
from ..runtime.atomic import atomic_folder
from ..runtime.npz import write_npz

DATA_FOLDER_VARIABLE = "LUNGCANCERDX_DATA"
NODULES, CUBES = "lidc-nodules", "lidc-cubes"
FREE_BELOW_HU = -650.0  # mean of the shell around the outline
SUBSOLID_TEXTURE = 3  # or less
_HIGHEST_RATING = 5
_RATINGS = ("texture", "spiculation", "lobulation", "margin", "sphericity", "subtlety")
RATINGS = ("malignancy", *_RATINGS, "calcification")
_COLUMNS = ("id", "patient", "fold", "malignancy", *_RATINGS)
_SPACINGS = tuple(f"spacing_{axis}_mm" for axis in "kji")

Pixels = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class BankNodule:
    """A real nodule and what the readers said of it.

    Parameters
    ----------
    fold
        0 to 4, the same for all nodules of a patient.
    spacing_mm_kji
        Of the voxels of `hu` and `mask`.
    diameter_mm
        Of the sphere of the outline's volume.
    malignancy
        1 (highly unlikely) to 5 (highly suspicious), the readers' common opinion.
    texture, spiculation, lobulation, margin, sphericity, subtlety
        1 to 5; texture from ground glass to solid.
    calcification
        1 to 6, 6 for none; None where it was not noted.
    shell_hu
        Mean of a shell of 1.5 to 4 mm around the outline; None for cubes.
    is_cube
        Whether the voxels show all the surroundings, too.
    """

    id: str
    patient: str
    fold: int
    spacing_mm_kji: tuple[float, float, float]
    diameter_mm: float
    malignancy: int
    texture: int
    spiculation: int
    lobulation: int
    margin: int
    sphericity: int
    subtlety: int
    calcification: int | None
    shell_hu: float | None
    is_cube: bool
    _pixels: Callable[[], Pixels] = field(repr=False, compare=False)

    @property
    def is_attached(self) -> bool:
        """Whether it touches the chest wall, the mediastinum or a vessel."""
        return self.shell_hu is not None and self.shell_hu >= FREE_BELOW_HU

    @property
    def is_subsolid(self) -> bool:
        """Whether it is ground glass, in part or all of it."""
        return self.texture <= SUBSOLID_TEXTURE

    @property
    def hu(self) -> np.ndarray:
        """(K, J, I) int16 Hounsfield units, decoded anew at each call."""
        return self._pixels()[0]

    @property
    def mask(self) -> np.ndarray:
        """(K, J, I) bool, the readers' common outline, decoded anew at each call."""
        return self._pixels()[1]

    def decode(self) -> Pixels:
        """`hu` and `mask` at once."""
        return self._pixels()


def bank_digest(nodules: Sequence[BankNodule]) -> str:
    """16 hexadecimal digits that say whose nodules are in a bank and in which of its folds; cubes may be left out."""
    lines = sorted({f"{nodule.patient} {nodule.fold}" for nodule in nodules if not nodule.is_cube})
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def read_nodule_bank(folder: Path | None = None) -> tuple[BankNodule, ...]:
    """The nodules and then the cubes of a bank, in the order of its tables; voxels are decoded on demand.

    Parameters
    ----------
    folder
        That of the environment variable `LUNGCANCERDX_DATA` where none is given.

    Raises
    ------
    UsageError
        Where no folder is given.
    CTReadError
        Where a file is missing or damaged, or a table names a nodule that has no voxels.
    """
    named = folder or os.environ.get(DATA_FOLDER_VARIABLE)
    if not named:
        raise UsageError(f"No bank of nodules: give its folder, or set {DATA_FOLDER_VARIABLE} to it.")
    cubes = _nodules(Path(named), CUBES, is_cube=True) if (Path(named) / f"{CUBES}.csv").exists() else ()
    return (*_nodules(Path(named), NODULES, is_cube=False), *cubes)


@dataclass(frozen=True)
class BankRow:
    """A nodule to be written; see `BankNodule`. `ratings` are those of `RATINGS`, hu (K, J, I) int16, mask bool."""

    patient: str
    fold: int
    spacing_mm_kji: tuple[float, float, float]
    diameter_mm: float
    ratings: dict[str, int]
    readers: int
    shell_hu: float
    hu: np.ndarray
    mask: np.ndarray


def write_nodule_bank(folder: Path, rows: Sequence[BankRow]) -> None:
    """Write a bank, whole or not at all; a nodule is called by its patient and its number there.

    Raises
    ------
    UsageError, OutputError
        Where the folder is taken or cannot be written.
    """
    patients = [row.patient for row in rows]
    names = [f"{row.patient}-{patients[: n + 1].count(row.patient)}" for n, row in enumerate(rows)]
    columns = (*_COLUMNS[:3], *_SPACINGS, "diameter_mm", *RATINGS, "readers", "shell_hu")
    cells = []
    for name, row in zip(names, rows, strict=True):
        sizes = (f"{size:.4f}" for size in (*row.spacing_mm_kji, row.diameter_mm))
        ratings = (row.ratings[rating] for rating in RATINGS)
        cells.append((name, row.patient, row.fold, *sizes, *ratings, row.readers, f"{row.shell_hu:.0f}"))
    voxels = {f"hu_{name}": row.hu for name, row in zip(names, rows, strict=True)}
    voxels |= {f"mask_{name}": row.mask.astype(np.uint8) for name, row in zip(names, rows, strict=True)}
    with atomic_folder(folder) as staging:
        write_table(staging / f"{NODULES}.csv", columns, cells)
        write_npz(staging / f"{NODULES}.npz", voxels)


def _nodules(folder: Path, name: str, is_cube: bool) -> Iterator[BankNodule]:
    archive = _Archive(folder / f"{name}.npz")
    columns = _COLUMNS if is_cube else (*_COLUMNS, "diameter_mm", "shell_hu", *_SPACINGS)
    table = read_table(folder / f"{name}.csv", columns, CTReadError)
    numbers = {column: table.numbers(column) for column in columns if column not in ("id", "patient")}
    noted = table.numbers("calcification", empty_allowed=True) if table.has("calcification") else None
    for row, (line, nodule, patient) in enumerate(
        zip(table.lines, table.texts("id"), table.texts("patient"), strict=True)
    ):
        if not archive.has(nodule):
            raise table.complaint(line, f"nodule {nodule} is not in {archive.path.name}.")
        for column in ("fold", "malignancy", *_RATINGS):
            low, high = (0, np.inf) if column == "fold" else (1, _HIGHEST_RATING)
            value = numbers[column][row]
            if not low <= value <= high or value != int(value):
                until = "or more" if column == "fold" else f"to {high}"
                raise table.complaint(line, f"expected a whole number, {low} {until}.", column)
        k, j, i = (1.0, 1.0, 1.0) if is_cube else (float(numbers[column][row]) for column in _SPACINGS)
        yield BankNodule(
            id=nodule,
            patient=patient,
            fold=int(numbers["fold"][row]),
            spacing_mm_kji=(k, j, i),
            diameter_mm=archive.diameter_mm(nodule) if is_cube else float(numbers["diameter_mm"][row]),
            malignancy=int(numbers["malignancy"][row]),
            **{rating: int(numbers[rating][row]) for rating in _RATINGS},
            calcification=None if noted is None or np.isnan(noted[row]) else int(noted[row]),
            shell_hu=None if is_cube else float(numbers["shell_hu"][row]),
            is_cube=is_cube,
            _pixels=partial(archive.pixels, nodule),
        )


class _Archive:
    """The voxels of one file; safe between threads."""

    def __init__(self, path: Path) -> None:
        self.path, self._lock = path, threading.Lock()
        try:
            self._arrays = np.load(path, allow_pickle=False)
            if not isinstance(self._arrays, np.lib.npyio.NpzFile):
                raise ValueError("it is no archive")
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise CTReadError(f"{path} cannot be read ({error}); expected voxels of nodules. Copy it again.") from error

    def has(self, name: str) -> bool:
        return {f"hu_{name}", f"mask_{name}"} <= set(self._arrays.files)

    def pixels(self, name: str) -> Pixels:
        try:
            with self._lock:
                hu, mask = self._arrays[f"hu_{name}"], self._arrays[f"mask_{name}"] > 0
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise CTReadError(f"{self.path}: nodule {name} is damaged ({error}); copy the file again.") from error
        if hu.shape != mask.shape or hu.ndim != 3 or not mask.any():
            raise CTReadError(f"{self.path}: nodule {name} has no outline, or one of another shape; copy it again.")
        return hu, mask

    def diameter_mm(self, name: str) -> float:
        """Of the sphere of a cube's outline."""
        return float((6 / np.pi * self.pixels(name)[1].sum()) ** (1 / 3))
