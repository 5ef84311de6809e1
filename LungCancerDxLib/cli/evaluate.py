"""`lungcancerdx evaluate`: how good detections, case scores, suspicions and masks are (section VI, Figs. 7 and 8)."""

from __future__ import annotations

import argparse

from ..runtime.interruption import Stop
from .arguments import Commands, add_actions, add_command, count, path, seed

DETECTION_FILES = ("detection.md", "detection.csv", "froc.csv", "froc.png", "top_k.png")
CASE_FILES = ("cases.md", "cases.csv", "roc.csv", "roc.png", "histograms.png", "reliability.png")
RATING_FILES = ("ratings.md", "ratings.csv", "reliability.png")
SEGMENTATION_FILES = ("segmentation.md", "segmentation.csv", "nodules.csv", "worst.png")


def add_evaluate(commands: Commands) -> None:
    """Its four kinds."""
    actions = add_actions(commands, "evaluate", help="how good detections, case scores, suspicions or masks are")
    detection = add_command(
        actions, "detection", run_detection, help="FROC and recall at top k of marks against annotated nodules"
    )
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
    cases = add_command(actions, "cases", run_cases, help="log-loss, AUC, accuracy and calibration of case scores")
    cases.add_argument(
        "predictions", metavar="PREDICTIONS", type=path, help="CSV: id,cancer or a cohort's cases.csv (id,score)"
    )
    cases.add_argument("labels", metavar="LABELS", type=path, help="CSV: id,cancer with 0 or 1")
    cases.add_argument("--truth", metavar="CSV", type=path, help="of simulated cases: id,bayes_probability")
    ratings = add_command(
        actions, "ratings", run_ratings, help="suspicion of nodules against readers' ratings, beside their diameter's"
    )
    ratings.add_argument(
        "scores",
        metavar="CSV",
        type=path,
        nargs="+",
        help="held-out.csv of trainings with --fold, one each: id,patient,malignancy,diameter_mm,suspicion",
    )
    segmentation = add_command(
        actions, "segmentation", run_segmentation, help="Dice, surface distance, volume and diameter error of masks"
    )
    segmentation.add_argument(
        "masks", metavar="MASKS", type=path, help="a label map, a result folder, or a folder of these, one a scan"
    )
    segmentation.add_argument(
        "truth", metavar="TRUTH", type=path, help="a label map, each label a nodule, or a folder of these named <id>.*"
    )
    segmentation.add_argument("--kinds", metavar="CSV", type=path, help="columns id,label,kind: figures by kind, too")
    segmentation.add_argument(
        "--ct", metavar="CT", type=path, help="the scan, or a folder of scans named <id>.*: seen in the picture"
    )
    for parser in (detection, cases, ratings, segmentation):
        parser.add_argument("--bootstrap", metavar="N", type=count, default=1000, help="samples (default 1000)")
        parser.add_argument("--seed", metavar="S", type=seed, default=0, help="of the bootstrap (default 0)")
        parser.add_argument("--out", metavar="DIR", type=path, required=True, help="result folder, made anew")
        parser.add_argument("--overwrite", action="store_true", help="replace an earlier evaluation in DIR")


def run_detection(arguments: argparse.Namespace, stop: Stop) -> str:
    """Evaluate marks; returns the message for the terminal."""
    import numpy as np

    from ..evaluation.detection_report import detection_report
    from ..evaluation.detections import read_detections
    from ..evaluation.figures import save_froc_figure, save_top_k_figure
    from ..evaluation.report import markdown, write_rows
    from ..io.tables import write_table, write_text
    from ..runtime.atomic import atomic_folder, check_target

    replaceable = DETECTION_FILES if arguments.overwrite else ()
    check_target(arguments.out, DETECTION_FILES, arguments.overwrite)
    detections = read_detections(arguments.predictions, arguments.annotations, arguments.excluded, arguments.scans)
    rng = np.random.default_rng(arguments.seed)
    report = detection_report(detections, arguments.rules, rng, arguments.bootstrap)
    message = markdown("Detection", report.rows, report.remarks)
    curve = report.curve
    points = list(zip(curve.threshold, curve.rate, curve.sensitivity, strict=True))
    with atomic_folder(arguments.out, replaceable) as staging:
        write_text(staging / "detection.md", message)
        write_rows(report.rows, staging / "detection.csv")
        write_table(staging / "froc.csv", ("threshold", "false_positives_per_scan", "sensitivity"), points)
        save_froc_figure(report, staging / "froc.png")
        save_top_k_figure(report, staging / "top_k.png")
    return f"{message}\nTables and figures in {arguments.out}"


