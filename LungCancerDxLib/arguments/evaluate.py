"""Arguments of `evaluate`."""

from __future__ import annotations

import argparse
from typing import Any

from .common import count, path


def add_evaluate(commands: Any) -> list[argparse.ArgumentParser]:
    """The parsers of its three kinds."""
    evaluate = commands.add_parser("evaluate", help="how good detections or case scores are (section VI, Figs. 7 to 9)")
    kinds = evaluate.add_subparsers(dest="what", required=True, metavar="WHAT")
    detection = kinds.add_parser("detection", help="FROC and recall at top k of marks against annotated nodules")
    detection.add_argument(
        "predictions", metavar="PREDICTIONS", type=path, help="CSV: a LUNA16 submission or a cohort's nodules.csv"
    )
    detection.add_argument(
        "annotations", metavar="ANNOTATIONS", type=path, help="CSV: seriesuid,coordX,coordY,coordZ,diameter_mm"
    )
    detection.add_argument("--excluded", metavar="CSV", type=path, help="findings on which marks do not count")
    detection.add_argument(
        "--scans", metavar="CSV", type=path, help="all scans, one a line or a cohort's cases.csv (default: those named)"
    )
    detection.add_argument("--rules", choices=("luna16", "paper"), default="luna16", help="default luna16")
    cases = kinds.add_parser("cases", help="log-loss, AUC, accuracy and calibration of case scores")
    cases.add_argument(
        "predictions", metavar="PREDICTIONS", type=path, help="CSV: id,cancer or a cohort's cases.csv (id,score)"
    )
    cases.add_argument("labels", metavar="LABELS", type=path, help="CSV: id,cancer with 0 or 1")
    cases.add_argument("--truth", metavar="CSV", type=path, help="of simulated cases: id,bayes_probability")
    for parser in (detection, cases):
        parser.add_argument("--bootstrap", metavar="N", type=count, default=1000, help="samples (default 1000)")
        parser.add_argument("--seed", metavar="S", type=_seed, default=0, help="of the bootstrap (default 0)")
        parser.add_argument("--out", metavar="DIR", type=path, required=True, help="result folder, made anew")
        parser.add_argument("--overwrite", action="store_true", help="replace an earlier evaluation in DIR")
    panels = kinds.add_parser("panels", help="the scored nodules of chosen cases, side by side")
    panels.add_argument("cases", metavar="CASE_FOLDER", type=path, nargs="+", help="result folders of `score`")
    panels.add_argument("--labels", metavar="CSV", type=path, help="id,cancer; the id is the name of a case's folder")
    panels.add_argument("--out", metavar="FILE", type=path, required=True, help="a .png, .pdf or .svg file")
    return [detection, cases, panels]


def _seed(text: str) -> int:
    """A whole number of zero or more."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"expected zero or more, got {number}")
    return number
