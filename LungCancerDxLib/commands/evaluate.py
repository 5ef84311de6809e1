"""`lungcancerdx evaluate`: how good detections and case scores are, and chosen cases as a picture."""

from __future__ import annotations

import argparse
import uuid
from pathlib import Path

import numpy as np

from ..case import CaseResult
from ..errors import LungCancerDxError, OutputError, UsageError
from ..evaluation.case_report import case_report
from ..evaluation.case_tables import read_labels, read_outcomes
from ..evaluation.detection_report import detection_report
from ..evaluation.detections import read_detections
from ..evaluation.report import markdown, write_csv, write_rows
from ..interrupt import Stop
from ..pictures.case_metrics import save_histograms, save_reliability_figure, save_roc_figure
from ..pictures.froc import save_froc_figure, save_top_k_figure
from ..pictures.panels import PanelCase, draw_case_panels
from ..readers import read_ct
from ..result_folder import CASE_FILE
from ..staging import check_target, in_work, whole_folder

DETECTION_FILES = ("detection.md", "detection.csv", "froc.csv", "froc.png", "top_k.png")
CASE_FILES = ("cases.md", "cases.csv", "roc.csv", "roc.png", "histograms.png", "reliability.png")


def run(arguments: argparse.Namespace, stop: Stop) -> str:
    """Do what the arguments of `evaluate` say; returns the words for the terminal."""
    kinds = {"detection": _detection, "cases": _cases, "panels": _panels}
    return kinds[arguments.what](arguments)


def _detection(arguments: argparse.Namespace) -> str:
    replaceable = DETECTION_FILES if arguments.overwrite else ()
    check_target(arguments.out, replaceable)
    detections = read_detections(arguments.predictions, arguments.annotations, arguments.excluded, arguments.scans)
    rng = np.random.default_rng(arguments.seed)
    report = detection_report(detections, arguments.rules, rng, arguments.bootstrap)
    words = markdown("Detection", report.rows, report.remarks)
    curve = report.curve
    points = list(zip(curve.threshold, curve.rate, curve.sensitivity, strict=True))
    with whole_folder(arguments.out, replaceable) as staging:
        (staging / "detection.md").write_text(words, encoding="utf-8")
        write_rows(report.rows, staging / "detection.csv")
        write_csv(("threshold", "false_positives_per_scan", "sensitivity"), points, staging / "froc.csv")
        save_froc_figure(report, staging / "froc.png")
        save_top_k_figure(report, staging / "top_k.png")
    return f"{words}\nTables and figures in {arguments.out}"


def _cases(arguments: argparse.Namespace) -> str:
    replaceable = CASE_FILES if arguments.overwrite else ()
    check_target(arguments.out, replaceable)
    outcomes = read_outcomes(arguments.predictions, arguments.labels, arguments.truth)
    report = case_report(outcomes, np.random.default_rng(arguments.seed), arguments.bootstrap)
    words = markdown("Case scores", report.rows, report.remarks)
    false_rate, true_rate, threshold = report.roc
    points = list(zip(threshold, false_rate, true_rate, strict=True))
    with whole_folder(arguments.out, replaceable) as staging:
        (staging / "cases.md").write_text(words, encoding="utf-8")
        write_rows(report.rows, staging / "cases.csv")
        write_csv(("threshold", "false_positive_rate", "true_positive_rate"), points, staging / "roc.csv")
        save_roc_figure(report, outcomes, staging / "roc.png")
        save_histograms(outcomes, staging / "histograms.png")
        save_reliability_figure(report, outcomes, staging / "reliability.png")
    return f"{words}\nTables and figures in {arguments.out}"


def _panels(arguments: argparse.Namespace) -> str:
    if arguments.out.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise UsageError(f"The figure {arguments.out} needs a name ending in .png, .pdf or .svg.")
    labels = read_labels(arguments.labels) if arguments.labels is not None else None
    cases = [_panel_case(folder, labels) for folder in arguments.cases]
    try:
        with in_work(arguments.out.with_name(f".{uuid.uuid4().hex[:8]}{arguments.out.suffix}")) as unfinished:
            draw_case_panels(cases, read_ct, unfinished)
            unfinished.replace(arguments.out)
    except OSError as error:
        raise OutputError(f"The figure {arguments.out} cannot be written ({error.strerror}).") from error
    return f"Figure in {arguments.out}"


def _panel_case(folder: Path, labels: dict[str, bool] | None) -> PanelCase:
    try:
        result = CaseResult.from_json((folder / CASE_FILE).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{folder} holds no readable {CASE_FILE} ({error}); expected a folder of `score`.") from error
    except LungCancerDxError as error:
        raise UsageError(f"{folder / CASE_FILE}: {error}") from error
    ct = result.input.get("path")
    if not ct or not Path(ct).exists():
        raise UsageError(f"The CT of {folder} is not where {CASE_FILE} says it is ({ct}). Put it back there.")
    name = folder.resolve().name
    if labels is not None and name not in labels:
        raise UsageError(f"The labels have no case {name}; the id is the name of the case's folder.")
    return PanelCase(name, result, Path(ct), None if labels is None else labels[name])
