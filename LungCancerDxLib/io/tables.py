"""CSV files with a header line, read column by column; every complaint names file, line and column."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import CTReadError, UsageError
from ..runtime.atomic import atomic_file


@dataclass(frozen=True)
class Table:
    """The cells of a CSV file by column (names in lower case), in the order of its rows; `lines` are their numbers."""

    path: Path
    columns: dict[str, list[str]]
    lines: list[int]

    def __len__(self) -> int:
        return len(self.lines)

    def name_of(self, *names: str) -> str:
        """The first of some names that is a column here.

        Raises
        ------
        UsageError
            Where none is.
        """
        for name in names:
            if name.lower() in self.columns:
                return name
        raise UsageError(
            f"{self.path} has no column {' or '.join(names)}; its header line names {', '.join(self.columns)}."
        )

    def has(self, *names: str) -> bool:
        """Whether one of these names is a column here."""
        return any(name.lower() in self.columns for name in names)

    def texts(self, *names: str) -> list[str]:
        """The cells of the first of these columns that is there, none of them empty.

        Raises
        ------
        UsageError
            Where no such column is there or a cell is empty.
        """
        name = self.name_of(*names)
        cells = self.columns[name.lower()]
        for line, cell in zip(self.lines, cells, strict=True):
            if not cell:
                raise UsageError(f"{self.path}, line {line}, column {name}: the cell is empty.")
        return cells

    def numbers(self, *names: str, empty_allowed: bool = False) -> np.ndarray:
        """(N,) float64 of the first of these columns that is there, NaN for an empty cell where that is allowed.

        Raises
        ------
        UsageError
            Where no such column is there or a cell holds no finite number.
        """
        name = self.name_of(*names)
        return np.array(
            [
                self._number(name, line, cell, empty_allowed)
                for line, cell in zip(self.lines, self.columns[name.lower()], strict=True)
            ]
        )

    def _number(self, name: str, line: int, cell: str, empty_allowed: bool) -> float:
        if empty_allowed and not cell:
            return math.nan
        try:
            number = float(cell)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise UsageError(f"{self.path}, line {line}, column {name}: expected a number, got '{cell}'.")
        return number

    def where(self, keep: np.ndarray) -> Table:
        """The rows where `keep` (N,) is true."""
        chosen = np.flatnonzero(keep)
        columns = {name: [cells[row] for row in chosen] for name, cells in self.columns.items()}
        return Table(self.path, columns, [self.lines[row] for row in chosen])


def read_table(path: Path, required: Sequence[str] = ()) -> Table:
    """A comma-separated file with a header line; empty lines are skipped, the order of its columns is free.

    Raises
    ------
    UsageError
        Where the file cannot be read, has not all `required` columns, or a row has more or fewer cells than the header.
    """
    header, *rows = _cells(path)
    names = [name.lower() for name in header[1]]
    missing = [name for name in required if name.lower() not in names]
    if missing:
        expected = ",".join(required)
        raise UsageError(
            f"{path}, line {header[0]}: no column {', '.join(missing)}; expected a header with {expected}."
        )
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise UsageError(f"{path}: the header line names {', '.join(sorted(repeated))} more than once.")
    for line, cells in rows:
        if len(cells) != len(names):
            raise UsageError(
                f"{path}, line {line}: {len(cells)} cells, but the header line has {len(names)}. Separate cells by "
                "commas and write decimals with a point."
            )
    columns = {name: [cells[place] for _, cells in rows] for place, name in enumerate(names)}
    return Table(path, columns, [line for line, _ in rows])


def read_first_column(path: Path, headers: tuple[str, ...]) -> list[str]:
    """The first cell of every row, without a header where the first cell is one of `headers` (lower case).

    Raises
    ------
    UsageError
        Where the file cannot be read, or a first cell is empty.
    """
    rows = _cells(path)
    if rows[0][1][0].lower() in headers:
        rows = rows[1:]
    for line, cells in rows:
        if not cells[0]:
            raise UsageError(f"{path}, line {line}: the first cell is empty.")
    return [cells[0] for _, cells in rows]


def _cells(path: Path) -> list[tuple[int, list[str]]]:
    """Line number and cells of every row that is not empty; at least one."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, skipinitialspace=True)
            rows = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if any(cells)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read ({error}); expected a CSV file with a header line.") from error
    if not rows:
        raise UsageError(f"{path} is empty; expected a CSV file with a header line.")
    return rows


@dataclass(frozen=True)
class Row:
    """One row of a table, its cells by column (names in lower case), and where it stands."""

    path: Path
    line: int
    cells: dict[str, str]

    def text(self, column: str) -> str:
        """A cell that must not be empty."""
        found = self.cells[column.lower()]
        if not found:
            raise self.error(f"nothing in column {column}")
        return found

    def number(self, column: str) -> float:
        """A cell that must hold a finite number."""
        found = self.text(column)
        try:
            value = float(found)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.error(f"'{found}' in column {column}, expected a number")
        return value

    def number_if_any(self, column: str) -> float | None:
        """None where the column or the cell is not there."""
        return self.number(column) if self.cells.get(column.lower()) else None

    def error(self, found: str) -> CTReadError:
        """What is wrong with this row, as an error to raise."""
        return CTReadError(f"{self.path}, line {self.line}: {found}. Correct the table, or download it again.")


def read_rows(path: Path, columns: Sequence[str]) -> list[Row]:
    """The rows of a CSV file with a header that has at least these columns.

    Raises
    ------
    CTReadError
        Where it cannot be read, lacks a column, or a row has more or fewer cells than the header.
    """
    try:
        table = read_table(path, columns)
    except UsageError as error:
        raise CTReadError(str(error)) from error
    rows = zip(*table.columns.values(), strict=True)
    return [
        Row(path, line, dict(zip(table.columns, cells, strict=True)))
        for line, cells in zip(table.lines, rows, strict=True)
    ]


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A CSV file, whole or not at all; None is an empty cell, a number is written so that it reads back the same.

    Raises
    ------
    OutputError
    """
    lines = [columns, *([_cell(value) for value in row] for row in rows)]
    with atomic_file(path) as staging, staging.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)


def write_text(path: Path, text: str) -> None:
    """A text file, whole or not at all.

    Raises
    ------
    OutputError
    """
    with atomic_file(path) as staging:
        staging.write_text(text, encoding="utf-8")


def _cell(value: object) -> object:
    if value is None:
        return ""
    return int(value) if isinstance(value, bool) else value
