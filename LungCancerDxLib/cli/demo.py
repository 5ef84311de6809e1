"""`lungcancerdx demo`: the main job on a synthetic patient made on the spot."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from ..options import ScoreOptions, add_score_options
from ..runtime.interruption import Stop
from .arguments import Commands, add_command, add_progress_options, path
from .output import add_scene_option, refuse_inputs_within, scene_is_wanted, summary, write_files
from .terminal import make_progress

_SEED = 1
_CT_FILE = "synthetic-ct.nrrd"


def add_demo(commands: Commands) -> None:
    """Its arguments."""
    demo = add_command(commands, "demo", run, help="the same on a synthetic patient made on the spot")
    demo.add_argument("--out", metavar="DIR", type=path, default=Path("lungcancerdx-demo"))
    add_score_options(demo)
    add_scene_option(demo)
    add_progress_options(demo)


def run(arguments: argparse.Namespace, stop: Stop) -> str:
    """Make a patient, write the CT, read and score it as any other; returns the message for the terminal."""
    import numpy as np

    from ..io.image_file import write_volume
    from ..io.result_folder import RESULT_FILES
    from ..phantom.patient import synthetic_chest
    from ..pipeline import score_file
    from ..runtime.atomic import atomic_folder
    from ..runtime.progress import part

    options = ScoreOptions.from_arguments(arguments)
    refuse_inputs_within(arguments.out, (options.points, options.patient, options.cache, options.model))
    progress = stop.watched(make_progress(arguments.progress))
    with_scene = scene_is_wanted(arguments.scene)
    with atomic_folder(arguments.out, (_CT_FILE, *RESULT_FILES)) as staging:
        progress("making a patient", 0.0)
        patient = synthetic_chest(np.random.default_rng(_SEED))
        write_volume(patient.volume, staging / _CT_FILE)
        result = score_file(staging / _CT_FILE, options, progress=part(progress, 0.1, 0.9))
        result = replace(result, input={**result.input, "path": str((arguments.out / _CT_FILE).absolute())})
        remarks = write_files(result, staging, with_scene, part(progress, 0.9, 1.0))
    truth = [
        f"      {' '.join(f'{x:8.1f}' for x in nodule.center_lps_mm)}   {nodule.diameter_mm:5.1f} mm  {nodule.kind}"
        for nodule in patient.nodules
    ]
    return "\n".join(
        [
            "A synthetic patient with nodules at (centre L, P, S in mm, diameter):",
            *truth,
            summary(result, arguments.out, arguments.scene, remarks),
        ]
    )
