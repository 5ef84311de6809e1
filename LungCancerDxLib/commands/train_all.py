"""`lungcancerdx train all`: training cases to a detector and, with what it finds, to a whole model."""

from __future__ import annotations

import argparse

from ..compute import Compute
from ..progress import Progress, part
from ..staging import check_target
from ..training.case_store import CaseStore
from ..training.classifier_labels import read_labels
from ..training.ranks import Ranks
from . import train_classifier, train_detector

_DETECTOR_SHARE = 0.6  # of the time, for the progress


def run(arguments: argparse.Namespace, compute: Compute, ranks: Ranks, progress: Progress) -> str:
    """Do what the arguments of `train all` say; returns the words for the terminal.

    What would stop the classifier is looked for before the detector is trained.
    """
    cases = CaseStore(arguments.classifier_data or arguments.data)
    read_labels(cases.folder, cases.names)
    if not arguments.resume:
        check_target(arguments.out)
    given, detector_run = vars(arguments), arguments.out.with_name(f"{arguments.out.name}-detector")
    of_detector = {"out": detector_run, "steps": arguments.detector_steps}
    of_classifier = {"data": cases.folder, "detector": str(detector_run), "steps": arguments.classifier_steps}
    first, second = part(progress, 0.0, _DETECTOR_SHARE), part(progress, _DETECTOR_SHARE, 1.0)
    words = train_detector.run(argparse.Namespace(**{**given, **of_detector}), compute, ranks, first)
    ranks.wait()  # until the detector's model is written
    return f"{words}\n{train_classifier.run(argparse.Namespace(**{**given, **of_classifier}), compute, ranks, second)}"
