"""Score invented patients that nothing was trained on, as tables for `lungcancerdx evaluate`.

    python -m Testing.Benchmarks.held_out --model Default --patients 200 --seed 900001 --workers 2 --out held-out
    lungcancerdx evaluate detection held-out/marks.csv held-out/nodules.csv --scans held-out/cases.csv --rules paper \
        --out detection
    lungcancerdx evaluate cases held-out/cases.csv held-out/truth.csv --truth held-out/truth.csv --out cases

The patients are made straight at the networks' 1 mm, as in training; `phantom cohort` and `cohort` do the same through
image files, at several times the cost. A killed study goes on where it was, with the same code.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from LungCancerDxLib.classification.classifier import score_case
from LungCancerDxLib.detection.detector import detect
from LungCancerDxLib.evidence import combine, expected
from LungCancerDxLib.io.tables import write_table, write_text
from LungCancerDxLib.models.bundle import Model
from LungCancerDxLib.models.find import find_model
from LungCancerDxLib.names import OUTCOMES
from LungCancerDxLib.preprocessing.working_grid import grey_ct
from LungCancerDxLib.runtime.device import choose_compute
from LungCancerDxLib.training.cases.prepare import synthetic_case
from LungCancerDxLib.volume import index_to_world
from Testing.Benchmarks.kept import kept_in
from Testing.Benchmarks.outlined import rated_marks

PLACE = ("id", "x_lps_mm", "y_lps_mm", "z_lps_mm")
TABLES = {
    "cases": ("id", "score", "score_name"),
    "truth": ("id", "label", "bayes_probability", "leak", "nodule_count"),
    "marks": (*PLACE, "box_diameter_mm", "logit", "malignancy", "network_malignancy", "diameter_mm"),
    "nodules": (*PLACE, "diameter_mm", "probability"),
}


def main() -> None:
    """Score the patients that are not scored yet and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model")
    parser.add_argument("--patients", type=int, default=200)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    model = find_model(arguments.model)
    precision = choose_compute("auto", arguments.precision, preset=model.preset).precision
    folder = kept_in(arguments.out, model, precision, arguments.seed)
    numbers = range(arguments.patients)
    score = partial(scored, folder, arguments.model, precision, arguments.seed)
    with ProcessPoolExecutor(arguments.workers, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        for number, words in enumerate(pool.map(score, numbers)):
            print(number, words, flush=True)
    write_tables(arguments.out, (json.loads(_file(folder, number).read_text()) for number in numbers))


def scored(folder: Path, model_name: str | None, precision: str, seed: int, number: int) -> str:
    """Keep the rows of one patient in a file, if they are not there yet; returns them in a few words."""
    path = _file(folder, number)
    if path.exists():
        return "there already"
    rows = rows_of(_model(model_name), precision, seed, number)
    write_text(path, json.dumps(rows))
    return f"score {rows['cases'][0][1]:.3f}, label {rows['truth'][0][1]:d}, {len(rows['nodules'])} nodules"


def rows_of(model: Model, precision: str, seed: int, number: int) -> dict[str, list[list[Any]]]:
    """One patient's rows of every table."""
    name, preset, compute = f"{seed}-{number}", model.preset, choose_compute("auto", precision)
    case, truth = synthetic_case(name, np.random.default_rng([seed, number]), preset)
    scan = case.scan
    proposals = detect(scan, model.detector, preset, compute).proposals
    none, weighted = np.empty((0, 3)), model.weighted_by_confidence
    scores = score_case(scan, proposals, none, model.classifier, preset, compute, weighted_by_confidence=weighted)
    score, malignancy = scores.evidence.score, list(scores.malignancy)
    outlined_mm: list[float | None] = [None] * len(malignancy)
    if model.fusion is not None:
        counted = [p or 0.0 for p in malignancy[: scores.scored]]
        rated = rated_marks(
            model, grey_ct(scan.image, scan.kji_to_lps, preset), scan, proposals[: scores.scored], counted
        )
        malignancy[: scores.scored] = [nodule.malignancy for nodule in rated]
        outlined_mm[: scores.scored] = [nodule.diameter_mm for nodule in rated]
        counted = [expected(n.malignancy or 0.0, n.confidence if weighted else None) for n in rated]
        score = combine(model.join, counted, scores.leak, scores.blank_malignancy, scores.blank_count).score
    marks = [
        [name, *place, float(diameter * scan.spacing_mm), float(logit), *what]
        for place, (logit, *_, diameter), *what in zip(
            index_to_world(scan.kji_to_lps, proposals.center_kji).tolist(),
            proposals.rows(),
            malignancy,
            scores.malignancy,
            outlined_mm,
            strict=True,
        )
    ]
    nodules = [
        [name, *place, float(diameter * scan.spacing_mm), probability]
        for place, diameter, probability in zip(
            index_to_world(scan.kji_to_lps, case.nodules[:, :3]).tolist(),
            case.nodules[:, 3],
            truth.nodule_probabilities,
            strict=True,
        )
    ]
    return {
        "cases": [[name, score, OUTCOMES[model.outcome]]],
        "truth": [[name, int(truth.label), truth.bayes_probability, truth.leak, len(nodules)]],
        "marks": marks,
        "nodules": nodules,
    }


def write_tables(out: Path, patients: Iterable[dict[str, list[list[Any]]]]) -> None:
    """The tables of all patients."""
    together: dict[str, list[list[Any]]] = {name: [] for name in TABLES}
    for patient in patients:
        for name, rows in patient.items():
            together[name] += rows
    for name, columns in TABLES.items():
        write_table(out / f"{name}.csv", columns, together[name])


def _file(folder: Path, number: int) -> Path:
    return folder / f"{number}.json"


@cache
def _model(name: str | None) -> Model:
    return find_model(name)


if __name__ == "__main__":
    main()
