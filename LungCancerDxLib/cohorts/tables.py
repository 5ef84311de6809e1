"""CSV tables: rows that know their line, and files that appear whole or not at all."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import csv_table
from ..errors import CTReadError, UsageError
from ..staging import whole_file


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


def read_table(path: Path, columns: Sequence[str]) -> list[Row]:
    """The rows of a CSV file with a header that has at least these columns.

    Raises
    ------
    CTReadError
        Where it cannot be read, lacks a column, or a row has more or fewer cells than the header.
    """
    try:
        table = csv_table.read_table(path, columns)
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
    with whole_file(path) as staging, staging.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)


def write_text(path: Path, text: str) -> None:
    """A text file, whole or not at all.

    Raises
    ------
    OutputError
    """
    with whole_file(path) as staging:
        staging.write_text(text, encoding="utf-8")


def _cell(value: object) -> object:
    if value is None:
        return ""
    return int(value) if isinstance(value, bool) else value
