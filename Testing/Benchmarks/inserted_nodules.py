"""Put real nodules into scans, many into each, and find and rate them as the pipeline does.

    python -m Testing.Benchmarks.inserted_nodules --model M --data CASES --bank FOLDER [--fold N] --out DIR

CASES is a folder of `train prepare`; its synthetic patients are left out. With `--fold` only that part of the bank goes
into the scan of that number, as both are held out by `train detector` and `train classifier --recipe readers --fold N`;
without it all nodules go into all scans in turn. A nodule has the size that it has in its patient. `summary.md` and
`summary.csv` have the figures, `nodules.csv`, `cubes.csv` and `false-positives.csv` what they rest on; what is found is
in `ratings.csv`, for `lungcancerdx evaluate ratings`. A killed study goes on where it was, with the same code.

False positives are also counted in the scans as they are: of twenty nodules some have a tail that is marked as well.
The cubes of the bank are shown in their own surroundings, as an image of 64 mm with tissue beyond the cube: what lies
outside the lungs looks like that to the networks, while pasted into a scan a cube would have the seams of two lungs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import binomtest

from LungCancerDxLib.classification.classifier import classify_nodules
from LungCancerDxLib.datasets.nodule_bank import BankNodule, read_nodule_bank
from LungCancerDxLib.detection.detector import detect
from LungCancerDxLib.detection.proposals import Proposals
from LungCancerDxLib.evaluation import fusion
from LungCancerDxLib.evaluation.ratings import COLUMNS, NOT_A_NODULE, ratings_report, read_rated_nodules
from LungCancerDxLib.evaluation.report import Row, markdown, row, write_rows
from LungCancerDxLib.io.tables import write_table, write_text
from LungCancerDxLib.models.bundle import Model
from LungCancerDxLib.models.find import model_or_run
from LungCancerDxLib.names import CALCIFIED
from LungCancerDxLib.phantom.real_nodules import insert_real_nodules, place_apart
from LungCancerDxLib.preprocessing import WorkingScan
from LungCancerDxLib.preprocessing.working_grid import grey_ct
from LungCancerDxLib.runtime.device import Compute, choose_compute
from LungCancerDxLib.training.cases.real_nodules import cube_image, draw_point, learnable
from LungCancerDxLib.training.cases.store import CaseStore
from LungCancerDxLib.training.classifier.rated_crops import Background
from LungCancerDxLib.volume import CTVolume, index_to_world, world_to_index
from Testing.Benchmarks.kept import kept_in
from Testing.Benchmarks.outlined import rated_marks

SMALLEST_MM = 4.0
PER_SCAN = 20
ABOVE_LOGIT = 0.0
WITHIN_MM = 4.0  # a mark this near to a centre, or within the radius, is right: the detector's cells are 4 mm wide
NEITHER_MM = 5.0  # from a nodule's surface: other marks this near are neither right nor wrong
MOST_MARKS = 200  # of a scan: with so many nodules the preset's 20 would not do
CUBE_IMAGE = 64
SUSPICIONS = (COLUMNS[-1], *fusion.COLUMNS)
PLAIN_FALSE_POSITIVES, PLAIN_SCANS = "false positives of scans as they are", "scans as they are"

Rows = dict[str, list[dict[str, Any]]]


class Job(NamedTuple):
    """Nodules to be put into a scan, given by its number in the store; or one cube to be shown as if in it; or none."""

    name: str
    scan: int
    nodules: list[BankNodule]
    seed: list[int]

    @property
    def show(self) -> Callable[[Model, Compute, Background, Job], Rows]:
        """What makes its rows."""
        if not self.nodules:
            return in_scan_as_it_is
        return of_cube if self.nodules[0].is_cube else in_scan


def main() -> None:
    """Show what is not shown yet and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="a model's name or folder, or a run")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bank", type=Path)
    parser.add_argument("--fold", type=int, choices=range(5))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    model, store = model_or_run(arguments.model), CaseStore(arguments.data)
    compute = choose_compute("auto", arguments.precision, preset=model.preset)
    bank = read_nodule_bank(arguments.bank)
    study = json.dumps([store.stamps, [nodule.id for nodule in bank]])
    shown = hashlib.sha256(study.encode()).hexdigest()[:8]
    folder = kept_in(arguments.out, model, compute.precision, arguments.fold, arguments.seed, shown)
    backgrounds: dict[int, Background] = {}
    parts: list[Rows] = []
    for job in jobs(store, bank, arguments.fold, arguments.seed):
        path = folder / f"{job.name}.json"
        if not path.exists():
            if job.scan not in backgrounds:
                backgrounds[job.scan] = Background.of(store.case(job.scan), np.zeros((0, 3)), model.preset)
            rows = job.show(model, compute, backgrounds[job.scan], job)
            write_text(path, json.dumps(rows))
        parts.append(json.loads(path.read_text()))
        print(job.name, ", ".join(f"{len(rows)} {kind}" for kind, rows in parts[-1].items()), flush=True)
    write_report(arguments.out, model.name, parts)


