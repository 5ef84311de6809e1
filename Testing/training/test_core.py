"""Training runs where there is torch, numpy, scipy and safetensors and nothing else."""

import subprocess
import sys

import pytest

from Testing.helpers import ROOT, environment

pytestmark = pytest.mark.slow

PROGRAM = """
import sys
readers, pictures = "SimpleITK nibabel pydicom", "matplotlib tensorboard sklearn slicer vtk trame_slicer"
for name in f"{readers} {pictures} pooch requests platformdirs tqdm dask distributed".split():
    sys.modules[name] = None  # importing it fails
from LungCancerDxLib.preset import PRESETS
from LungCancerDxLib.training.engine.loop import RunOptions
from LungCancerDxLib.training.engine.run_folder import LOG_FILE, read_log
from Testing.training.tiny import SMALL, TINY, ball_case, replace, store_of
from LungCancerDxLib.training.classifier import train as classifier
from LungCancerDxLib.training.detector.train import train_detector
from pathlib import Path
out = Path(sys.argv[1])
train_detector(store_of(out / "store", ball_case()), replace(SMALL, steps=1), TINY, out / "run", RunOptions())
assert len(read_log(out / "run" / LOG_FILE)) == 1
"""


def test_a_detector_is_trained_without_the_packages_of_the_runtime(tmp_path):
    command = [sys.executable, "-c", PROGRAM, tmp_path]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
