"""Arguments of `train classifier`."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from .common import add_training_options, count, path

# As in `case.OUTCOMES`, `networks.pooling.JOINS`, which are not imported for a help text.
OUTCOMES = ("clinical", "synthetic", "none")
JOINS = ("feature-combining", "max-p", "noisy-or", "leaky-noisy-or")


def add_classifier(actions: Any) -> argparse.ArgumentParser:
    """The parser of the action `classifier` of `train`."""
    classifier = actions.add_parser("classifier", help="train the classifier (section V of the paper)")
    classifier.add_argument(
        "--data", metavar="FOLDER", type=path, required=True, help="cases that `train prepare` made, with labels.csv"
    )
    classifier.add_argument(
        "--detector", metavar="MODEL|RUN", required=True, help="a model's name or folder, or the run of a detector"
    )
    classifier.add_argument(
        "--outcome", choices=OUTCOMES, required=True, help="what the labels are: goes onto the model's card"
    )
    classifier.add_argument(
        "--out", metavar="RUN", type=path, default=Path("classifier-run"), help="the run and its model"
    )
    classifier.add_argument("--recipe", choices=("cpu", "paper", "grt123"), default="cpu")
    classifier.add_argument(
        "--scheme", metavar="STAGES", help='such as "A->B->E" (Table I); default: the recipe\'s, for cpu "F"'
    )
    classifier.add_argument("--join", choices=JOINS, default="leaky-noisy-or", help="of the nodules (Fig. 6b)")
    classifier.add_argument(
        "--proposals",
        choices=("detector", "truth"),
        default="detector",
        help="found by the detector, or made from the described nodules to try things out",
    )
    add_partly_described(classifier)
    classifier.add_argument(
        "--miss-loss",
        metavar="W",
        type=_weight,
        help="weight of the published code's loss on missed nodules, instead of the recipe's",
    )
    length = classifier.add_mutually_exclusive_group()
    length.add_argument("--steps", metavar="N", type=count, help="of each stage, instead of the recipe's")
    length.add_argument("--epochs", metavar="N", type=count, help="of each stage, instead of the recipe's")
    classifier.add_argument("--batch", metavar="B", type=count, help="cases a step, of all processes together")
    add_training_options(classifier)
    return classifier


def add_partly_described(parser: argparse.ArgumentParser) -> None:
    """How far the described nodules of a case can be believed to be all of them."""
    parser.add_argument(
        "--partly-described",
        action="store_true",
        help="cases may have nodules that nobody described: no proposal is taken for a false alarm",
    )


def _weight(text: str) -> float:
    number = float(text)
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"expected zero or more, got {text}")
    return number