def run_cases(arguments: argparse.Namespace, stop: Stop) -> str:
    """Evaluate case scores; returns the message for the terminal."""
    import numpy as np

    from ..evaluation.cases import case_report
    from ..evaluation.figures import case_basis, save_histograms, save_reliability_figure, save_roc_figure
    from ..evaluation.outcomes import read_predictions
    from ..evaluation.report import markdown, write_rows
    from ..io.tables import write_table, write_text
    from ..runtime.atomic import atomic_folder, check_target

    replaceable = CASE_FILES if arguments.overwrite else ()
    check_target(arguments.out, CASE_FILES, arguments.overwrite)
    outcomes = read_predictions(arguments.predictions, arguments.labels, arguments.truth)
    report = case_report(outcomes, np.random.default_rng(arguments.seed), arguments.bootstrap)
    message = markdown("Case scores", report.rows, report.remarks)
    false_rate, true_rate, threshold = report.roc
    points = list(zip(threshold, false_rate, true_rate, strict=True))
    with atomic_folder(arguments.out, replaceable) as staging:
        write_text(staging / "cases.md", message)
        write_rows(report.rows, staging / "cases.csv")
        write_table(staging / "roc.csv", ("threshold", "false_positive_rate", "true_positive_rate"), points)
        save_roc_figure(report, outcomes, staging / "roc.png")
        save_histograms(outcomes, staging / "histograms.png")
        bins, basis = report.calibration, case_basis(outcomes)
        save_reliability_figure(bins, outcomes.score_name, "cancer", basis, staging / "reliability.png")
    return f"{message}\nTables and figures in {arguments.out}"


def run_ratings(arguments: argparse.Namespace, stop: Stop) -> str:
    """Evaluate suspicions of nodules; returns the message for the terminal."""
    import numpy as np

    from ..evaluation.figures import save_reliability_figure
    from ..evaluation.ratings import ratings_report, read_rated_nodules
    from ..evaluation.report import markdown, write_rows
    from ..io.tables import write_text
    from ..runtime.atomic import atomic_folder, check_target

    replaceable = RATING_FILES if arguments.overwrite else ()
    check_target(arguments.out, RATING_FILES, arguments.overwrite)
    rated = read_rated_nodules(arguments.scores)
    report = ratings_report(rated, np.random.default_rng(arguments.seed), arguments.bootstrap)
    message = markdown("Suspicion of nodules", report.rows, report.remarks)
    with atomic_folder(arguments.out, replaceable) as staging:
        write_text(staging / "ratings.md", message)
        write_rows(report.rows, staging / "ratings.csv")
        bins, event = report.calibration, "ratings over 3"
        save_reliability_figure(bins, "suspicion", event, rated.nodules.basis, staging / "reliability.png")
    return f"{message}\nTables and figures in {arguments.out}"


def run_segmentation(arguments: argparse.Namespace, stop: Stop) -> str:
    """Evaluate masks; returns the message for the terminal."""
    import numpy as np

    from ..evaluation.report import markdown, write_rows
    from ..evaluation.segmentation import COLUMNS, read_outlines, save_worst, segmentation_report
    from ..io.tables import write_table, write_text
    from ..runtime.atomic import atomic_folder, check_target

    replaceable = SEGMENTATION_FILES if arguments.overwrite else ()
    check_target(arguments.out, SEGMENTATION_FILES, arguments.overwrite)
    outlines = read_outlines(arguments.masks, arguments.truth, arguments.kinds, arguments.ct)
    rows, remarks = segmentation_report(outlines, np.random.default_rng(arguments.seed), arguments.bootstrap)
    message = markdown("Segmentation", rows, remarks)
    with atomic_folder(arguments.out, replaceable) as staging:
        write_text(staging / "segmentation.md", message)
        write_rows(rows, staging / "segmentation.csv")
        write_table(staging / "nodules.csv", COLUMNS, [[getattr(one, name) for name in COLUMNS] for one in outlines])
        save_worst(outlines, staging / "worst.png")
    return f"{message}\nTables and figures in {arguments.out}"
