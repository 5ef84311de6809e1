"""`lungcancerdx score`: a CT on disk to a result folder."""

from __future__ import annotations

import argparse

from ..errors import OutputError, UsageError
from ..options import ScoreOptions, add_score_options
from ..runtime.interruption import Stop
from .arguments import EXIT_CODES, Commands, add_command, add_progress_options, path
from .output import (
    add_export_options,
    add_scene_option,
    check_exports,
    refuse_inputs_within,
    scene_is_wanted,
    summary,
    write_exports,
    write_files,
)
from .terminal import make_progress


def add_score(commands: Commands) -> None:
    """Its arguments."""
    score = add_command(commands, "score", run, help="detect and score the nodules of a CT", epilog=EXIT_CODES)
    score.add_argument("ct", metavar="CT", type=path, help="DICOM folder or multi-frame file, NIfTI, NRRD, MetaImage")
    score.add_argument("--out", metavar="DIR", type=path, required=True, help="result folder, made anew")
    score.add_argument("--overwrite", action="store_true", help="replace an earlier result in DIR")
    add_score_options(score)
    add_scene_option(score)
    score.add_argument("--report", action="store_true", help="write report.html and report.pdf too")
    add_export_options(score)
    add_progress_options(score)


def run(arguments: argparse.Namespace, stop: Stop) -> str:
    """Read and score the CT and write the result; returns the message for the terminal."""
    from ..io.result_folder import RESULT_FILES
    from ..pipeline import score_file
    from ..runtime.atomic import atomic_folder, check_target
    from ..runtime.progress import part

    options = ScoreOptions.from_arguments(arguments)
    refuse_inputs_within(arguments.out, (arguments.ct, options.points, options.patient, options.cache, options.model))
    replaceable = RESULT_FILES if arguments.overwrite else ()
    check_target(arguments.out, RESULT_FILES, arguments.overwrite)
    exports = (arguments.report or arguments.identified, arguments.dicom, arguments.identified)
    check_exports(arguments.ct, *exports)
    progress = stop.watched(make_progress(arguments.progress))
    with_scene = scene_is_wanted(arguments.scene)
    result = score_file(arguments.ct, options, progress=part(progress, 0.0, 0.9))
    refused: Exception | None = None
    with atomic_folder(arguments.out, replaceable) as staging:
        remarks = write_files(result, staging, with_scene, part(progress, 0.9, 1.0))
        try:
            write_exports(result, arguments.ct, staging, *exports)
        except OutputError:
            raise
        except Exception as error:  # minutes of work are not thrown away for it
            refused = error
    if isinstance(refused, UsageError):
        raise UsageError(f"{refused} The result itself is in {arguments.out}.") from refused
    if refused:
        raise refused
    return summary(result, arguments.out, arguments.scene, remarks)
