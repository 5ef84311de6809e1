"""Predicted and true outcomes of cases, from tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import UsageError
from ..io.tables import Table, read_labels, read_table


@dataclass(frozen=True)
class Outcomes:
    """Cases with both a prediction and a label, in the order of the labels.

    Parameters
    ----------
    ids
        N names.
    predicted
        (N,) scores within 0..1.
    cancer
        (N,) bool labels, of both kinds.
    bayes
        (N,) the best possible probabilities, where a truth table gives them.
    leak
        (N,) the true probability of cancer of the cases without a nodule, NaN of the others, where the truth gives it.
    score_name
        What the scores may be called.
    remarks
        Sentences about what was left out.
    """

    ids: list[str]
    predicted: np.ndarray
    cancer: np.ndarray
    bayes: np.ndarray | None
    score_name: str
    remarks: tuple[str, ...]
    leak: np.ndarray | None = None


def read_predictions(predictions: Path, labels: Path, truth: Path | None = None) -> Outcomes:
    """Read predictions (`id` and `cancer`, or a cohort's `id` and `score`), labels and the optional truth.

    Cases of one table only are left out, and a remark counts them, as it does predictions whose score is empty. The
    score is called what the predictions' column `score_name` says, if it says one thing only, else "model score".

    Raises
    ------
    UsageError
        Where a file cannot be read or understood, a probability is not within 0..1, the truth lacks a case, or the
        cases that remain are not of both labels.
    """
    table = read_table(predictions)
    scores = dict(zip(_ids(table), _probabilities(table, "score", "cancer", empty_allowed=True), strict=True))
    scored = {case for case, score in scores.items() if not np.isnan(score)}
    label_of = read_labels(labels, "cancer", "label")
    ids = [case for case in label_of if case in scored]
    if len({label_of[case] for case in ids}) < 2:
        raise UsageError(
            f"{len(ids)} cases have a score in {predictions} and a label in {labels}; expected cases of both labels."
        )
    remarks = []
    if len(ids) < len(label_of):
        remarks.append(f"{len(label_of) - len(ids)} of {len(label_of)} labelled cases have no score and are left out.")
    if unlabelled := len(scored - label_of.keys()):
        remarks.append(f"{unlabelled} cases with a score have no label and are left out.")
    names = set(table.columns.get("score_name", ())) - {""}
    bayes, leak = _read_truth(truth, ids) if truth is not None else (None, None)
    return Outcomes(
        ids,
        np.array([scores[case] for case in ids]),
        np.array([label_of[case] for case in ids]),
        bayes,
        names.pop() if len(names) == 1 else "model score",
        tuple(remarks),
        leak,
    )


def _read_truth(path: Path, ids: list[str]) -> tuple[np.ndarray, np.ndarray | None]:
    """See `Outcomes.bayes` and `Outcomes.leak`."""
    table = read_table(path)
    bayes, rows = _probabilities(table, "bayes_probability"), {case: row for row, case in enumerate(_ids(table))}
    missing = [case for case in ids if case not in rows]
    if missing:
        raise UsageError(f"{path} lacks {len(missing)} of {len(ids)} cases, such as {missing[0]}.")
    order = [rows[case] for case in ids]
    if not (table.has("leak") and table.has("nodule_count")):
        return bayes[order], None
    leak = np.where(table.numbers("nodule_count") == 0, _probabilities(table, "leak"), np.nan)
    return bayes[order], leak[order]


def _ids(table: Table) -> list[str]:
    ids = table.texts("id")
    seen: set[str] = set()
    for line, case in zip(table.lines, ids, strict=True):
        if case in seen:
            raise table.complaint(line, f"the case {case} is there twice.")
        seen.add(case)
    return ids


def _probabilities(table: Table, *names: str, empty_allowed: bool = False) -> np.ndarray:
    numbers = table.numbers(*names, empty_allowed=empty_allowed)
    for line, number in zip(table.lines, numbers, strict=True):
        if number < 0 or number > 1:
            message = f"expected a probability within 0..1, got {number:g}."
            raise table.complaint(line, message, table.name_of(*names))
    return numbers
