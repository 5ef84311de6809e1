"""Training cases on disk: a folder of one `.npz` a case and `cases.csv`, which lists them."""

from __future__ import annotations

import csv
import threading
import zipfile
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import UsageError
from ...preprocessing import WorkingLungs, WorkingScan
from ...runtime.atomic import atomic_file

LIST_FILE = "cases.csv"
COLUMNS = ("id", "preset", "nodules", "exclusion_regions", "synthetic")
DEFAULT_MEMORY_GB = 8.0
_SCAN_FIELDS = ("image", "kji_to_lps", "dilated", "lung_ends_kji")


@dataclass(frozen=True)
class TrainingCase:
    """A preprocessed scan and what is known of it.

    Parameters
    ----------
    name
        A file's name without its ending.
    nodules
        (N, 4) float: k, j, i, diameter in working voxels.
    exclusion_regions
        (M, 4) float: k, j, i, radius in working voxels of spheres in which nothing may be learned from: what lies there
        is a lesion that nobody described.
    synthetic
        Whether the patient was invented.
    """

    name: str
    scan: WorkingScan
    lungs: WorkingLungs
    nodules: np.ndarray
    exclusion_regions: np.ndarray
    synthetic: bool = False


def write_case(folder: Path, case: TrainingCase, preset: str) -> None:
    """Add a case, or a new version of it, to a store; the preset is that of its preprocessing.

    Raises
    ------
    UsageError
        Where the name is no file's name or the store is of another preset.
    OutputError
    """
    if not case.name or Path(case.name).name != case.name or case.name.startswith("."):
        raise UsageError(f"'{case.name}' cannot name a case; use a file's name without folders.")
    rows = _rows(folder, preset)
    arrays = {name: getattr(case.scan, name) for name in _SCAN_FIELDS}
    with atomic_file(folder / f"{case.name}.npz") as staging, staging.open("wb") as file:
        np.savez_compressed(
            file,
            **arrays,
            lungs=case.lungs.labels,
            nodules=np.asarray(case.nodules, dtype=float).reshape(-1, 4),
            exclusion_regions=np.asarray(case.exclusion_regions, dtype=float).reshape(-1, 4),
            synthetic=np.array(case.synthetic),
        )
    rows[case.name] = {
        "id": case.name,
        "preset": preset,
        "nodules": str(len(case.nodules)),
        "exclusion_regions": str(len(case.exclusion_regions)),
        "synthetic": str(int(case.synthetic)),
    }
    with atomic_file(folder / LIST_FILE) as staging, staging.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows.values())


def case_names(folder: Path, preset: str) -> set[str]:
    """The cases that are in a folder already, none where it is no store yet.

    Raises
    ------
    UsageError
        Where the store is of another preset.
    """
    return {name for name in _rows(folder, preset) if (folder / f"{name}.npz").is_file()}


def read_case(folder: Path, name: str) -> TrainingCase:
    """A case of a store.

    Raises
    ------
    UsageError
        Where it is missing or damaged.
    """
    arrays = _read(folder / f"{name}.npz", (*_SCAN_FIELDS, "lungs", "nodules", "exclusion_regions", "synthetic"))
    scan = WorkingScan(**{field: arrays[field] for field in _SCAN_FIELDS})
    lungs = WorkingLungs(arrays["lungs"])
    return TrainingCase(name, scan, lungs, arrays["nodules"], arrays["exclusion_regions"], bool(arrays["synthetic"]))


class CaseStore:
    """The cases of a folder; those used last stay in memory, all of them where they fit. Safe between threads.

    `nodules` has an array (N, 4) for each case, `synthetic` (C,) bool tells which patients were invented; see
    `TrainingCase`.
    """

    def __init__(self, folder: Path, memory_gb: float = DEFAULT_MEMORY_GB) -> None:
        rows = _listed(folder)
        presets = sorted({row["preset"] for row in rows})
        if len(presets) != 1:
            raise UsageError(f"{folder / LIST_FILE} lists {len(rows)} cases of {len(presets)} presets, expected one.")
        self.folder = folder
        self.preset = presets[0]
        self.names = tuple(row["id"] for row in rows)
        self.nodules = tuple(_read(folder / f"{name}.npz", ("nodules",))["nodules"] for name in self.names)
        self.synthetic = np.array([row["synthetic"] == "1" for row in rows])
        self._room = memory_gb * 1e9
        self._kept: OrderedDict[int, Future[TrainingCase]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.names)

    @property
    def words(self) -> str:
        """What is in it: "3 scans and 40 invented patients"."""
        invented = int(self.synthetic.sum())
        counts = [(len(self) - invented, "scan"), (invented, "invented patient")]
        return " and ".join(f"{count} {name}{'s' * (count != 1)}" for count, name in counts if count)

    def case(self, number: int) -> TrainingCase:
        """One of the cases, by its number in the list. Several threads read several cases at once, none twice."""
        with self._lock:
            kept = self._kept.pop(number, None)
            case: Future[TrainingCase] = kept or Future()
            self._kept[number] = case
        if kept is None:
            self._read(number, case)
        return case.result()

    def _read(self, number: int, case: Future[TrainingCase]) -> None:
        try:
            case.set_result(read_case(self.folder, self.names[number]))
        except BaseException as error:
            case.set_exception(error)
        with self._lock:
            if case.exception():
                self._kept.pop(number, None)  # to be tried again
            while len(self._kept) > 1 and sum(map(_size, self._kept.values())) > self._room:
                self._kept.popitem(last=False)


def _size(case: Future[TrainingCase]) -> int:
    if not case.done() or case.exception():
        return 0
    known = case.result()
    return known.scan.image.nbytes + known.scan.dilated.nbytes + known.lungs.labels.nbytes


def _rows(folder: Path, preset: str) -> dict[str, dict[str, str]]:
    """The list of a store of this preset by its ids, empty where there is none yet."""
    rows = {row["id"]: row for row in _listed(folder)} if (folder / LIST_FILE).exists() else {}
    foreign = next((row for row in rows.values() if row["preset"] != preset), None)
    if foreign is not None:
        raise UsageError(f"{folder} holds cases of preset {foreign['preset']}, this one is of {preset}; use another.")
    return rows


def _listed(folder: Path) -> list[dict[str, str]]:
    try:
        with (folder / LIST_FILE).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(
            f"{folder} is no case store: its {LIST_FILE} cannot be read ({error}). Make one with `train prepare`."
        ) from error
    if any(set(row) != set(COLUMNS) for row in rows):
        raise UsageError(f"{folder / LIST_FILE} has other columns than {', '.join(COLUMNS)}; make the store anew.")
    return rows


def _read(path: Path, fields: tuple[str, ...]) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {field: arrays[field] for field in fields}
    except (OSError, ValueError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile) as error:
        raise UsageError(f"The training case {path} cannot be read ({error}); make it anew.") from error
