"""`lungcancerdx score`: a CT on disk to a result folder."""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path

from ..case import CaseResult
from ..compute import choose_compute
from ..errors import UsageError
from ..interrupt import Stop
from ..models.locate import find_model
from ..pipeline import detect_and_score
from ..progress import Progress, part
from ..readers import read_ct
from ..result_folder import RESULT_FILES, write_result
from ..scene_result import left_out, scene_is_wanted, write_scene
from ..staging import check_target, whole_folder
from ..terminal import make_progress, summary
from ..volume import CTVolume
from .points import read_points


def run(arguments: argparse.Namespace, stop: Stop) -> str:
    """Do what the arguments of `score` say; returns the words for the terminal."""
    refuse_inputs_within(arguments.out, arguments)
    replaceable = RESULT_FILES if arguments.overwrite else ()
    check_target(arguments.out, replaceable)
    progress = stop.watched(make_progress(arguments.progress))
    with_scene = scene_is_wanted(arguments.scene)
    result, volume = score_file(arguments.ct, arguments, part(progress, 0.0, 0.9))
    with whole_folder(arguments.out, replaceable) as staging:
        remarks = write_files(result, volume, staging, with_scene, part(progress, 0.9, 1.0))
    return summary(result, arguments.out, (*left_out(arguments.scene), *remarks))


def write_files(
    result: CaseResult, volume: CTVolume, folder: Path, with_scene: bool, progress: Progress
) -> tuple[str, ...]:
    """Write all files of a result into a folder; returns sentences on what could not be had."""
    progress("writing the results", 0.0)
    write_result(result, volume, folder)
    remarks = write_scene(result, volume, folder, part(progress, 0.2, 1.0)) if with_scene else ()
    progress("writing the results", 1.0)
    return remarks


def refuse_inputs_within(out: Path, arguments: argparse.Namespace) -> None:
    """Refuse an output folder that holds what goes in, since it is made anew as a whole.

    Raises
    ------
    UsageError
    """
    model = Path(arguments.model) if arguments.model else None
    for given in (getattr(arguments, "ct", None), arguments.points, arguments.cache, model):
        if given is not None and given.resolve().is_relative_to(out.resolve()):
            raise UsageError(f"{given} lies in the output folder {out}, which is made anew. Choose another folder.")


def score_file(path: Path, arguments: argparse.Namespace, progress: Progress) -> tuple[CaseResult, CTVolume]:
    """Read and score a CT with the options of the command line."""
    start = time.perf_counter()
    points = read_points(arguments.points) if arguments.points else []
    model = find_model(arguments.model)
    compute = choose_compute(arguments.device, arguments.precision, arguments.max_memory, model.preset)
    progress("reading the CT", 0.0)
    volume = read_ct(path)
    reading_s = time.perf_counter() - start
    result = detect_and_score(
        volume,
        model,
        compute,
        points_lps_mm=points,
        classify=arguments.classify,
        classify_all=arguments.classify_all,
        cache=arguments.cache,
        progress=part(progress, 0.1, 1.0),
    )
    total_s = time.perf_counter() - start
    timing = {"reading": reading_s, **result.timing_s, "total": total_s}
    return dataclasses.replace(result, timing_s=timing), volume
