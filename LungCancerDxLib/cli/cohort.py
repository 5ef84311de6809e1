"""`lungcancerdx cohort`: every scan of a cohort to one table."""

from __future__ import annotations

import argparse
from dataclasses import replace

from ..errors import UsageError
from ..names import RESEARCH_USE_ONLY, UNTRAINED_NOTICE, describe_model
from ..options import ScoreOptions, add_model_options
from ..runtime.interruption import Stop
from .arguments import EXIT_CODES, Commands, add_command, add_progress_options, count, path
from .terminal import make_progress

_TABLES_S = 10.0  # allowed after Ctrl-C to bring the tables of many cases up to date


def add_cohort(commands: Commands) -> None:
    """Its arguments."""
    cohort = add_command(
        commands,
        "cohort",
        run,
        help="score every scan of a folder or list",
        epilog=f"A scan that cannot be scored is a row with its reason, and the exit code is still 0. {EXIT_CODES}",
    )
    cohort.add_argument(
        "scans",
        metavar="FOLDER|LIST",
        type=path,
        help="a folder of scans, LUNA16, Data Science Bowl 2017, or a list: CSV with a column path and perhaps id, or "
        "text with a path a line",
    )
    cohort.add_argument(
        "--out", metavar="DIR", type=path, required=True, help="result folder; the same command again goes on in it"
    )
    cohort.add_argument(
        "--workers", metavar="N", type=count, default=1, help="scans at a time, each in a process of 3 GB (default 1)"
    )
    cohort.add_argument("--scheduler", metavar="ADDRESS", help="run on the Dask cluster of this scheduler instead")
    cohort.add_argument("--masks", action="store_true", help="also write the label maps of lungs and nodules")
    cohort.add_argument("--retry-failed", action="store_true", help="also do again what failed before")
    add_model_options(cohort)
    add_progress_options(cohort)


def run(arguments: argparse.Namespace, stop: Stop) -> str:
    """Score every scan; returns the message for the terminal."""
    stop.message = "Stopped. The same command goes on from here."

    from .. import __version__
    from ..cohorts.run import CASES_TABLE, DONE, FAILED, NODULES_TABLE, Settings, check_run, run_cohort, score_ct
    from ..datasets.folder import list_scans
    from ..models.find import find_model
    from ..runtime.device import choose_compute

    out = arguments.out.resolve()
    if arguments.scans.is_dir() and out.is_relative_to(arguments.scans.resolve()):
        raise UsageError(f"The output folder {out} lies among the scans in {arguments.scans}. Choose another folder.")
    entries = list_scans(arguments.scans)
    options = ScoreOptions.from_arguments(arguments)
    model = find_model(options.model)
    compute = choose_compute(options.device, options.precision, options.max_memory_gb, model.preset)
    options = replace(options, precision=compute.precision)
    if options.model is not None and (folder := path(options.model)).is_dir():
        options = replace(options, model=str(folder.resolve()))  # for processes that start elsewhere
    record = {
        "software": __version__,
        "model": model.name,
        "sha256": model.sha256,
        "preset": model.preset.name,
        "precision": compute.precision,
        "masks": arguments.masks,
        **({"weighted_by_confidence": True} if model.weighted_by_confidence else {}),
    }
    check_run(out, record)

    def asked_to_stop() -> bool:
        stop.grace_s = _TABLES_S
        return stop.asked

    statuses = run_cohort(
        entries,
        out,
        Settings(options, model.sha256, arguments.masks),
        score_ct,
        workers=arguments.workers,
        scheduler=arguments.scheduler,
        retry_failed=arguments.retry_failed,
        progress=make_progress(arguments.progress),
        asked_to_stop=asked_to_stop,
    )
    lines = ["", f"{statuses[DONE]} of {len(entries)} scans scored, {statuses[FAILED]} failed."]
    if statuses[FAILED]:
        lines.append(f"Why is in the column reason of {out / CASES_TABLE}; --retry-failed does them again.")
    lines.append(describe_model(model.name, model.preset.name, model.join, model.trained_on))
    if model.outcome == "none":
        lines.append(UNTRAINED_NOTICE)
    lines += [f"Results in {out}: {CASES_TABLE}, {NODULES_TABLE}", RESEARCH_USE_ONLY]
    return "\n".join(lines)
