"""Fitting the late fusion of a nodule's suspicion with its outline's diameter, and how good it is on others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..classification.late_fusion import LateFusion, fusion_features
from ..errors import UsageError
from ..io.tables import read_table
from .ratings import CALIBRATION_PARTS, FEWEST_SCALED, RatedNodules, read_rated_nodules, scaled

COLUMNS = ("network_suspicion", "outlined_mm")
INVERSE_PENALTY = 0.25  # of squared weights, in nodules: of 0.04 to 9 the best on patients not fitted to


@dataclass(frozen=True)
class OutlinedNodules:
    """Rated nodules and false alarms, and what a late fusion weighs of each.

    Parameters
    ----------
    network
        (N,) the network's own suspicion.
    outlined_mm
        (N,) diameter by the outline; NaN where there is none.
    """

    rated: RatedNodules
    network: np.ndarray
    outlined_mm: np.ndarray

    @property
    def by_network(self) -> RatedNodules:
        """All with the network's own suspicion."""
        return replace(self.rated, suspicion=self.network)

    def scaled(self, slope: float, intercept: float) -> OutlinedNodules:
        """The same with the logits of the network scaled (Platt scaling)."""
        return replace(self, network=scaled(self.network, slope, intercept))

    @property
    def outlined(self) -> np.ndarray:
        """(N,) bool, the ones that a fusion can say something of."""
        there: np.ndarray = np.isfinite(self.outlined_mm)
        return there

    @property
    def basis(self) -> str:
        """What a fit to the outlined ones rests on."""
        kept = self.outlined
        return RatedNodules(*(values[kept] for values in vars(self.rated).values())).basis


def read_outlined_nodules(paths: Sequence[Path]) -> OutlinedNodules | None:
    """The rows of tables of ratings with `COLUMNS`, too; None where the tables have none of them.

    Raises
    ------
    UsageError
        As `read_rated_nodules`; where one table lacks a column, or a number is out of its range.
    """
    rated, tables = read_rated_nodules(paths), [read_table(path) for path in paths]
    if not any(table.has(name) for table in tables for name in COLUMNS):
        return None
    for table in tables:
        for name, high in zip(COLUMNS, (1.0, np.inf), strict=True):
            for line, value in zip(table.lines, table.numbers(name, empty_allowed=name == COLUMNS[1]), strict=True):
                if not (np.isnan(value) or 0 <= value <= high):
                    raise table.complaint(line, f"{value:g} is not within 0 to {high:g}.", name)
    network, outlined_mm = (
        np.concatenate([table.numbers(name, empty_allowed=name == COLUMNS[1]) for table in tables]) for name in COLUMNS
    )
    return OutlinedNodules(rated, network, outlined_mm)


def fitted_fusion(nodules: OutlinedNodules, among: np.ndarray | None = None) -> LateFusion:
    """The fusion by which ratings over 3 are likeliest among the outlined ones (ridge regression: few are rated).

    Parameters
    ----------
    among
        (N,) bool: these alone; by default all.

    Raises
    ------
    UsageError
        Where there are fewer than `FEWEST_SCALED` rated over 3, or of others.
    """
    from sklearn.linear_model import LogisticRegression

    chosen = nodules.outlined if among is None else nodules.outlined & among
    event = nodules.rated.over_three[chosen]
    if min(event.sum(), (~event).sum()) < FEWEST_SCALED:
        raise UsageError(
            f"{event.sum()} outlined nodules rated over 3 and {(~event).sum()} others are too few for a late fusion, "
            f"which needs {FEWEST_SCALED} of each; give the tables of further folds."
        )
    features = fusion_features(nodules.network[chosen], nodules.outlined_mm[chosen])
    fit = LogisticRegression(C=INVERSE_PENALTY, tol=1e-8, max_iter=1000).fit(features, event)
    network, doubling = fit.coef_[0].tolist()
    return LateFusion(network, doubling, float(fit.intercept_[0]))


def cross_fitted(nodules: OutlinedNodules) -> RatedNodules:
    """The nodules with suspicions by fusions that were fitted on other patients, in five parts; the network's own where
    there is no outline.
    """
    _, owner = np.unique(nodules.rated.patients, return_inverse=True)
    suspicion = nodules.network.copy()
    for part in range(CALIBRATION_PARTS):
        fusion = fitted_fusion(nodules, owner % CALIBRATION_PARTS != part)
        here = nodules.outlined & (owner % CALIBRATION_PARTS == part)
        suspicion[here] = fusion.malignancy(nodules.network[here], nodules.outlined_mm[here])
    return replace(nodules.rated, suspicion=suspicion)
