"""CSV tables: rows that know their line, and files that appear whole or not at all."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import CTReadError
from ..staging import whole_file


@dataclass(frozen=True)
class Row:
    """One row of a table and where it stands."""

    path: Path
    line: int
    cells: dict[str, str]

    def text(self, column: str) -> str:
        """A cell that must not be empty."""
        found = (self.cells[column] or "").strip()
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
        return self.number(column) if (self.cells.get(column) or "").strip() else None

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
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
            missing = [name for name in columns if name not in reader.fieldnames]
            if missing:
                raise CTReadError(
                    f"{path}, line 1: no column {', '.join(missing)}; expected a header with {','.join(columns)}."
                )
            return [_whole(Row(path, reader.line_num, cells)) for cells in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CTReadError(f"{path} cannot be read ({error}); expected a CSV file with {','.join(columns)}.") from error


def _whole(row: Row) -> Row:
    if None in row.cells:
        raise row.error("more cells than columns")
    if None in row.cells.values():
        raise row.error("fewer cells than columns")
    return row


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
