"""`lungcancerdx train prepare` and `bank`: scans and what is known of them to what networks are trained on."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..errors import CTReadError, NoLungsError, UsageError
from ..names import PRESET_NAMES, listed
from ..runtime.interruption import Stop
from .arguments import Commands, add_command, add_progress_options, count, path, seed, share
from .terminal import make_progress

if TYPE_CHECKING:
    import numpy as np

    from ..datasets.scan import CohortScan
    from ..runtime.progress import Progress
    from ..training.cases.store import TrainingCase

    Spheres = dict[str, np.ndarray]


def add_prepare(actions: Commands) -> None:
    """Its arguments."""
    prepare = add_command(actions, "prepare", run, help="preprocess scans into a folder of training cases")
    prepare.add_argument("ct", metavar="CT", type=path, nargs="*", help="DICOM folder or file, NIfTI, NRRD, MetaImage")
    prepare.add_argument("--data", metavar="CASES", type=path, required=True, help="training cases, added to if there")
    prepare.add_argument(
        "--nodules",
        metavar="CSV",
        type=path,
        help="columns id,x_lps_mm,y_lps_mm,z_lps_mm,diameter_mm; a scan's id is its file's name without ending",
    )
    prepare.add_argument(
        "--exclusion-regions",
        metavar="CSV",
        type=path,
        help="columns id,x_lps_mm,y_lps_mm,z_lps_mm,radius_mm: spheres from which nothing may be learned",
    )
    dataset = prepare.add_argument_group("data sets", "Scans that are in CASES already are left as they are.")
    dataset.add_argument(
        "--dataset",
        metavar="FOLDER",
        type=path,
        action="append",
        default=[],
        help="LUNA16 or Data Science Bowl 2017, known by its tables: all scans with their nodules, without LUNA16's of "
        "less than 6 mm (section III-A), LUNA16's lungs from seg-lungs-LUNA16 where that is there, the Bowl's outcomes "
        "in labels.csv; may be given twice to join both",
    )
    dataset.add_argument(
        "--part",
        metavar="PART",
        action="append",
        default=[],
        help="only these scans: training (the Bowl's, and all of LUNA16), validation, test, or a fold of LUNA16, "
        "subset0 to subset9; may be given several times",
    )
    dataset.add_argument(
        "--resplit",
        action="store_true",
        help="a fourth of the Bowl's training set, drawn by --seed, as validation set; its own joins the rest (VI-B)",
    )
    prepare.add_argument(
        "--synthetic",
        metavar="N",
        type=count,
        default=0,
        help="also make so many synthetic patients, with nodules and a simulated outcome",
    )
    rated = prepare.add_argument_group("cases of real nodules", "Patients of a nodule bank in lungs without a finding.")
    rated.add_argument(
        "--rated",
        metavar="N",
        type=count,
        default=0,
        help="also make so many cases, seven of ten with all nodules of a patient; one is positive where a nodule is "
        "rated over 3",
    )
    rated.add_argument("--bank", metavar="FOLDER", type=path, help="the nodules, by default in LUNGCANCERDX_DATA")
    rated.add_argument("--scans", metavar="CASES", type=path, help="training cases of the scans to put them into")
    rated.add_argument(
        "--leak", metavar="P", type=share, default=0.0, help="share of the others that are positive (default 0)"
    )
    prepare.add_argument(
        "--seed", metavar="S", type=seed, default=0, help="of what is drawn: patients, cases, --resplit (default 0)"
    )
    prepare.add_argument("--preset", choices=PRESET_NAMES, default="DEFAULT")
    add_progress_options(prepare)


def add_bank(actions: Commands) -> None:
    """Its arguments."""
    bank = add_command(actions, "bank", run_bank, help="LIDC-IDRI's nodules to a bank that recipe readers learns from")
    bank.add_argument("lidc", metavar="LIDC", type=path, help="folder of DICOM series and the readers' XML, as of TCIA")
    bank.add_argument("--out", metavar="BANK", type=path, required=True, help="the bank, made anew")
    bank.add_argument(
        "--readers", metavar="N", type=count, default=3, help="that must have outlined a nodule (default 3 of 4)"
    )
    add_progress_options(bank)


def run_bank(arguments: argparse.Namespace, stop: Stop) -> str:
    """Make a bank; returns the message for the terminal."""
    from ..datasets.lidc import make_nodule_bank
    from ..runtime.atomic import check_target

    check_target(arguments.out)
    progress = stop.watched(make_progress(arguments.progress))
    nodules, series, left_out = make_nodule_bank(arguments.lidc, arguments.out, arguments.readers, progress)
    messages = [f"Left out: {reason}" for reason in left_out]
    return "\n".join([*messages, f"{nodules} nodules of {series} series in {arguments.out}"])


def run(arguments: argparse.Namespace, stop: Stop) -> str:
    """Make training cases; returns the message for the terminal."""
    import numpy as np

    from ..io.points import read_spheres
    from ..preset import PRESETS
    from ..runtime.progress import part
    from ..training.cases.prepare import synthetic_case
    from ..training.cases.store import case_names, write_outcomes

    stop.message = "Stopped; the cases made so far are kept."
    progress = stop.watched(make_progress(arguments.progress))
    nodules = read_spheres(arguments.nodules, "diameter_mm") if arguments.nodules else {}
    exclusion_regions = read_spheres(arguments.exclusion_regions, "radius_mm") if arguments.exclusion_regions else {}
    scans, messages = _scans(arguments)
    there = case_names(arguments.data, arguments.preset)
    left = {scan.id for scan in scans if scan.source} & there
    scans_to_do = [scan for scan in scans if scan.id not in left]
    outcomes = {scan.id: scan.label for scan in scans if scan.label is not None}
    if outcomes:
        write_outcomes(arguments.data, outcomes)
    if left:
        messages.append(f"In {arguments.data} already, and left as they are: {len(left)} scans")
    total = len(scans_to_do) + arguments.synthetic
    failures: list[Exception] = []
    for number, scan in enumerate(scans_to_do):
        try:
            case = _prepared(
                scan, arguments, nodules, exclusion_regions, part(progress, number / total, (number + 1) / total)
            )
        except (CTReadError, NoLungsError, UsageError) as error:
            failures.append(error)
            messages.append(f"Left out: {scan.id}: {error}")
        else:
            messages.append(_kept(case, arguments))
    if failures and len(failures) == total and not left:
        raise failures[0]
    for number in range(arguments.synthetic):
        progress("making synthetic patients", (len(scans_to_do) + number) / total)
        name = f"synthetic-{arguments.seed}-{number}"
        rng = np.random.default_rng([arguments.seed, number])
        case, truth = synthetic_case(name, rng, PRESETS[arguments.preset])
        messages.append(_kept(case, arguments))
        write_outcomes(arguments.data, {name: truth.label})
    messages += _rated(arguments, progress) if arguments.rated else []
    progress("done", 1.0)
    unused = (nodules.keys() | exclusion_regions.keys()) - {scan.id for scan in scans}
    if unused:
        messages.append(f"Not among these scans: {listed(sorted(unused))}")
    if failures:
        messages.append(f"Left out: {len(failures)} of {total}; the reasons stand above")
    return "\n".join([*messages, f"Training cases in {arguments.data}"])


def _scans(arguments: argparse.Namespace) -> tuple[tuple[CohortScan, ...], list[str]]:
    """The scans that were given by their paths and those of the data sets, and messages on the latter."""
    import numpy as np

    from ..datasets.folder import in_parts, join, read_dataset, resplit
    from ..datasets.scan import CohortScan
    from ..io.image_file import scan_id

    given = {scan_id(ct): CohortScan(scan_id(ct), ct, None, (), "") for ct in arguments.ct}
    if len(given) < len(arguments.ct):
        raise UsageError("Two of the scans have the same name; a case is named by its file's name without the ending.")
    if not (given or arguments.dataset or arguments.synthetic or arguments.rated):
        raise UsageError(
            "Nothing to prepare: give scans, --dataset FOLDER, --synthetic N for synthetic patients, or --rated N for "
            "cases of real nodules."
        )
    if bool(arguments.rated) != bool(arguments.scans):
        raise UsageError("--rated N puts nodules into the scans of --scans CASES: give both.")
    if (arguments.bank or arguments.leak) and not arguments.rated:
        raise UsageError("--bank and --leak are of the cases that --rated N makes; give it, too.")
    if (arguments.part or arguments.resplit) and not arguments.dataset:
        raise UsageError("--part and --resplit choose among the scans of a --dataset; give one.")
    datasets, messages = [], []
    for folder in arguments.dataset:
        dataset = read_dataset(folder)
        if dataset is None:
            raise UsageError(
                f"{folder} is neither LUNA16 (subset folders and annotations.csv) nor the Data Science Bowl 2017 "
                "(stage1_labels.csv)."
            )
        if dataset.missing:
            messages.append(f"Named by tables and not in {folder}: {listed(dataset.missing)}")
        datasets.append(dataset.scans)
    scans = join(*datasets)
    if arguments.resplit:
        scans = resplit(scans, np.random.default_rng(arguments.seed))
    if arguments.part:
        scans = in_parts(scans, arguments.part)
    return join(given.values(), scans), messages


def _prepared(
    scan: CohortScan,
    arguments: argparse.Namespace,
    nodules: Spheres,
    exclusion_regions: Spheres,
    progress: Progress,
) -> TrainingCase:
    """The training case of a scan, with the nodules of its data set and of the table."""
    import numpy as np

    from ..datasets.luna16 import read_lung_labels
    from ..io import read_ct
    from ..preset import PRESETS
    from ..training.cases.prepare import NONE, prepare_case

    progress("reading the CT", 0.0)
    volume = read_ct(scan.path)
    lungs = read_lung_labels(scan.lungs_path, volume) if scan.lungs_path else None
    own = np.array([(*nodule.center_lps_mm, nodule.diameter_mm) for nodule in scan.nodules]).reshape(-1, 4)
    spheres = np.concatenate([own, nodules.get(scan.id, NONE)])
    regions = exclusion_regions.get(scan.id, NONE)
    return prepare_case(scan.id, volume, PRESETS[arguments.preset], spheres, regions, progress, lungs)


def _rated(arguments: argparse.Namespace, progress: Progress) -> list[str]:
    """Cases of real nodules; returns what they are, for the terminal."""
    from ..datasets.nodule_bank import read_nodule_bank
    from ..training.cases.store import CaseStore, write_outcomes
    from ..training.studies.rated_cases import rated_cases

    scans, bank = CaseStore(arguments.scans), read_nodule_bank(arguments.bank)
    if scans.preset != arguments.preset:
        raise UsageError(f"{arguments.scans} is of preset {scans.preset}; give --preset {scans.preset}.")
    messages: list[str] = []
    for case, positive in rated_cases(scans, bank, arguments.rated, arguments.leak, arguments.seed):
        progress("making cases of real nodules", len(messages) / arguments.rated)
        messages.append(_kept(case, arguments))
        write_outcomes(arguments.data, {case.name: positive})
    return messages


def _kept(case: TrainingCase, arguments: argparse.Namespace) -> str:
    """Add a case to the store; returns what it is, for the terminal."""
    from ..training.cases.store import write_case

    write_case(arguments.data, case, arguments.preset)
    shape = " x ".join(map(str, case.scan.image.shape))
    return f"{case.name}: {shape} voxels, {len(case.nodules)} nodules, {len(case.exclusion_regions)} excluded"
