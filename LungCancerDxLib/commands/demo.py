"""`lungcancerdx demo`: the main job on a synthetic patient made on the spot."""

from __future__ import annotations

import argparse
import dataclasses

import numpy as np

from ..interrupt import Stop
from ..phantom import synthetic_chest
from ..progress import part
from ..result_folder import RESULT_FILES, write_volume
from ..scene_result import left_out, scene_is_wanted
from ..staging import whole_folder
from ..terminal import make_progress, summary
from .score import refuse_inputs_within, score_file, write_files

_SEED = 1
_CT_FILE = "synthetic-ct.nrrd"


def run(arguments: argparse.Namespace, stop: Stop) -> str:
    """Make a patient, write the CT, read and score it as any other; returns the words for the terminal."""
    refuse_inputs_within(arguments.out, arguments)
    progress = stop.watched(make_progress(arguments.progress))
    with_scene = scene_is_wanted(arguments.scene)
    with whole_folder(arguments.out, (_CT_FILE, *RESULT_FILES)) as staging:
        progress("making a patient", 0.0)
        patient = synthetic_chest(np.random.default_rng(_SEED))
        write_volume(patient.volume, staging / _CT_FILE)
        result, volume = score_file(staging / _CT_FILE, arguments, part(progress, 0.1, 0.9))
        result = dataclasses.replace(result, input={**result.input, "path": str(arguments.out / _CT_FILE)})
        remarks = write_files(result, volume, staging, with_scene, part(progress, 0.9, 1.0))
    truth = [
        f"      {' '.join(f'{x:8.1f}' for x in nodule.center_lps_mm)}   {nodule.diameter_mm:5.1f} mm  {nodule.kind}"
        for nodule in patient.nodules
    ]
    return "\n".join(
        [
            "A synthetic patient with nodules at (centre L, P, S in mm, diameter):",
            *truth,
            summary(result, arguments.out, (*left_out(arguments.scene), *remarks)),
        ]
    )
