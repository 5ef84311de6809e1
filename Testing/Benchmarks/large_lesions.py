"""Put large lesions into a CT, one at a time, preprocess it, and find them in what lies within 48 mm of them.

    python -m Testing.Benchmarks.large_lesions --model M --scan CT --out DIR [--rounds N]

The bank of real nodules has few of 20 mm and more, and none of 40. Lesions here are synthetic: masses, ground glass and
part-solid nodules of the sorts that `train detector --recipe readers` shows, at other places and in other shapes. CT
should have no finding of its own and no part in training. Found: a mark above logit 0 has its centre in the lesion.
Whole: the best such mark has at least 0.7 of the lesion's diameter. `lesions.csv` has a row per lesion, `summary.md`
the figures. Each round has all lesions again, elsewhere. A killed study goes on where it was, with the same code.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from LungCancerDxLib.detection.detector import detect
from LungCancerDxLib.evaluation.report import markdown, row, write_rows
from LungCancerDxLib.io import read_ct
from LungCancerDxLib.io.tables import write_table, write_text
from LungCancerDxLib.models.bundle import Model
from LungCancerDxLib.models.find import model_or_run
from LungCancerDxLib.phantom.insertion import insert_nodules, places_of_scan
from LungCancerDxLib.phantom.nodules.population import LungPlaces
from LungCancerDxLib.preprocessing import WorkingScan, preprocess
from LungCancerDxLib.preprocessing.working_grid import cut_out
from LungCancerDxLib.runtime.device import Compute, choose_compute
from LungCancerDxLib.training.cases.real_nodules import LACKING, Lacking, place_lacking
from LungCancerDxLib.volume import CTVolume, world_to_index
from Testing.Benchmarks.inserted_nodules import ABOVE_LOGIT, recall
from Testing.Benchmarks.kept import kept_in

SOLID, PART_SOLID, GROUND_GLASS = LACKING[:3]
LESIONS: dict[str, tuple[Lacking, tuple[float, ...]]] = {
    "mass on the pleura": (SOLID, (35.0, 45.0, 55.0, 65.0, 75.0, 85.0)),
    "mass in the lung": (SOLID._replace(depths=(1.0, 9.0)), (35.0, 45.0, 55.0)),
    "ground glass": (GROUND_GLASS, (14.0, 18.0, 22.0, 26.0, 30.0, 36.0)),
    "part-solid": (PART_SOLID, (14.0, 18.0, 22.0, 26.0, 30.0, 36.0)),
}
WHOLE = 0.7  # of the lesion's diameter, that of its mark
AROUND_MM = 48.0  # of the lesion is shown to the detector


def main() -> None:
    """Show what is not shown yet and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="a model's name or folder, or a run")
    parser.add_argument("--scan", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    model, ct = model_or_run(arguments.model), read_ct(arguments.scan)
    compute = choose_compute("auto", arguments.precision, preset=model.preset)
    folder = kept_in(arguments.out, model, compute.precision, arguments.scan.stem)
    lungs = preprocess(ct, model.preset).lungs.labels
    places = places_of_scan(ct, lungs)
    rows: list[dict[str, Any]] = []
    every = [(name, d, n) for n in range(arguments.rounds) for name, (_, sizes) in LESIONS.items() for d in sizes]
    for name, diameter_mm, number in every:
        path = folder / f"{name.replace(' ', '-')}-{diameter_mm:.0f}-{number}.json"
        if not path.exists():
            rng = np.random.default_rng([number, list(LESIONS).index(name), int(diameter_mm)])
            shown = of_lesion(model, compute, ct, lungs, places, LESIONS[name][0], diameter_mm, rng)
            write_text(path, json.dumps({"lesion": name, "diameter_mm": diameter_mm, **shown}))
        rows.append(json.loads(path.read_text()))
        print(rows[-1], flush=True)
    write_report(arguments.out, model.name, rows)


def of_lesion(
    model: Model,
    compute: Compute,
    ct: CTVolume,
    lungs: np.ndarray,
    places: LungPlaces,
    sort: Lacking,
    diameter_mm: float,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """One lesion's place, LPS mm, its best mark, and how many marks above `ABOVE_LOGIT` lie in it."""
    lesion = place_lacking(rng, sort, diameter_mm, places)
    shown = preprocess(insert_nodules(ct, [lesion], lungs)[0], model.preset).working
    center = world_to_index(shown.kji_to_lps, np.array([lesion.center_lps_mm]))[0]
    size = round((diameter_mm + 2 * AROUND_MM) / shown.spacing_mm)
    scan, start = around(shown, center, size, model.preset.tissue_value)
    marks = detect(scan, model.detector, model.preset, compute).proposals
    away_mm = np.linalg.norm(marks.center_kji + start - center, axis=1) * shown.spacing_mm
    within = np.flatnonzero(away_mm <= diameter_mm / 2)
    known: dict[str, Any] = dict(zip(("x_lps_mm", "y_lps_mm", "z_lps_mm"), lesion.center_lps_mm, strict=True))
    known["marks"] = int((marks.logit[within] > ABOVE_LOGIT).sum())
    if not len(within):
        return known | dict.fromkeys(("logit", "away_mm", "box_diameter_mm"))
    best = within[0]
    box_mm = float(marks.diameter[best] * shown.spacing_mm)
    return known | {"logit": float(marks.logit[best]), "away_mm": float(away_mm[best]), "box_diameter_mm": box_mm}


def around(scan: WorkingScan, center_kji: np.ndarray, size: int, filled: int) -> tuple[WorkingScan, np.ndarray]:
    """The cube of a scan around a point, and the scan's voxel (3,) that it begins with."""
    start = np.rint(center_kji).astype(int) - size // 2
    cube = replace(
        scan,
        image=cut_out(scan.image, start, size, filled),
        dilated=cut_out(scan.dilated.astype(np.uint8), start, size, 0) > 0,
        lung_ends_kji=scan.lung_ends_kji - start,
    )
    return cube, start


def write_report(out: Path, name: str, rows: list[dict[str, Any]]) -> None:
    """The figures of all lesions and their table."""
    write_table(out / "lesions.csv", tuple(rows[0]), [tuple(row.values()) for row in rows])
    figures = []
    for sort in LESIONS:
        of_sort = [one for one in rows if one["lesion"] == sort]
        figures.append(recall(sort, of_sort, ABOVE_LOGIT))
        found = [one for one in of_sort if one["logit"] is not None and one["logit"] > ABOVE_LOGIT]
        if found:
            shares = np.array([one["box_diameter_mm"] / one["diameter_mm"] for one in found])
            basis = f"{len(found)} found"
            known = {
                "share of them found whole": (shares >= WHOLE).mean(),
                "median diameter over the lesion's": np.median(shares),
                "mean number of marks in it": np.mean([one["marks"] for one in found]),
            }
            figures += [row(f"{what}, {sort}", float(value), basis) for what, value in known.items()]
    write_rows(figures, out / "summary.csv")
    text = markdown(f"Large lesions: {name}", figures, [f"Whole: at least {WHOLE:g} of the lesion's diameter."])
    write_text(out / "summary.md", text)
    print(text)


if __name__ == "__main__":
    main()
