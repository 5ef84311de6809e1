"""How well the suspicion of nodules follows the readers who rated them, beside what their diameter alone says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import spearmanr

from ..classification.late_fusion import logits
from ..errors import UsageError
from ..io.tables import read_table
from .cases import Calibration, calibration, resampled_auc, resampled_mean
from .report import Row, resample, row

MIDDLE_SIZES_MM = (8.0, 20.0)
CALIBRATION_PARTS = 5
NOT_A_NODULE = 0  # in the place of a rating: the detector's false alarms, which calibrate beside the nodules
FEWEST_SCALED = 10  # nodules rated over 3, and others, that a line may be fitted to
COLUMNS = ("id", "patient", "malignancy", "diameter_mm", "suspicion")


@dataclass(frozen=True)
class RatedNodules:
    """Nodules with a score and a rating, and false alarms of the detector with a score.

    Parameters
    ----------
    patients
        (N,) whose they are.
    rating
        (N,) the readers' malignancy, 1 to 5; `NOT_A_NODULE` for false alarms.
    diameter_mm, suspicion
        (N,) size, and the score within 0..1.
    """

    patients: np.ndarray
    rating: np.ndarray
    diameter_mm: np.ndarray
    suspicion: np.ndarray

    @property
    def nodules(self) -> RatedNodules:
        """Without the false alarms."""
        return self.chosen(self.rating != NOT_A_NODULE)

    def chosen(self, those: np.ndarray) -> RatedNodules:
        """Those (N,) bool among them."""
        return RatedNodules(*(values[those] for values in vars(self).values()))

    @property
    def over_three(self) -> np.ndarray:
        """(N,) whether the readers found it more suspicious than indeterminate."""
        return self.rating > 3

    @property
    def basis(self) -> str:
        """What figures of them rest on."""
        nodules = self.nodules
        number, alarms = len(np.unique(nodules.patients)), len(self.rating) - len(nodules.rating)
        beside = f" and {alarms} false alarms" if alarms else ""
        return f"{len(nodules.rating)} nodules of {number} patients, {self.over_three.sum()} rated over 3{beside}"


@dataclass(frozen=True)
class RatingsReport:
    """Figures, and the calibration of suspicion against ratings over 3."""

    calibration: Calibration
    rows: tuple[Row, ...]
    remarks: tuple[str, ...]


def read_rated_nodules(paths: Sequence[Path]) -> RatedNodules:
    """The rows of one table or more (one for each fold, say), with the columns `COLUMNS`.

    Raises
    ------
    UsageError
        Where a table cannot be read, a nodule is there twice, a number is out of its range or a rating is not whole, or
        the nodules are not of both kinds.
    """
    tables = [read_table(path, COLUMNS) for path in paths]
    lines: dict[str, str] = {}
    for table in tables:
        limits = {"malignancy": (NOT_A_NODULE, 5), "suspicion": (0, 1), "diameter_mm": (0, np.inf)}
        for column, (low, high) in limits.items():
            for line, value in zip(table.lines, table.numbers(column), strict=True):
                if not low <= value <= high:
                    raise table.complaint(line, f"{value:g} is not within {low:g} to {high:g}.", column)
                if column == "malignancy" and value != int(value):
                    expected = f"expected a whole number of 1 to 5, or {NOT_A_NODULE} for a false alarm"
                    raise table.complaint(line, f"{expected}; got {value:g}.", column)
        for line, name in zip(table.lines, table.texts("id"), strict=True):
            if name in lines:
                raise table.complaint(line, f"nodule {name} is also in {lines[name]}; give every fold once.")
            lines[name] = f"{table.path}, line {line}"
    patients = np.array([patient for table in tables for patient in table.texts("patient")])
    numbers = {name: np.concatenate([table.numbers(name) for table in tables]) for name in COLUMNS[2:]}
    rated = RatedNodules(patients, numbers["malignancy"], numbers["diameter_mm"], numbers["suspicion"])
    nodules = rated.nodules
    if not (nodules.rating >= 4).any() or not (nodules.rating <= 2).any():
        raise UsageError(f"{paths[0]}: expected nodules rated 4 or 5 and nodules rated 1 or 2; found {rated.basis}.")
    return rated


def ratings_report(rated: RatedNodules, rng: np.random.Generator, samples: int = 1000) -> RatingsReport:
    """AUC of ratings 4 and 5 against 1 and 2, rank correlation, calibration, with intervals over resampled patients.

    All of the nodules alone, but for a row on the false alarms. A figure that these nodules do not have is left out:
    the correlation of a column in which all is equal, and Platt scaling where `platt_scaling` refuses a part.
    """
    alarms, rated = rated.suspicion[rated.rating == NOT_A_NODULE], rated.nodules
    patients, owner = np.unique(rated.patients, return_inverse=True)
    times = resample(rng, len(patients), samples)[:, owner]
    rows: list[Row] = []
    middle = (rated.diameter_mm >= MIDDLE_SIZES_MM[0]) & (rated.diameter_mm <= MIDDLE_SIZES_MM[1])
    for of, among in (("", np.ones(len(owner), dtype=bool)), (", 8 to 20 mm", middle)):
        decided = among & (rated.rating != 3)
        high, basis = rated.rating[decided] > 3, f"{decided.sum()} nodules"
        if high.all() or not high.any():
            continue
        areas = [
            (rated_auc(score[among], rated.rating[among]), resampled_auc(score[decided], high, times[:, decided]))
            for score in (rated.suspicion, rated.diameter_mm)
        ]
        (own, drawn), (ruler, drawn_ruler) = areas
        rows += [
            row(f"AUC of ratings 4 and 5 against 1 and 2{of}", own, basis, drawn),
            row(f"AUC of the diameter alone{of}", ruler, basis, drawn_ruler),
            row(f"AUC minus that of the diameter{of}", own - ruler, basis, drawn - drawn_ruler),
        ]
    ranks = [
        np.array([_spearman(np.repeat(score, one), np.repeat(rated.rating, one)) for one in times])
        for score in (rated.suspicion, rated.diameter_mm)
    ]
    bins, gap = calibration(rated.suspicion, rated.over_three), rated.suspicion - rated.over_three
    events = rng.random((samples, len(owner))) < rated.suspicion
    by_chance = np.array([calibration(rated.suspicion, event).expected_error for event in events])
    rows += [
        row("rank correlation with the rating", _spearman(rated.suspicion, rated.rating), rated.basis, ranks[0]),
        row("rank correlation of the diameter", _spearman(rated.diameter_mm, rated.rating), rated.basis, ranks[1]),
        row("expected calibration error against ratings over 3, 10 bins", bins.expected_error, rated.basis),
        row("the same by chance, were the suspicions right", by_chance.mean(), rated.basis, by_chance),
        row("the same after Platt scaling on other patients, in five parts", _scaled_error(rated), rated.basis),
        row("mean suspicion minus share rated over 3", gap.mean(), rated.basis, resampled_mean(gap, times)),
    ]
    if len(alarms):
        rows.append(row("mean suspicion of false alarms", alarms.mean(), f"{len(alarms)} false alarms"))
    remarks = (
        "Ratings are radiologists' opinions, not outcomes: nothing here says how well cancer is predicted.",
        f"Intervals: percentiles 2.5 and 97.5 over {samples} bootstrap samples of the patients; differences in pairs.",
        "By chance: ratings drawn with the suspicions as their probabilities, for a calibration error is never 0.",
    )
    return RatingsReport(bins, tuple(one for one in rows if not np.isnan(one.value)), remarks)


def parts_of_patients(patients: np.ndarray) -> np.ndarray:
    """(N,) the part, 0 to `CALIBRATION_PARTS` - 1, of the patient whose each of N nodules is."""
    owner: np.ndarray = np.unique(patients, return_inverse=True)[1]
    return owner % CALIBRATION_PARTS


def _scaled_error(rated: RatedNodules) -> float:
    """The calibration error of suspicions scaled on other patients' nodules; NaN where none can be."""
    parts, others_say = parts_of_patients(rated.patients), np.zeros(len(rated.rating))
    if len(np.unique(parts)) < CALIBRATION_PARTS:
        return np.nan
    for part in range(CALIBRATION_PARTS):
        others = parts != part
        try:
            slope, intercept = platt_scaling(rated.suspicion[others], rated.over_three[others])
        except UsageError:
            return np.nan
        others_say[~others] = scaled(rated.suspicion[~others], slope, intercept)
    return calibration(others_say, rated.over_three).expected_error


