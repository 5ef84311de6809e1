"""`lungcancerdx cohort`: every scan of a cohort to one table."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from .. import __version__
from ..case import model_words
from ..cohorts.listing import Entry, list_scans
from ..cohorts.results import CASES_TABLE, DONE, FAILED, NODULES_TABLE
from ..cohorts.run_case import Settings
from ..cohorts.run_cohort import run_cohort
from ..cohorts.run_record import check_run
from ..cohorts.scoring import score_ct
from ..compute import choose_compute
from ..errors import UsageError
from ..interrupt import Stop
from ..models.bundle import Model
from ..models.locate import find_model
from ..terminal import RESEARCH_USE_ONLY, make_progress


def run(arguments: argparse.Namespace, stop: Stop) -> str:
    """Do what the arguments of `cohort` say; returns the words for the terminal."""
    stop.words = "Stopped. The same command goes on from here."
    out = arguments.out.resolve()
    _refuse_out_among_scans(out, arguments.scans)
    entries = list_scans(arguments.scans)
    model = find_model(arguments.model)
    compute = choose_compute(arguments.device, arguments.precision, arguments.max_memory, model.preset)
    settings = Settings(
        model=_anywhere(arguments.model),
        sha256=model.sha256,
        device=arguments.device,
        precision=compute.precision,
        max_memory=arguments.max_memory,
        masks=arguments.masks,
    )
    options = {
        "software": __version__,
        "model": model.name,
        "sha256": model.sha256,
        "preset": model.preset.name,
        "precision": compute.precision,
        "masks": arguments.masks,
    }
    check_run(out, options)
    statuses = run_cohort(
        entries,
        out,
        settings,
        score_ct,
        workers=arguments.workers,
        scheduler=arguments.scheduler,
        retry_failed=arguments.retry_failed,
        progress=make_progress(arguments.progress),
        asked_to_stop=lambda: stop.asked,
    )
    return _summary(entries, statuses, out, model)


def _anywhere(model: str | None) -> str | None:
    """A model's folder as an absolute path, for processes that start elsewhere; a name as it is."""
    if model is not None and Path(model).expanduser().is_dir():
        return str(Path(model).expanduser().resolve())
    return model


def _refuse_out_among_scans(out: Path, scans: Path) -> None:
    if scans.is_dir() and out.is_relative_to(scans.resolve()):
        raise UsageError(f"The output folder {out} lies among the scans in {scans}. Choose another folder.")


def _summary(entries: tuple[Entry, ...], statuses: Counter[str], out: Path, model: Model) -> str:
    lines = ["", f"{statuses[DONE]} of {len(entries)} scans scored, {statuses[FAILED]} failed."]
    if statuses[FAILED]:
        lines.append(f"Why is in the column reason of {out / CASES_TABLE}; --retry-failed does them again.")
    lines.append(model_words(model.name, model.preset.name, model.join, model.trained_on))
    if model.outcome == "none":
        lines.append("NO TRAINED MODEL: scores mean nothing. They only show that everything runs.")
    lines += [f"Results in {out}: {CASES_TABLE}, {NODULES_TABLE}", RESEARCH_USE_ONLY]
    return "\n".join(lines)
