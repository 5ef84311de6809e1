"""Training cases on disk: a folder of one `.npz` a case, `cases.csv`, which lists them, and what is known of them.

Beside the cases lie `labels.csv`, which cases have cancer, and in folders of its own what was computed once for each.
"""

from __future__ import annotations

import copy
import hashlib
import json
import threading
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import UsageError
from ...io.tables import read_labels, read_table, write_table
from ...models.bundle import Model, one_bank
from ...names import PRESET_NAMES, listed
from ...preprocessing import WorkingLungs, WorkingScan
from ...runtime.npz import Arrays, kept_npz, read_npz, write_npz
from ...runtime.progress import Progress, part

LIST_FILE, LABELS_FILE = "cases.csv", "labels.csv"
_LIST_COLUMNS = ("id", "preset", "nodules", "exclusion_regions", "synthetic")
_LABEL = "cancer"  # as in the Data Science Bowl
_SCAN_FIELDS = tuple(field.name for field in fields(WorkingScan))
_CASE_FIELDS = (*_SCAN_FIELDS, "lungs", "nodules", "exclusion_regions", "synthetic", "bank_fold", "bank")
_NO_FOLD = -1


@dataclass(frozen=True, eq=False)
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
        Whether the patient is synthetic.
    bank_fold
        The part of the nodule bank that its nodules are of, where they are of one.
    bank
        That bank's digest.
    """

    name: str
    scan: WorkingScan
    lungs: WorkingLungs
    nodules: np.ndarray
    exclusion_regions: np.ndarray
    synthetic: bool = False
    bank_fold: int | None = None
    bank: str = ""


def write_case(folder: Path, case: TrainingCase, preset: str) -> None:
    """Add a case, or a new version of it, to a store; the preset is that of its preprocessing.

    Raises
    ------
    UsageError
        Where the name is no file's name or the store is of another preset.
    OutputError
    """
    if (
        not case.name
        or Path(case.name).name != case.name
        or case.name.startswith(".")
        or case.name != case.name.strip()
    ):
        raise UsageError(f"'{case.name}' cannot name a case; use a file's name without folders or blanks at its ends.")
    listed = _listed_of(folder, preset)
    nodules, regions = (np.asarray(rows, float).reshape(-1, 4) for rows in (case.nodules, case.exclusion_regions))
    fold = _NO_FOLD if case.bank_fold is None else case.bank_fold
    known = {"nodules": nodules, "exclusion_regions": regions, "synthetic": np.array(case.synthetic)}
    known |= {"bank_fold": np.array(fold), "bank": np.array(case.bank, str)}
    write_npz(_file(folder, case.name), {**vars(case.scan), "lungs": case.lungs.labels, **known})
    listed[case.name] = (case.name, preset, str(len(nodules)), str(len(regions)), str(int(case.synthetic)))
    write_table(folder / LIST_FILE, _LIST_COLUMNS, listed.values())


def case_names(folder: Path, preset: str) -> set[str]:
    """The cases that are in a folder already, none where it is no store yet.

    Raises
    ------
    UsageError
        Where the store is of another preset.
    """
    return {name for name in _listed_of(folder, preset) if _file(folder, name).is_file()}


def read_case(folder: Path, name: str) -> TrainingCase:
    """A case of a store.

    Raises
    ------
    UsageError
        Where it is missing or damaged.
    """
    arrays = _read(folder, name, _CASE_FIELDS)
    scan, lungs = WorkingScan(**{field: arrays[field] for field in _SCAN_FIELDS}), WorkingLungs(arrays["lungs"])
    known = (arrays["nodules"], arrays["exclusion_regions"], bool(arrays["synthetic"]))
    fold = int(arrays["bank_fold"])
    return TrainingCase(name, scan, lungs, *known, None if fold == _NO_FOLD else fold, str(arrays["bank"]))


class CaseStore:
    """The cases of a folder; those used last stay in memory, all of them where they fit. Safe between threads.

    `nodules` has an array (N, 4) for each case, `synthetic` (C,) bool tells which patients are; see `TrainingCase`.
    `bank_folds` are the parts of the nodule bank that some of them are of, `bank` is that bank's digest.
    """

    def __init__(self, folder: Path, memory_gb: float = 8.0) -> None:
        rows = list(_rows(folder).values())
        presets = sorted({preset for _, preset, *_ in rows})
        if len(presets) != 1 or presets[0] not in PRESET_NAMES:
            raise UsageError(
                f"{folder / LIST_FILE} lists {len(rows)} cases of the presets {listed(presets) or 'none'}; expected "
                f"cases of one of {', '.join(PRESET_NAMES)}."
            )
        self.folder, self.preset = folder, presets[0]
        self.names = tuple(name for name, *_ in rows)
        known = [_read(folder, name, ("nodules", "bank_fold", "bank")) for name in self.names]
        self.nodules = tuple(case["nodules"] for case in known)
        self._bank_fold = np.array([int(case["bank_fold"]) for case in known])
        self._bank = np.array([str(case["bank"]) for case in known])
        self.synthetic = np.array([row[-1] == "1" for row in rows])
        self._memory_bytes = memory_gb * 1e9
        self._kept: OrderedDict[str, Future[TrainingCase]] = OrderedDict()
        self._lock = threading.Lock()

    def without(self, names: Collection[str]) -> CaseStore:
        """The cases of other names, in the same memory.

        Raises
        ------
        UsageError
            Where none is left.
        """
        left = [n for n, name in enumerate(self.names) if name not in names]
        if not left:
            raise UsageError(f"{self.folder / LIST_FILE} lists no cases but {listed(self.names)}, which are left out.")
        others = copy.copy(self)
        others.names, others.nodules = tuple(self.names[n] for n in left), tuple(self.nodules[n] for n in left)
        others.synthetic, others._bank_fold = self.synthetic[left], self._bank_fold[left]
        others._bank = self._bank[left]
        return others

    @property
    def bank(self) -> str:
        """The digest of the nodule bank that cases are of, empty where none is."""
        return one_bank(*self._bank.tolist())

    @property
    def bank_folds(self) -> tuple[int, ...]:
        """The parts of the nodule bank that cases are of."""
        return tuple(fold for fold in np.unique(self._bank_fold).tolist() if fold != _NO_FOLD)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def stamps(self) -> dict[str, int]:
        """Of every case a number that changes with its content: what a run that is to go on was begun with."""
        return {name: _stamp(_file(self.folder, name)) for name in self.names}

    @property
    def description(self) -> str:
        """What is in it: "3 scans and 40 synthetic patients"."""
        return description(self.synthetic)

    def case(self, number: int) -> TrainingCase:
        """One of the cases, by its number in the list. Several threads read several cases at once, none twice."""
        name = self.names[number]
        with self._lock:
            kept = self._kept.pop(name, None)
            case: Future[TrainingCase] = kept or Future()
            self._kept[name] = case
        if kept is None:
            self._load(name, case)
        return case.result()

    def _load(self, name: str, case: Future[TrainingCase]) -> None:
        try:
            case.set_result(read_case(self.folder, name))
        except BaseException as error:
            case.set_exception(error)
        with self._lock:
            if case.exception():
                self._kept.pop(name, None)  # to be tried again
            while len(self._kept) > 1 and sum(map(_bytes, self._kept.values())) > self._memory_bytes:
                self._kept.popitem(last=False)


def description(synthetic: np.ndarray) -> str:
    """What some cases are, by which of them (C,) bool are synthetic: "3 scans and 40 synthetic patients"."""
    counts = [(int((~synthetic).sum()), "scan"), (int(synthetic.sum()), "synthetic patient")]
    return " and ".join(f"{count} {name}{'s' * (count != 1)}" for count, name in counts if count)


def _bytes(case: Future[TrainingCase]) -> int:
    if not case.done() or case.exception():
        return 0
    known = case.result()
    return known.scan.image.nbytes + known.scan.dilated.nbytes + known.lungs.labels.nbytes


class CaseCache:
    """Arrays of cases, kept in `<store>/<kind>-<key>`: the key is of all that decides them but the case itself.

    A case that was prepared anew is computed anew. Each file is written whole or not at all, so that a computation that
    was stopped goes on where it was.
    """

    def __init__(self, store: CaseStore, kind: str, decided_by: Mapping[str, Any], names: Sequence[str]) -> None:
        key = hashlib.sha256(json.dumps(decided_by, sort_keys=True).encode()).hexdigest()[:12]
        self._store, self._folder, self._names = store, store.folder / f"{kind}-{key}", (*names, "stamp")

    def of_all(self, compute: Callable[[int, Progress], Arrays], progress: Progress) -> list[Arrays]:
        """The arrays of every case in the order of the store, computed by the case's number where they are not there.

        Raises
        ------
        UsageError, OutputError
        """
        count = len(self._store)
        return [self._of(n, compute, part(progress, n / count, (n + 1) / count)) for n in range(count)]

    def _of(self, number: int, compute: Callable[[int, Progress], Arrays], progress: Progress) -> Arrays:
        name = self._store.names[number]
        path, stamp = _file(self._folder, name), _stamp(_file(self._store.folder, name))
        kept = kept_npz(path, self._names)
        if kept is not None and int(kept.pop("stamp")) == stamp:
            return kept
        arrays = compute(number, progress)
        write_npz(path, {**arrays, "stamp": np.array(stamp)})
        return arrays


def refuse_other_preset(store: CaseStore, model: Model) -> None:
    """Raise a `UsageError` where a store's cases are of another preset than a model that is to see them."""
    if store.preset != model.preset.name:
        raise UsageError(
            f"The cases in {store.folder} are of preset {store.preset}, the model '{model.name}' of "
            f"{model.preset.name}. Prepare the cases with --preset {model.preset.name}, or use a model of preset "
            f"{store.preset}."
        )


