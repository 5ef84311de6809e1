"""`lungcancerdx train`: scans to training cases, training cases to networks."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from ..errors import UsageError
from ..interrupt import Stop
from ..preset import PRESETS
from ..progress import part
from ..readers import read_ct
from ..terminal import make_progress
from ..training.case_store import TrainingCase, write_case
from ..training.classifier_labels import write_labels
from ..training.precision import training_compute
from ..training.preparing import NONE, prepare_case, synthetic_case
from ..training.ranks import ranks_of_torchrun
from ..training.spheres_csv import read_spheres
from . import train_all, train_classifier, train_detector

_STEP_S = 60.0  # within which a step ends and a checkpoint is written
_SCAN_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd", ".dcm")


def run(arguments: argparse.Namespace, stop: Stop) -> str:
    """Do what the arguments of `train` say; returns the words for the terminal."""
    if arguments.action == "prepare":
        return _prepare(arguments, stop)
    stop.words, stop.grace_s = "Stopped; --resume goes on from the last checkpoint.", _STEP_S
    train = {"detector": train_detector.run, "classifier": train_classifier.run, "all": train_all.run}
    compute = training_compute(arguments.device, arguments.precision)
    with ranks_of_torchrun(compute.device) as ranks:
        progress = stop.watched(make_progress(arguments.progress if ranks.first else "none"))
        return train[arguments.action](arguments, compute, ranks, progress)


def _prepare(arguments: argparse.Namespace, stop: Stop) -> str:
    progress = stop.watched(make_progress(arguments.progress))
    preset = PRESETS[arguments.preset]
    paths = {_scan_id(path): path for path in arguments.ct}
    if len(paths) < len(arguments.ct):
        raise UsageError("Two of the scans have the same name; a case is named by its file's name without the ending.")
    count = len(paths) + arguments.synthetic
    if count == 0:
        raise UsageError("Nothing to prepare: give scans, or --synthetic N for invented patients.")
    nodules = read_spheres(arguments.nodules, "diameter_mm") if arguments.nodules else {}
    keep_away = read_spheres(arguments.keep_away, "radius_mm") if arguments.keep_away else {}
    words = []
    for number, (name, path) in enumerate(paths.items()):
        of_case = part(progress, number / count, (number + 1) / count)
        of_case("reading the CT", 0.0)
        case = prepare_case(name, read_ct(path), preset, nodules.get(name, NONE), keep_away.get(name, NONE), of_case)
        words.append(_kept(case, arguments))
    for number in range(arguments.synthetic):
        progress("inventing patients", (len(paths) + number) / count)
        name = f"synthetic-{arguments.seed}-{number}"
        case, truth = synthetic_case(name, np.random.default_rng([arguments.seed, number]), preset)
        words.append(_kept(case, arguments))
        write_labels(arguments.data, {name: truth.label})
    progress("done", 1.0)
    unused = sorted((nodules.keys() | keep_away.keys()) - paths.keys())
    if unused:
        words.append(f"Not among these scans: {', '.join(unused)}")
    return "\n".join([*words, f"Training cases in {arguments.data}"])


def _kept(case: TrainingCase, arguments: argparse.Namespace) -> str:
    """Add a case to the store; returns what it is in words."""
    write_case(arguments.data, case, arguments.preset)
    shape = " x ".join(map(str, case.scan.image.shape))
    return f"{case.name}: {shape} voxels, {len(case.nodules)} nodules, {len(case.keep_away)} spheres to keep away"


def _scan_id(path: Path) -> str:
    """A scan's name: its file's without the ending of an image, its folder's for DICOM."""
    ending = next((ending for ending in _SCAN_ENDINGS if path.resolve().name.lower().endswith(ending)), "")
    return path.resolve().name[: -len(ending)] if ending else path.resolve().name
