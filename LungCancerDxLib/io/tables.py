"""Tables with a header line, read column by column; every complaint names file, line and column."""

from __future__ import annotations

import codecs
import csv
import io
import math
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import LungCancerDxError, UsageError
from ..runtime.atomic import atomic_file

_ERRORS = "backslashreplace"  # names of files may hold bytes that are no UTF-8
_ID_HEADERS = (
    *("id", "uid", "name", "series", "seriesuid", "series_uid", "scan", "scan_id", "case", "case_id", "patient"),
    *("patient_id", "patientid", "seriesinstanceuid"),
)
_SEPARATORS = ",\t;"  # a header line has its own; the comma where it has none


@dataclass(frozen=True)
class Table:
    """The cells of a table by column (names in lower case), in the order of its rows; `lines` are their numbers.

    `error` is what its complaints are raised as.
    """

    path: Path
    columns: dict[str, list[str]]
    lines: list[int]
    error: type[LungCancerDxError] = UsageError

    def __len__(self) -> int:
        return len(self.lines)

    def complaint(self, line: int, message: str, column: str = "") -> LungCancerDxError:
        """What is wrong with a line, or with one column there, as an error to raise."""
        return self.error(f"{self.path}, line {line}{column and f', column {column}'}: {message}")

    def has(self, *names: str) -> bool:
        """Whether one of these names is a column here."""
        return any(name.lower() in self.columns for name in names)

    def name_of(self, *names: str) -> str:
        """The first of some names that is a column here; an error where none is."""
        for name in names:
            if self.has(name):
                return name
        raise self.error(
            f"{self.path} has no column {' or '.join(names)}; its header line names {', '.join(self.columns)}."
        )

    def texts(self, *names: str) -> list[str]:
        """The cells of the first of these columns that is there; an error where there is none or a cell is empty."""
        name = self.name_of(*names)
        cells = self.columns[name.lower()]
        for line, cell in zip(self.lines, cells, strict=True):
            if not cell:
                raise self.complaint(line, "the cell is empty.", name)
        return cells

    def numbers(self, *names: str, empty_allowed: bool = False) -> np.ndarray:
        """(N,) float64 of the first of these columns that is there, NaN for an empty cell where that is allowed.

        An error where there is no such column or a cell holds no finite number.
        """
        name = self.name_of(*names)
        numbers = np.full(len(self), math.nan)
        for row, (line, cell) in enumerate(zip(self.lines, self.columns[name.lower()], strict=True)):
            if empty_allowed and not cell:
                continue
            with suppress(ValueError):
                numbers[row] = float(cell)
            if not math.isfinite(numbers[row]):
                raise self.complaint(line, f"expected a number, got '{cell}'.", name)
        return numbers

    def where(self, keep: np.ndarray) -> Table:
        """The rows where `keep` (N,) is true."""
        chosen = np.flatnonzero(keep)
        columns = {name: [cells[row] for row in chosen] for name, cells in self.columns.items()}
        return Table(self.path, columns, [self.lines[row] for row in chosen], self.error)


def read_table(path: Path, required: Sequence[str] = (), error: type[LungCancerDxError] = UsageError) -> Table:
    """A table with a header line; empty lines are skipped, the order of its columns is free.

    Cells are separated by commas, or by what separates those of the header line where that has none.

    Raises
    ------
    error
        Where the file cannot be read, has not all `required` columns, or a row has more or fewer cells than the header.
    """
    header, *rows = _cells(path, error)
    names = [name.lower() for name in header[1]]
    missing = [name for name in required if name.lower() not in names]
    if missing:
        raise error(
            f"{path}, line {header[0]}: no column {', '.join(missing)}; expected a header with {','.join(required)}."
        )
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise error(f"{path}: the header line names {', '.join(sorted(repeated))} more than once.")
    for line, cells in rows:
        if len(cells) != len(names):
            raise error(
                f"{path}, line {line}: {len(cells)} cells, but the header line has {len(names)}. Separate cells by "
                "commas and write decimals with a point."
            )
    columns = {name: [cells[place] for _, cells in rows] for place, name in enumerate(names)}
    return Table(path, columns, [line for line, _ in rows], error)


