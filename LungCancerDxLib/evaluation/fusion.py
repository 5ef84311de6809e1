"""Fitting the late fusion of a nodule's suspicion with what its outline measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.special import expit

from ..classification.late_fusion import LateFusion, logits, outline_features
from ..errors import UsageError
from ..io.tables import Table, read_table
from .ratings import FEWEST_SCALED, RatedNodules, platt_scaling, read_rated_nodules, scaled

OUTLINE_COLUMNS = ("id", "patient", "malignancy", "outlined_mm", "calcified")
COLUMNS = ("network_suspicion", *OUTLINE_COLUMNS[-2:])  # beside those of `ratings`
NETWORK_SHARE = 0.5  # of the mean: outlines alone cannot tell false alarms, and so few nodules held out fit no weight


@dataclass(frozen=True)
class Outlines:
    """Nodules and false alarms with a rating and an outline.

    Parameters
    ----------
    patients
        (N,) whose they are.
    rating
        (N,) the readers' malignancy, 1 to 5; 0 for false alarms.
    outlined_mm
        (N,) diameter by the outline; NaN where there is none.
    is_calcified
        (N,) bool.
    """

    patients: np.ndarray
    rating: np.ndarray
    outlined_mm: np.ndarray
    is_calcified: np.ndarray

    @property
    def there(self) -> np.ndarray:
        """(N,) bool, whether there is an outline."""
        found: np.ndarray = np.isfinite(self.outlined_mm)
        return found


@dataclass(frozen=True)
class OutlinedNodules:
    """Rated nodules and false alarms that a network did not learn from.

    Parameters
    ----------
    rated
        With the network's own suspicion.
    outlines
        Of the same, in the same order.
    """

    rated: RatedNodules
    outlines: Outlines


def read_outlines(path: Path) -> Outlines:
    """The rows of a table with `OUTLINE_COLUMNS`.

    Raises
    ------
    UsageError
        Where the table cannot be read or lacks a column, a nodule is there twice, or a number is out of its range.
    """
    table = read_table(path, OUTLINE_COLUMNS)
    seen: set[str] = set()
    for line, name in zip(table.lines, table.texts("id"), strict=True):
        if name in seen:
            raise table.complaint(line, f"nodule {name} is there twice.", "id")
        seen.add(name)
    return _outlines([table])


def read_outlined_nodules(paths: Sequence[Path]) -> OutlinedNodules | None:
    """The rows of tables of ratings with `COLUMNS`, too; None where the tables have none of them.

    Raises
    ------
    UsageError
        As `read_rated_nodules` and `read_outlines`.
    """
    rated, tables = read_rated_nodules(paths), [read_table(path) for path in paths]
    if not any(table.has(name) for table in tables for name in COLUMNS):
        return None
    network = np.concatenate([_within(table, COLUMNS[0], 1.0) for table in tables])
    return OutlinedNodules(replace(rated, suspicion=network), _outlines(tables))


def fitted_fusion(nodules: OutlinedNodules, others: Outlines) -> LateFusion:
    """The mean of two logits of "rated over 3": the network's, and a logistic regression on other nodules' outlines;
    scaled so that it fits the outlined ones among the nodules (Platt scaling).

    Raises
    ------
    UsageError
        Where a patient is in both, or there are fewer than `FEWEST_SCALED` of either kind; see `platt_scaling`.
    """
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError:
        raise UsageError("A late fusion needs scikit-learn: pip install 'lungcancerdx[evaluate]'.") from None
    known, event, there = others.there & (others.rating > 0), others.rating > 3, nodules.outlines.there
    if both := sorted({*nodules.rated.nodules.patients} & {*others.patients[known]}):
        raise UsageError(f"Patient {both[0]} is among the nodules held out and in --outlines: give those of others.")
    if min((known & event).sum(), (known & ~event).sum()) < FEWEST_SCALED:
        raise UsageError(
            f"{(known & event).sum()} outlined nodules rated over 3 and {(known & ~event).sum()} others in --outlines "
            f"are too few for a late fusion, which needs {FEWEST_SCALED} of each."
        )
    own = nodules.rated.over_three[there]
    if min(own.sum(), (~own).sum()) < FEWEST_SCALED:
        raise UsageError(
            f"{own.sum()} outlined nodules rated over 3 and {(~own).sum()} others among those held out are too few for "
            f"a late fusion, which needs {FEWEST_SCALED} of each."
        )
    by_outline = LogisticRegression().fit(_features(others)[known], event[known])
    own_share, their_share = NETWORK_SHARE, 1 - NETWORK_SHARE
    outlined = by_outline.decision_function(_features(nodules.outlines)[there])
    mean = own_share * logits(nodules.rated.suspicion[there]) + their_share * outlined
    slope, intercept = platt_scaling(expit(mean), own)
    doubling, calcified = (slope * their_share * by_outline.coef_[0]).tolist()
    offset = slope * their_share * float(by_outline.intercept_[0])
    return LateFusion(slope * own_share, doubling, calcified, offset + intercept)


def with_network_scaled(nodules: OutlinedNodules, slope: float, intercept: float) -> OutlinedNodules:
    """The same with the logits of the network scaled (Platt scaling)."""
    return replace(nodules, rated=replace(nodules.rated, suspicion=scaled(nodules.rated.suspicion, slope, intercept)))


def _features(outlines: Outlines) -> np.ndarray:
    return outline_features(outlines.outlined_mm, outlines.is_calcified)


def _outlines(tables: Sequence[Table]) -> Outlines:
    patients = np.array([patient for table in tables for patient in table.texts("patient")])
    limits = {"malignancy": 5.0, "outlined_mm": np.inf, "calcified": 1.0}
    rating, outlined_mm, calcified = (
        np.concatenate([_within(table, name, high, empty_allowed=name == "outlined_mm") for table in tables])
        for name, high in limits.items()
    )
    return Outlines(patients, rating, outlined_mm, calcified > 0)


def _within(table: Table, name: str, high: float, empty_allowed: bool = False) -> np.ndarray:
    """The numbers of a column, each within 0 to `high`."""
    numbers = table.numbers(name, empty_allowed=empty_allowed)
    for line, value in zip(table.lines, numbers, strict=True):
        if not (np.isnan(value) or 0 <= value <= high):
            raise table.complaint(line, f"{value:g} is not within 0 to {high:g}.", name)
    return numbers