def write_outcomes(folder: Path, outcomes: Mapping[str, bool]) -> None:
    """Write which cases of a store have cancer; what the file says of other cases is kept.

    Raises
    ------
    UsageError
        Where the file that is there is no list of outcomes.
    OutputError
    """
    path = folder / LABELS_FILE
    known = {**(read_labels(path, _LABEL) if path.exists() else {}), **outcomes}
    write_table(path, ("id", _LABEL), [(name, int(cancer)) for name, cancer in known.items()])


def read_outcomes(folder: Path, names: Sequence[str]) -> np.ndarray:
    """Which of these cases have cancer, (N,) bool; what the file says of other cases does not matter.

    Raises
    ------
    UsageError
        Where the file is missing or damaged, a case has no label, or all have the same.
    """
    path = folder / LABELS_FILE
    known = read_labels(path, _LABEL)
    missing = [name for name in names if name not in known]
    if missing:
        raise UsageError(
            f"{path} has no label for {listed(missing)}; the classifier learns from cases whose outcome "
            "is known. Add their rows, or make a store without them."
        )
    outcomes = np.array([known[name] for name in names], dtype=bool)
    if outcomes.all() or not outcomes.any():
        raise UsageError(
            f"{path} says {int(outcomes.all())} of all {len(outcomes)} cases of the store; to tell cancer from none "
            "both are needed."
        )
    return outcomes


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.npz"