def rated_auc(score: np.ndarray, rating: np.ndarray) -> float:
    """Area under the ROC curve of ratings 4 and 5 against 1 and 2, (N,) each; NaN where one of the two is missing."""
    decided = rating != 3
    return float(resampled_auc(score[decided], rating[decided] > 3, np.ones((1, decided.sum()), dtype=int))[0])


def platt_scaling(suspicion: np.ndarray, event: np.ndarray) -> tuple[float, float]:
    """Slope and intercept of the logit of suspicions (N,) by which events (N,) bool are likeliest (Platt, 1999).

    Raises
    ------
    UsageError
        Where no line is: all suspicions are equal, or those of events and others do not overlap; or where there are
        fewer than `FEWEST_SCALED` of either.
    """
    x, more = logits(suspicion), "give the tables of further folds, or of another training"
    if min(event.sum(), (~event).sum()) < FEWEST_SCALED:
        raise UsageError(
            f"{event.sum()} nodules rated over 3 and {(~event).sum()} others are too few for Platt scaling, "
            f"which needs {FEWEST_SCALED} of each; {more}."
        )
    if np.ptp(x) == 0:
        raise UsageError(f"All suspicions are equal, so that no Platt scaling can tell nodules apart; {more}.")
    if x[event].min() >= x[~event].max() or x[event].max() <= x[~event].min():
        raise UsageError(
            "The suspicions of nodules rated over 3 and of the others do not overlap, so that Platt scaling has no "
            f"finite slope; {more}."
        )

    def loss(line: np.ndarray) -> tuple[float, np.ndarray]:
        z = line[0] * x + line[1]
        missed = expit(z) - event
        return float(np.mean(np.logaddexp(0, z) - event * z)), np.array([np.mean(missed * x), np.mean(missed)])

    slope, intercept = minimize(loss, np.array([1.0, 0.0]), jac=True).x
    return float(slope), float(intercept)


def scaled(suspicion: np.ndarray, slope: float, intercept: float) -> np.ndarray:
    """Suspicions (N,) with slope z + intercept in place of their logits z."""
    return np.asarray(expit(slope * logits(suspicion) + intercept))


def _spearman(score: np.ndarray, rating: np.ndarray) -> float:
    """The rank correlation; NaN where all of either are equal."""
    return float(spearmanr(score, rating).statistic) if np.ptp(score) and np.ptp(rating) else np.nan
