"""`lungcancerdx phantom`: synthetic patients, cohorts of them, and nodules put into real scans."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..cohorts.lung_labels import write_labels
from ..cohorts.synthetic import CohortPlan, build_cohort
from ..cohorts.tables import read_table
from ..errors import UsageError
from ..interrupt import Stop
from ..phantom.case import synthetic_case
from ..phantom.insertion import insert_nodules
from ..phantom.malignancy import bayes_probabilities
from ..phantom.population import draw_nodules
from ..phantom.scan_places import places_of_scan
from ..preprocessing import preprocess
from ..preset import DEFAULT
from ..progress import Progress, part
from ..readers import read_ct
from ..result_folder import write_volume
from ..staging import check_target, whole_folder
from ..terminal import make_progress
from ..volume import CTVolume

_LESION_MM = 20.0  # taken for the diameter of a lesion to keep away from where none is given


def run(arguments: argparse.Namespace, stop: Stop) -> str:
    """Do what the arguments of `phantom` say; returns the words for the terminal."""
    progress = make_progress(arguments.progress)
    if arguments.action == "cohort":
        stop.words = "Stopped. The same command goes on from here."
        return _cohort(arguments, progress, stop)
    check_target(arguments.out)
    progress = stop.watched(progress)
    return _case(arguments, progress) if arguments.action == "case" else _insert(arguments, progress)


def _case(arguments: argparse.Namespace, progress: Progress) -> str:
    progress("making a patient", 0.0)
    case = synthetic_case(
        arguments.seed, arguments.index, spacing_mm_kji=_spacing(arguments), population=arguments.population
    )
    progress("writing the patient", 0.7)
    record = {"seed": arguments.seed, "index": arguments.index, **case.record()}
    _write(arguments.out, case.patient.volume, case.patient.lungs, case.nodule_labels(), record)
    progress("writing the patient", 1.0)
    diagnosis = "cancer" if case.truth.label else "no cancer"
    return (
        f"A patient with {len(case.patient.nodules)} nodules and {diagnosis} (the best prediction there is: "
        f"{case.truth.bayes_probability:.3f}) in {arguments.out}"
    )


def _cohort(arguments: argparse.Namespace, progress: Progress, stop: Stop) -> str:
    plan = CohortPlan(arguments.format, arguments.seed, _spacing(arguments))
    made, before = build_cohort(
        plan,
        arguments.cases,
        arguments.out,
        workers=arguments.workers,
        progress=progress,
        asked_to_stop=lambda: stop.asked,
    )
    there = f", {before} were there before" if before else ""
    return f"{made} patients made{there}: {arguments.format} in {arguments.out}"


def _insert(arguments: argparse.Namespace, progress: Progress) -> str:
    progress("reading the CT", 0.0)
    volume = read_ct(arguments.ct).canonical()
    lesions = _lesions(arguments.keep_away) if arguments.keep_away else []
    lungs = preprocess(volume, DEFAULT, part(progress, 0.1, 0.6)).lungs
    places = places_of_scan(volume, lungs, keep_away=lesions)
    nodules = draw_nodules(np.random.default_rng(arguments.seed), places, count=arguments.count)
    if not nodules:
        raise UsageError(f"The lungs in {arguments.ct} have no room for a nodule; try another seed or fewer to avoid.")
    progress("inserting nodules", 0.7)
    changed, labels = insert_nodules(volume, nodules, lungs)
    _, probabilities = bayes_probabilities(nodules, emphysema=False)
    listed = [{**asdict(n), "probability": p} for n, p in zip(nodules, probabilities, strict=True)]
    progress("writing the scan", 0.8)
    _write(arguments.out, changed, lungs, labels, {"seed": arguments.seed, "ct": str(arguments.ct), "nodules": listed})
    progress("writing the scan", 1.0)
    asked = (
        "" if len(nodules) == arguments.count else f" of the {arguments.count} asked for; there was room for no more"
    )
    return f"{len(nodules)} nodules{asked}, in {arguments.out}"


def _write(folder: Path, volume: CTVolume, lungs: np.ndarray, nodules: np.ndarray, truth: dict[str, Any]) -> None:
    with whole_folder(folder) as staging:
        write_volume(volume, staging / "ct.nrrd")
        write_labels(lungs, volume, staging / "lungs.nrrd")
        write_labels(nodules, volume, staging / "nodules.nrrd")
        (staging / "truth.json").write_text(json.dumps(truth, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _spacing(arguments: argparse.Namespace) -> tuple[float, float, float] | None:
    return tuple(arguments.spacing) if arguments.spacing else None


def _lesions(path: Path) -> list[tuple[tuple[float, float, float], float]]:
    """Balls (centre in LPS mm, radius in mm) around known lesions."""
    return [
        ((row.number("x"), row.number("y"), row.number("z")), (row.number_if_any("diameter_mm") or _LESION_MM) / 2)
        for row in read_table(path, ("x", "y", "z"))
    ]