def jobs(store: CaseStore, bank: Sequence[BankNodule], fold: int | None, seed: int) -> list[Job]:
    """The whole study: nodules in a random order, then the cubes."""
    learned, held = learnable(bank, fold)
    shown = [nodule for nodule in (learned if fold is None else held) if nodule.diameter_mm >= SMALLEST_MM]
    alone, cubes = ([nodule for nodule in shown if nodule.is_cube == is_cube] for is_cube in (False, True))
    scans = np.flatnonzero(~store.synthetic).tolist()
    scans = scans if fold is None else scans[fold : fold + 1]
    order = np.random.default_rng(seed).permutation(len(alone))
    shown_in = sorted({scans[n % len(scans)] for n in range(-(-len(alone) // PER_SCAN))})
    chunks = [[alone[n] for n in order[first : first + PER_SCAN]] for first in range(0, len(order), PER_SCAN)]
    return [
        *(Job(f"as-it-is-{scan}", scan, [], [seed]) for scan in shown_in),
        *(Job(f"scan-{n}", scans[n % len(scans)], nodules, [seed, n]) for n, nodules in enumerate(chunks)),
        *(Job(f"cube-{cube.id}", scans[n % len(scans)], [cube], [seed, n, 1]) for n, cube in enumerate(cubes)),
    ]


def in_scan(model: Model, compute: Compute, background: Background, job: Job) -> Rows:
    """Rows of nodules put into one scan, which is scored once, and of what else was marked in it."""
    scan, regions = background.case.scan, background.case.exclusion_regions
    placed = place_apart(np.random.default_rng(job.seed), job.nodules, background.places)
    image = insert_real_nodules(scan.image, scan.kji_to_lps, placed, background.quality, model.preset)
    scan = replace(scan, image=image)
    marks = marks_of(model, compute, scan)
    centers = world_to_index(scan.kji_to_lps, np.array([one.center_lps_mm for one in placed]).reshape(-1, 3))
    radii_mm = np.array([one.diameter_mm / 2 for one in placed])
    away_mm = np.linalg.norm(marks.center_kji[:, None] - centers, axis=2) * scan.spacing_mm
    gaps = np.linalg.norm(marks.center_kji[:, None] - regions[:, :3], axis=2) - regions[:, 3]
    wrong = (gaps > 0).all(axis=1) & (away_mm > radii_mm + NEITHER_MM).all(axis=1)
    shown = [one.nodule for one in placed]
    return {
        "nodules": found_rows(model, compute, scan, marks, shown, away_mm, background.case.name),
        "not placed": [{"id": nodule.id} for nodule in job.nodules if nodule not in shown],
        "false positives": [
            {"scan": background.case.name, "logit": mark[0], "diameter_mm": mark[-1] * scan.spacing_mm}
            | dict(zip(("x_lps_mm", "y_lps_mm", "z_lps_mm"), index_to_world(scan.kji_to_lps, mark[1:4]), strict=True))
            for mark in marks[wrong].rows()
        ],
        "scans": [{"scan": background.case.name}],
    }


def in_scan_as_it_is(model: Model, compute: Compute, background: Background, job: Job) -> Rows:
    """What is marked in a scan without any nodule put into it."""
    rows = in_scan(model, compute, background, job)
    scan, wrong = background.case.scan, rows["false positives"]
    ct = grey_ct(scan.image, scan.kji_to_lps, model.preset)
    for number, mark in enumerate(wrong):
        mark |= dict.fromkeys(SUSPICIONS)
        if number < model.preset.listed_nodules:
            center = world_to_index(scan.kji_to_lps, np.array([[mark[f"{axis}_lps_mm"] for axis in "xyz"]]))
            row = [mark["logit"], *center[0], mark["diameter_mm"] / scan.spacing_mm]
            mark |= suspicion_of(model, compute, scan, ct, Proposals.from_rows(np.array([row])))
    return {PLAIN_FALSE_POSITIVES: wrong, PLAIN_SCANS: rows["scans"]}


def of_cube(model: Model, compute: Compute, background: Background, job: Job) -> Rows:
    """The row of a cube, shown as if it lay at a random place in the lungs of a scan."""
    (cube,), there, rng = job.nodules, background.case.scan, np.random.default_rng(job.seed)
    point = np.array([draw_point(rng, background.places, 0.0, np.inf)])
    start = world_to_index(there.kji_to_lps, point)[0] - (CUBE_IMAGE - 1) / 2
    scan = WorkingScan(
        image=cube_image(cube, np.eye(3), np.zeros(3), CUBE_IMAGE, model.preset),
        dilated=np.ones((CUBE_IMAGE,) * 3, dtype=bool),
        lung_ends_kji=there.lung_ends_kji - start,
        kji_to_lps=there.kji_to_lps,
    )
    marks = marks_of(model, compute, scan)
    away_mm = np.linalg.norm(marks.center_kji - (CUBE_IMAGE - 1) / 2, axis=1)[:, None]
    return {"cubes": found_rows(model, compute, scan, marks, [cube], away_mm, background.case.name)}


def marks_of(model: Model, compute: Compute, scan: WorkingScan) -> Proposals:
    """What the pipeline's detector lists, best first, were its list long enough."""
    return detect(scan, model.detector, replace(model.preset, listed_nodules=MOST_MARKS), compute).proposals


def found_rows(
    model: Model,
    compute: Compute,
    scan: WorkingScan,
    marks: Proposals,
    nodules: Sequence[BankNodule],
    away_mm: np.ndarray,
    name: str,
) -> list[dict[str, Any]]:
    """A row for each nodule: its best mark, if any, and what the classifier says of one above `ABOVE_LOGIT`.

    Parameters
    ----------
    away_mm
        (marks, nodules) from each mark's centre to each nodule's.
    """
    rows: list[dict[str, Any]] = []
    ct = grey_ct(scan.image, scan.kji_to_lps, model.preset)
    for n, nodule in enumerate(nodules):
        right = np.flatnonzero(away_mm[:, n] <= max(nodule.diameter_mm / 2, WITHIN_MM))
        known: dict[str, Any] = dict.fromkeys(("logit", "away_mm", "box_diameter_mm", *SUSPICIONS))
        if len(right):
            best = right[:1]
            known["logit"], known["away_mm"] = float(marks.logit[best[0]]), float(away_mm[best[0], n])
            known["box_diameter_mm"] = float(marks.diameter[best[0]] * scan.spacing_mm)
            if known["logit"] > ABOVE_LOGIT:
                known |= suspicion_of(model, compute, scan, ct, marks[best])
        what = {key: getattr(nodule, key) for key in ("id", "patient", "malignancy", "diameter_mm", "texture")}
        rows.append({**what, "attached": nodule.is_attached, "scan": name, **known})
    return rows


def suspicion_of(model: Model, compute: Compute, scan: WorkingScan, ct: CTVolume, mark: Proposals) -> dict[str, Any]:
    """What the pipeline says of one mark, outlined in the working scan: its suspicion, and what that is made of."""
    scores = classify_nodules(scan, mark.center_kji, model.classifier, model.preset, compute)
    if scores.malignancy is None:
        raise SystemExit("A model whose nodules have scores of their own is needed.")
    by_network = scores.malignancy.tolist()
    (nodule,) = rated_marks(model, ct, scan, mark, by_network)
    known = (nodule.malignancy, *by_network, nodule.diameter_mm, int(nodule.type == CALCIFIED))
    return dict(zip(SUSPICIONS, known, strict=True))


def write_report(out: Path, name: str, parts: Sequence[Rows]) -> None:
    """The figures and the tables of all parts."""
    nodules, cubes, wrong, scans, left, plain_wrong, plain = (
        [row for part in parts for row in part.get(kind, [])]
        for kind in ("nodules", "cubes", "false positives", "scans", "not placed", PLAIN_FALSE_POSITIVES, PLAIN_SCANS)
    )
    tables = {"nodules": nodules, "cubes": cubes, "false-positives": wrong, "false-positives-as-they-are": plain_wrong}
    for file, rows in tables.items():
        if rows:
            write_table(out / f"{file}.csv", tuple(rows[0]), [tuple(row.values()) for row in rows])
    groups = {
        "6 mm and more": [row for row in nodules if row["diameter_mm"] >= 6],
        "4 to 6 mm": [row for row in nodules if row["diameter_mm"] < 6],
        "subsolid": [row for row in nodules if row["texture"] <= 3],
        "all": nodules,
        "cubes": cubes,
    }
    logits = np.sort([row["logit"] for row in wrong])[::-1]
    at_one = max(float(logits[len(scans)]), -3.0) if len(logits) > len(scans) else -3.0
    figures = [recall(of, rows, ABOVE_LOGIT) for of, rows in groups.items() if rows]
    for marks, shown, what in ((wrong, scans, "scans with nodules"), (plain_wrong, plain, "scans as they are")):
        above = sum(row["logit"] > ABOVE_LOGIT for row in marks)
        rate = above / max(len(shown), 1)
        figures.append(row(f"false positives a scan above logit 0, {what}", rate, f"{len(shown)} scans"))
    figures.append(row("logit above which there is one false positive a scan", at_one, f"{len(wrong)} above -3"))
    figures += [recall(of, rows, at_one) for of, rows in groups.items() if rows]
    remarks = [
        f"Found: a mark within the radius or {WITHIN_MM:g} mm of the centre. Intervals of recalls: Wilson's.",
        f"{len(left)} nodules found no place in their scan and are left out.",
    ]
    rated = [row for row in nodules if row["suspicion"] is not None]
    alarms = [
        mark | {"id": f"{mark['scan']}-{n}", "patient": mark["scan"], "malignancy": NOT_A_NODULE, "diameter_mm": 0.0}
        for n, mark in enumerate(plain_wrong)
        if mark["suspicion"] is not None
    ]
    columns = (*COLUMNS, *fusion.COLUMNS)
    write_table(out / "ratings.csv", columns, [tuple(row[name] for name in columns) for row in (*rated, *alarms)])
    if {1, 2} & {row["malignancy"] for row in rated} and {4, 5} & {row["malignancy"] for row in rated}:
        figures += ratings_report(read_rated_nodules([out / "ratings.csv"]), np.random.default_rng(0)).rows
    write_rows(figures, out / "summary.csv")
    text = markdown(f"Inserted real nodules: {name}", figures, remarks)
    write_text(out / "summary.md", text)
    print(text)


def recall(of: str, rows: Sequence[dict[str, Any]], above: float) -> Row:
    """The share of nodules with a mark above a logit."""
    found = sum(row["logit"] is not None and row["logit"] > above for row in rows)
    low, high = binomtest(found, len(rows)).proportion_ci(method="wilson")
    return Row(f"recall above logit {above:.2f}, {of}", found / len(rows), low, high, f"{found} of {len(rows)}")


if __name__ == "__main__":
    main()
