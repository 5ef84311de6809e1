"""Fitting suspicions to the readers' ratings: Platt scaling, and late fusion with what outlines measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from ..classification.late_fusion import LateFusion, logits, outline_features
from ..errors import UsageError
from ..io.tables import Table, read_table
from .ratings import FEWEST_SCALED, RatedNodules, parts_of_patients, platt_scaling, read_rated_nodules, scaled

COLUMNS = ("network_suspicion", "outlined_mm", "calcified")  # beside those of `ratings`


@dataclass(frozen=True)
class OutlinedNodules:
    """Rated nodules and false alarms that a network did not learn from, and what their outlines measure.

    Parameters
    ----------
    names
        (N,) what they are called in their tables.
    rated
        With the network's own suspicion.
    outlined_mm
        (N,) diameter by the outline; NaN where there is none.
    is_calcified
        (N,) bool.
    """

    names: np.ndarray
    rated: RatedNodules
    outlined_mm: np.ndarray
    is_calcified: np.ndarray

    @property
    def there(self) -> np.ndarray:
        """(N,) bool, whether there is an outline."""
        found: np.ndarray = np.isfinite(self.outlined_mm)
        return found

    def chosen(self, those: np.ndarray) -> OutlinedNodules:
        """Those (N,) bool among them."""
        rated = self.rated.chosen(those)
        return OutlinedNodules(self.names[those], rated, self.outlined_mm[those], self.is_calcified[those])


class Scale(NamedTuple):
    """Slope and intercept of the logits of a network's suspicions, and their fusion with outlines, if any."""

    slope: float
    intercept: float
    fusion: LateFusion | None

    def suspicion(self, nodules: OutlinedNodules) -> np.ndarray:
        """(N,) of nodules, as the pipeline would give it."""
        network, there = scaled(nodules.rated.suspicion, self.slope, self.intercept), nodules.there
        if self.fusion is not None:
            known = (network[there], nodules.outlined_mm[there], nodules.is_calcified[there])
            network[there] = self.fusion.malignancy(*known)
        return network


def read_outlined_nodules(paths: Sequence[Path]) -> OutlinedNodules:
    """The rows of tables of ratings, with `COLUMNS` where one has any of them; without these no outline is known.

    Raises
    ------
    UsageError
        As `read_rated_nodules`; where a table lacks a column that another has, or a number is out of its range.
    """
    rated, tables = read_rated_nodules(paths), [read_table(path) for path in paths]
    names = np.array([name for table in tables for name in table.texts("id")])
    if not any(table.has(name) for table in tables for name in COLUMNS):
        return OutlinedNodules(names, rated, np.full(len(names), np.nan), np.zeros(len(names), dtype=bool))
    network, outlined_mm, calcified = (
        np.concatenate([_within(table, name, high, empty_allowed=name == "outlined_mm") for table in tables])
        for name, high in zip(COLUMNS, (1.0, np.inf, 1.0), strict=True)
    )
    return OutlinedNodules(names, replace(rated, suspicion=network), outlined_mm, calcified > 0)


def fitted_scale(nodules: OutlinedNodules) -> Scale:
    """Platt scaling of the network to "rated over 3" and, where enough nodules have outlines, their late fusion.

    The fusion is a logistic regression of nodules on the scaled logit and the outline (stacking; Wolpert 1992), scaled
    so that it fits false alarms that have an outline, too.

    Raises
    ------
    UsageError
        See `platt_scaling`.
    """
    slope, intercept = platt_scaling(nodules.rated.suspicion, nodules.rated.over_three)
    outlined = nodules.chosen(nodules.there)
    event, is_nodule = outlined.rated.over_three, outlined.rated.rating > 0
    if min((is_nodule & event).sum(), (is_nodule & ~event).sum()) < FEWEST_SCALED:
        return Scale(slope, intercept, None)
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError:
        raise UsageError("A late fusion needs scikit-learn: pip install 'lungcancerdx[evaluate]'.") from None
    network = logits(scaled(outlined.rated.suspicion, slope, intercept))
    seen = np.column_stack([network, outline_features(outlined.outlined_mm, outlined.is_calcified)])
    stacked = LogisticRegression().fit(seen[is_nodule], event[is_nodule])
    steeper, shift = platt_scaling(expit(stacked.decision_function(seen)), event)
    by_network, doubling, calcified = (steeper * stacked.coef_[0]).tolist()
    constant = steeper * float(stacked.intercept_[0]) + shift
    return Scale(slope, intercept, LateFusion(by_network, doubling, calcified, constant))


def cross_validated(nodules: OutlinedNodules) -> np.ndarray:
    """Suspicions (N,), each by the scale that is fitted without a fifth of the patients, among them its own.

    Raises
    ------
    UsageError
        See `platt_scaling`: too few are left without a fifth.
    """
    parts, suspicion = parts_of_patients(nodules.rated.patients), np.zeros(len(nodules.names))
    for part in np.unique(parts):
        suspicion[parts == part] = fitted_scale(nodules.chosen(parts != part)).suspicion(nodules.chosen(parts == part))
    return suspicion


def _within(table: Table, name: str, high: float, empty_allowed: bool = False) -> np.ndarray:
    """The numbers of a column, each within 0 to `high`."""
    numbers = table.numbers(name, empty_allowed=empty_allowed)
    for line, value in zip(table.lines, numbers, strict=True):
        if not (np.isnan(value) or 0 <= value <= high):
            raise table.complaint(line, f"{value:g} is not within 0 to {high:g}.", name)
    return numbers
