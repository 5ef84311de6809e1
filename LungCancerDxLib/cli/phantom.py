"""`lungcancerdx phantom`: synthetic patients, cohorts of them, and nodules put into real scans."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..runtime.interruption import Stop
from .arguments import Commands, add_actions, add_command, add_progress_options, count, path, seed
from .terminal import make_progress

if TYPE_CHECKING:
    import numpy as np

    from ..volume import CTVolume

_LESION_MM = 20.0  # taken for the diameter of a lesion to keep away from where none is given


def length(text: str) -> float:
    """A voxel size in mm that a chest CT may have."""
    value = float(text)
    if not 0.2 <= value <= 10:
        raise argparse.ArgumentTypeError(f"expected 0.2 to 10 mm, got {text}")
    return value


def add_phantom(commands: Commands) -> None:
    """Its actions."""
    actions = add_actions(commands, "phantom", help="synthetic patients whose truth is known")
    case = add_command(actions, "case", run_case, help="one patient: the CT, the lungs, the nodules and the truth")
    case.add_argument(
        "--index", metavar="N", type=seed, default=0, help="which patient of the seed's cohort (default 0)"
    )
    case.add_argument("--population", choices=("dsb", "luna"), default="dsb", help="whose nodules (default dsb)")
    cohort = add_command(
        actions, "cohort", run_cohort, help="many patients, as LUNA16 or the Data Science Bowl 2017 has them"
    )
    cohort.add_argument("--format", choices=("luna16", "dsb2017"), required=True)
    cohort.add_argument(
        "--cases", metavar="N", type=count, required=True, help="more of the same may be asked for later"
    )
    cohort.add_argument("--workers", metavar="N", type=count, default=1, help="patients at a time (default 1)")
    insert = add_command(actions, "insert", run_insert, help="synthetic nodules in the lungs of a scan of yours")
    insert.add_argument("ct", metavar="CT", type=path, help="DICOM folder or multi-frame file, NIfTI, NRRD, MetaImage")
    insert.add_argument("--count", metavar="N", type=count, default=3, help="nodules (default 3)")
    insert.add_argument(
        "--exclusion-regions",
        metavar="CSV",
        type=path,
        help="stay clear of these lesions: columns x,y,z in LPS mm and perhaps diameter_mm (default 20)",
    )
    for parser in (case, cohort, insert):
        parser.add_argument("--seed", metavar="S", type=seed, required=True, help="the same seed gives the same files")
        parser.add_argument("--out", metavar="DIR", type=path, required=True)
        add_progress_options(parser)
    for parser in (case, cohort):
        parser.add_argument(
            "--spacing",
            metavar="MM",
            type=length,
            nargs=3,
            help="of slices, rows, columns (default: drawn per patient)",
        )


def run_case(arguments: argparse.Namespace, stop: Stop) -> str:
    """Make one patient; returns the message for the terminal."""
    from ..phantom.case import synthetic_case
    from ..runtime.atomic import check_target

    check_target(arguments.out)
    progress = stop.watched(make_progress(arguments.progress))
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


def run_cohort(arguments: argparse.Namespace, stop: Stop) -> str:
    """Make a cohort, or go on with it; returns the message for the terminal."""
    from ..cohorts.synthetic import CohortPlan, build_cohort

    stop.message = "Stopped. The same command goes on from here."
    plan = CohortPlan(arguments.format, arguments.seed, _spacing(arguments))
    made, before = build_cohort(
        plan,
        arguments.cases,
        arguments.out,
        workers=arguments.workers,
        progress=make_progress(arguments.progress),
        asked_to_stop=lambda: stop.asked,
    )
    there = f", {before} were there before" if before else ""
    return f"{made} patients made{there}: {arguments.format} in {arguments.out}"


def run_insert(arguments: argparse.Namespace, stop: Stop) -> str:
    """Put nodules into a scan; returns the message for the terminal."""
    import numpy as np

    from ..io import read_ct
    from ..phantom.case import bayes_probabilities
    from ..phantom.insertion import insert_nodules, places_of_scan
    from ..phantom.nodules.population import draw_nodules
    from ..preprocessing import preprocess
    from ..preset import DEFAULT
    from ..runtime.atomic import check_target
    from ..runtime.progress import part

    check_target(arguments.out)
    progress = stop.watched(make_progress(arguments.progress))
    progress("reading the CT", 0.0)
    volume = read_ct(arguments.ct).canonical()
    lesions = _lesions(arguments.exclusion_regions) if arguments.exclusion_regions else []
    lungs = preprocess(volume, DEFAULT, part(progress, 0.1, 0.6)).lungs.labels
    places = places_of_scan(volume, lungs, exclusion_regions=lesions)
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
    from ..io.image_file import write_image, write_volume
    from ..runtime.atomic import atomic_folder

    with atomic_folder(folder) as staging:
        write_volume(volume, staging / "ct.nrrd")
        write_image(lungs, volume, staging / "lungs.nrrd")
        write_image(nodules, volume, staging / "nodules.nrrd")
        (staging / "truth.json").write_text(json.dumps(truth, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _spacing(arguments: argparse.Namespace) -> tuple[float, float, float] | None:
    return tuple(arguments.spacing) if arguments.spacing else None


def _lesions(path: Path) -> list[tuple[tuple[float, float, float], float]]:
    """Balls (centre in LPS mm, radius in mm) around known lesions."""
    import numpy as np

    from ..errors import CTReadError
    from ..io.tables import read_table

    table = read_table(path, ("x", "y", "z"), CTReadError)
    sizes_mm = table.numbers("diameter_mm", empty_allowed=True) if table.has("diameter_mm") else np.zeros(len(table))
    rows = np.column_stack([*(table.numbers(axis) for axis in "xyz"), sizes_mm]).tolist()
    return [((x, y, z), (size_mm if size_mm > 0 else _LESION_MM) / 2) for x, y, z, size_mm in rows]