def read_labels(path: Path, *columns: str, error: type[LungCancerDxError] = UsageError) -> dict[str, bool]:
    """Case by case (column `id`) the first of some columns that is there, 0 or 1.

    Raises
    ------
    error
        As `read_table` does, and for other numbers than 0 and 1, and a case that is there twice.
    """
    table = read_table(path, error=error)
    name = table.name_of(*columns)
    labels: dict[str, bool] = {}
    for line, case, label in zip(table.lines, table.texts("id"), table.numbers(name), strict=True):
        if label not in (0, 1):
            raise table.complaint(line, f"expected the label 0 or 1, got {label:g}.", name)
        if case in labels:
            raise table.complaint(line, f"the case {case} is there twice.")
        labels[case] = label == 1
    return labels


def read_first_column(path: Path, error: type[LungCancerDxError] = UsageError) -> list[str]:
    """The first cell of every row, without a header: a first row that begins with a usual name for ids in any case.

    These are id, uid, name, series, seriesuid, series_uid, seriesinstanceuid, scan, scan_id, case, case_id, patient,
    patient_id, patientid.

    Raises
    ------
    error
        Where the file cannot be read, or a first cell is empty.
    """
    rows = _cells(path, error)
    if rows[0][1][0].lower() in _ID_HEADERS:
        rows = rows[1:]
    for line, cells in rows:
        if not cells[0]:
            raise error(f"{path}, line {line}: the first cell is empty.")
    return [cells[0] for _, cells in rows]


def read_text(path: Path) -> str:
    """A text in UTF-8 or, as spreadsheets export it, UTF-16; OSError or UnicodeDecodeError where it is none.

    Bytes that are no UTF-8 are kept as Python keeps them in the names of files.
    """
    content = path.read_bytes()
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16")
    if b"\0" in content[:2]:
        return content.decode("utf-16-le" if content[1:2] == b"\0" else "utf-16-be")
    return content.decode("utf-8-sig", errors="surrogateescape")


def _cells(path: Path, error: type[LungCancerDxError]) -> list[tuple[int, list[str]]]:
    """Line number and cells of every row that is not empty; at least one."""
    rows, read = [], 0
    try:
        text = read_text(path)
        header = text.lstrip().partition("\n")[0]
        separator = next((mark for mark in _SEPARATORS if mark in header), ",")
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
        for cells in reader:
            read = reader.line_num
            if any(cells):
                rows.append((read, [cell.strip() for cell in cells]))
    except csv.Error as reason:
        raise error(
            f'{path}, line {read + 1}: cannot be read ({reason}); a cell that begins with a quotation mark (") ends '
            "with one, before the next separator."
        ) from reason
    except (OSError, UnicodeDecodeError) as reason:
        raise error(f"{path} cannot be read ({reason}); expected a CSV file with a header line.") from reason
    if not rows:
        raise error(f"{path} is empty; expected a CSV file with a header line.")
    return rows


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A CSV file, whole or not at all; None is an empty cell, a number is written so that it reads back the same.

    Raises
    ------
    OutputError
    """
    lines = [columns, *([_cell(value) for value in row] for row in rows)]
    with atomic_file(path) as staging, staging.open("w", newline="", encoding="utf-8", errors=_ERRORS) as file:
        csv.writer(file, lineterminator="\n").writerows(lines)


def write_text(path: Path, text: str) -> None:
    """A text file, whole or not at all.

    Raises
    ------
    OutputError
    """
    with atomic_file(path) as staging:
        staging.write_text(text, encoding="utf-8", errors=_ERRORS, newline="\n")


def _cell(value: object) -> object:
    if value is None:
        return ""
    return int(value) if isinstance(value, bool) else value
