"""`lungcancerdx train prepare`: scans and what is known of them to training cases."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..names import PRESET_NAMES
from ..runtime.interruption import Stop
from .arguments import Commands, add_command, add_progress_options, count, path
from .terminal import make_progress

if TYPE_CHECKING:
    from ..training.cases.store import TrainingCase

_SCAN_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd", ".dcm")


def add_prepare(actions: Commands) -> None:
    """Its arguments."""
    prepare = add_command(actions, "prepare", run, help="preprocess scans into a folder of training cases")
    prepare.add_argument("ct", metavar="CT", type=path, nargs="*", help="DICOM folder or file, NIfTI, NRRD, MetaImage")
    prepare.add_argument("--data", metavar="FOLDER", type=path, required=True, help="training cases, added to if there")
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
    prepare.add_argument(
        "--synthetic",
        metavar="N",
        type=count,
        default=0,
        help="also make so many synthetic patients, with nodules and a simulated outcome",
    )
    prepare.add_argument("--seed", metavar="S", type=int, default=0, help="of the synthetic patients (default 0)")
    prepare.add_argument("--preset", choices=PRESET_NAMES, default="DEFAULT")
    add_progress_options(prepare)


def run(arguments: argparse.Namespace, stop: Stop) -> str:
    """Make training cases; returns the message for the terminal."""
    import numpy as np

    from ..io import read_ct
    from ..io.points import read_spheres
    from ..preset import PRESETS
    from ..runtime.progress import part
    from ..training.cases.labels import write_labels
    from ..training.cases.prepare import NONE, prepare_case, synthetic_case

    progress = stop.watched(make_progress(arguments.progress))
    preset = PRESETS[arguments.preset]
    paths = {_scan_id(path): path for path in arguments.ct}
    if len(paths) < len(arguments.ct):
        raise UsageError("Two of the scans have the same name; a case is named by its file's name without the ending.")
    count = len(paths) + arguments.synthetic
    if count == 0:
        raise UsageError("Nothing to prepare: give scans, or --synthetic N for synthetic patients.")
    nodules = read_spheres(arguments.nodules, "diameter_mm") if arguments.nodules else {}
    exclusion_regions = read_spheres(arguments.exclusion_regions, "radius_mm") if arguments.exclusion_regions else {}
    messages = []
    for number, (name, ct) in enumerate(paths.items()):
        subprogress = part(progress, number / count, (number + 1) / count)
        subprogress("reading the CT", 0.0)
        case = prepare_case(
            name, read_ct(ct), preset, nodules.get(name, NONE), exclusion_regions.get(name, NONE), subprogress
        )
        messages.append(_kept(case, arguments))
    for number in range(arguments.synthetic):
        progress("making synthetic patients", (len(paths) + number) / count)
        name = f"synthetic-{arguments.seed}-{number}"
        case, truth = synthetic_case(name, np.random.default_rng([arguments.seed, number]), preset)
        messages.append(_kept(case, arguments))
        write_labels(arguments.data, {name: truth.label})
    progress("done", 1.0)
    unused = sorted((nodules.keys() | exclusion_regions.keys()) - paths.keys())
    if unused:
        messages.append(f"Not among these scans: {', '.join(unused)}")
    return "\n".join([*messages, f"Training cases in {arguments.data}"])


def _kept(case: TrainingCase, arguments: argparse.Namespace) -> str:
    """Add a case to the store; returns what it is, in words."""
    from ..training.cases.store import write_case

    write_case(arguments.data, case, arguments.preset)
    shape = " x ".join(map(str, case.scan.image.shape))
    return f"{case.name}: {shape} voxels, {len(case.nodules)} nodules, {len(case.exclusion_regions)} excluded"


def _scan_id(path: Path) -> str:
    """A scan's name: its file's without the ending of an image, its folder's for DICOM."""
    ending = next((ending for ending in _SCAN_ENDINGS if path.resolve().name.lower().endswith(ending)), "")
    return path.resolve().name[: -len(ending)] if ending else path.resolve().name
