"""Which cases have cancer: `labels.csv` in a case store, columns id and cancer, as in the Data Science Bowl."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ...errors import UsageError
from ...io.tables import read_table
from ...runtime.atomic import atomic_file

LABELS_FILE = "labels.csv"
COLUMNS = ("id", "cancer")


def write_labels(folder: Path, labels: Mapping[str, bool]) -> None:
    """Write the labels of a store's cases; those of other cases that stand there already are kept.

    Raises
    ------
    UsageError
        Where the file that is there is no list of labels.
    OutputError
    """
    path = folder / LABELS_FILE
    together = {**(_read(path) if path.exists() else {}), **labels}
    with atomic_file(path) as staging, staging.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows((name, int(label)) for name, label in together.items())


def read_labels(folder: Path, names: Sequence[str]) -> np.ndarray:
    """The labels of these cases, (N,) bool; labels of other cases do not matter.

    Raises
    ------
    UsageError
        Where the file is missing or damaged, a case has no label, or all have the same.
    """
    path = folder / LABELS_FILE
    known = _read(path)
    missing = [name for name in names if name not in known]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise UsageError(
            f"{path} has no label for {', '.join(missing[:3])}{more}; the classifier learns from cases whose outcome "
            "is known. Add their rows, or make a store without them."
        )
    labels = np.array([known[name] for name in names], dtype=bool)
    if labels.all() or not labels.any():
        raise UsageError(
            f"{path} says {'1' if labels.all() else '0'} of all {len(labels)} cases of the store; to tell cancer from "
            "none both are needed."
        )
    return labels


def _read(path: Path) -> dict[str, bool]:
    table = read_table(path, COLUMNS)
    labels: dict[str, bool] = {}
    for line, name, cancer in zip(table.lines, table.texts("id"), table.texts("cancer"), strict=True):
        if cancer not in ("0", "1"):
            raise UsageError(f"{path}, line {line}: expected cancer 0 or 1, got {cancer}.")
        if labels.setdefault(name, cancer == "1") != (cancer == "1"):
            raise UsageError(f"{path}, line {line}: {name} had another label before.")
    return labels