def _listed_of(folder: Path, preset: str) -> dict[str, tuple[str, ...]]:
    """The list of a store of this preset, empty where there is none yet."""
    rows = _rows(folder) if (folder / LIST_FILE).exists() else {}
    foreign = next((row[1] for row in rows.values() if row[1] != preset), None)
    if foreign is not None:
        raise UsageError(f"{folder} holds cases of preset {foreign}, this one is of {preset}; use another.")
    return rows


def _rows(folder: Path) -> dict[str, tuple[str, ...]]:
    """The rows of a store's list by the case's name."""
    try:
        table = read_table(folder / LIST_FILE, _LIST_COLUMNS)
    except UsageError as error:
        raise UsageError(f"{folder} is no case store: {error} Make one with `train prepare`.") from error
    rows = zip(*(table.texts(column) for column in _LIST_COLUMNS), strict=True)
    return {row[0]: row for row in rows}


def _read(folder: Path, name: str, fields: Sequence[str]) -> Arrays:
    path = _file(folder, name)
    try:
        return read_npz(path, fields)
    except ValueError as error:
        raise _unreadable(path, error) from error


def _stamp(path: Path) -> int:
    """A number that changes with a case's content, without reading more than the file's directory."""
    try:
        with zipfile.ZipFile(path) as file:
            parts = sorted((part.filename, part.CRC) for part in file.infolist())
    except (OSError, zipfile.BadZipFile) as error:
        raise _unreadable(path, error) from error
    return zlib.crc32(repr(parts).encode())


def _unreadable(path: Path, error: Exception) -> UsageError:
    return UsageError(f"The training case {path} cannot be read ({error}); make it anew.")
