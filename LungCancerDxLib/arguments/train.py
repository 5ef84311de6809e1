"""Arguments of `train`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .common import add_running_options, add_training_options, count, path
from .train_classifier import JOINS, OUTCOMES, add_classifier, add_partly_described


def add_train(commands: Any) -> list[argparse.ArgumentParser]:
    """The parsers of its actions."""
    train = commands.add_parser("train", help="train the networks")
    actions = train.add_subparsers(dest="action", required=True, metavar="ACTION")
    return [_add_prepare(actions), _add_detector(actions), add_classifier(actions), _add_all(actions)]


def _add_prepare(actions: Any) -> argparse.ArgumentParser:
    prepare = actions.add_parser("prepare", help="preprocess scans into a folder of training cases")
    prepare.add_argument("ct", metavar="CT", type=path, nargs="*", help="DICOM folder or file, NIfTI, NRRD, MetaImage")
    prepare.add_argument("--data", metavar="FOLDER", type=path, required=True, help="training cases, added to if there")
    prepare.add_argument(
        "--nodules",
        metavar="CSV",
        type=path,
        help="columns id,x_lps_mm,y_lps_mm,z_lps_mm,diameter_mm; a scan's id is its file's name without ending",
    )
    prepare.add_argument(
        "--keep-away",
        metavar="CSV",
        type=path,
        help="columns id,x_lps_mm,y_lps_mm,z_lps_mm,radius_mm: spheres from which nothing may be learned",
    )
    prepare.add_argument(
        "--synthetic",
        metavar="N",
        type=count,
        default=0,
        help="also invent so many patients, with nodules and a simulated outcome",
    )
    prepare.add_argument("--seed", metavar="S", type=int, default=0, help="of the invented patients (default 0)")
    prepare.add_argument("--preset", choices=("DEFAULT", "PAPER", "GRT123"), default="DEFAULT")
    add_running_options(prepare)
    return prepare


def _add_detector(actions: Any) -> argparse.ArgumentParser:
    detector = actions.add_parser("detector", help="train the detector (section IV of the paper)")
    detector.add_argument("--data", metavar="FOLDER", type=path, required=True, help="cases that `train prepare` made")
    detector.add_argument("--out", metavar="RUN", type=path, default=Path("detector-run"), help="the run and its model")
    detector.add_argument("--recipe", choices=("cpu", "paper", "grt123"), default="cpu")
    detector.add_argument("--start", metavar="MODEL|RUN", help="begin with its weights instead of random ones")
    detector.add_argument("--steps", metavar="N", type=count, help="instead of the recipe's")
    detector.add_argument("--patch", metavar="P", type=_patch, help="edge of a patch in voxels, a multiple of 16")
    detector.add_argument("--batch", metavar="B", type=count, help="patches a step, of all processes together")
    add_training_options(detector)
    return detector


def _add_all(actions: Any) -> argparse.ArgumentParser:
    both = actions.add_parser("all", help="train the detector and then, with what it finds, the classifier")
    both.add_argument("--data", metavar="FOLDER", type=path, required=True, help="cases that `train prepare` made")
    both.add_argument(
        "--classifier-data", metavar="FOLDER", type=path, help="other cases for the classifier, which is better"
    )
    both.add_argument("--outcome", choices=OUTCOMES, required=True, help="what the classifier's labels are")
    both.add_argument(
        "--out", metavar="RUN", type=path, default=Path("run"), help="the classifier's; the detector's is RUN-detector"
    )
    both.add_argument("--recipe", choices=("cpu", "paper", "grt123"), default="cpu")
    both.add_argument("--join", choices=JOINS, default="leaky-noisy-or", help="of the nodules (Fig. 6b)")
    add_partly_described(both)
    both.add_argument("--detector-steps", metavar="N", type=count, help="instead of the recipe's")
    both.add_argument("--classifier-steps", metavar="N", type=count, help="of each stage, instead of the recipe's")
    add_training_options(both)
    of_one_command_alone = {"start": None, "patch": None, "scheme": None, "proposals": "detector", "miss_loss": None}
    both.set_defaults(**of_one_command_alone, batch=None, epochs=None)
    return both


def _patch(text: str) -> int:
    size = count(text)
    if size % 16:
        raise argparse.ArgumentTypeError(f"expected a multiple of 16, got {size}")
    return size
