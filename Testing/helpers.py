"""What several tests share: a coarse synthetic chest, a model small enough to run in a second, the command."""

import functools
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from LungCancerDxLib.models.bundle import Model
from LungCancerDxLib.models.find import untrained_model
from LungCancerDxLib.models.segmenter import Segmenter
from LungCancerDxLib.phantom.patient import SyntheticPatient, synthetic_chest
from LungCancerDxLib.preset import DEFAULT, Preset
from LungCancerDxLib.volume import CTVolume
from Testing.segmentation.stand_in import ThresholdNet

ROOT = Path(__file__).resolve().parents[1]
COMMAND = (sys.executable, "-m", "LungCancerDxLib")
TINY_PROGRAM = (
    "import sys; from LungCancerDxLib import pipeline; from LungCancerDxLib.cli import main; "
    "from Testing.helpers import tiny_model; pipeline.find_model = lambda name: tiny_model(); sys.exit(main())"
)
"""The command with the tiny model, whatever model is asked for; for `python -c`."""
STAND_IN_SEGMENTER = Segmenter(ThresholdNet(0.9), "stand-in", "nothing", "abc")
COARSE = {"spacing_mm_kji": (5.0, 2.0, 2.0)}
SLAB = {"spacing_mm_kji": (2.5, 2.0, 2.0), "z_range_mm": (-60.0, 0.0)}  # 24 slices through both lungs

CASE_KEYS = {
    "": "schema software model run input case lungs nodules timing_s warnings unreliable patient assessment",
    "software": "name version",
    "model": "name sha256 preset outcome trained_on segmenter segmenter_sha256",
    "run": "device precision torch",
    "input": "path series_uid shape_kji spacing_mm_kji",
    "case": "score score_name join leak leak_share blank_count blank_malignancy blank_share scored_nodules"
    " weighted_by_confidence",
    "lungs": "left_volume_ml right_volume_ml share_below_950_hu smoothed_share_below_950_hu",
}
NODULE_KEYS = (
    "rank source center_lps_mm box_diameter_mm diameter_mm longest_axial_diameter_mm solid_component_mm volume_mm3 "
    "mean_hu type side third distance_to_pleura_mm logit confidence malignancy network_malignancy contribution scored "
    "scored_by_model"
)


@functools.cache
def chest(seed: int = 1, **options) -> SyntheticPatient:
    """A synthetic chest, made once; options must be hashable."""
    return synthetic_chest(np.random.default_rng(seed), **{**COARSE, **options})


def slab() -> SyntheticPatient:
    """A thin slab through both lungs, which every step takes a moment to work on."""
    return chest(**SLAB)


def tiny(preset: Preset = DEFAULT) -> Preset:
    """A preset for networks and working images that take a moment; nearly every untrained logit counts."""
    networks = {"units_per_block": (1, 1, 1, 1), "units_per_back_block": 1, "crop_size": 32}
    return replace(
        preset,
        **networks,
        working_spacing_mm=4.0,
        dilation_voxels=2,
        score_above_logit=-2.5,
        anchors_mm=(2.0, 3.0, 4.0),
    )


@functools.cache
def tiny_model(preset: Preset = DEFAULT, **options) -> Model:
    """An untrained model of the tiny preset; a threshold outlines, as trained weights take most of a run."""
    return replace(untrained_model(tiny(preset), **options), segmenter=STAND_IN_SEGMENTER)


def reoriented(volume: CTVolume, axes: tuple[int, ...], flipped: tuple[bool, ...]) -> CTVolume:
    """The same scan stored with its axes in another order, some of them backwards."""
    voxels, columns, origin = volume.voxels.transpose(axes), volume.kji_to_lps[:3, axes], volume.kji_to_lps[:3, 3]
    for axis in np.flatnonzero(flipped):
        voxels = np.flip(voxels, axis)
        origin = origin + columns[:, axis] * (voxels.shape[axis] - 1)
        columns[:, axis] *= -1
    return CTVolume(np.ascontiguousarray(voxels), affine(columns, origin), volume.info, volume.warnings)


def rotated(volume: CTVolume, rotation: np.ndarray) -> CTVolume:
    """The scan of a patient who lay turned about the origin of LPS: the same voxels, another place."""
    return replace(volume, kji_to_lps=affine(rotation, np.zeros(3)) @ volume.kji_to_lps)


def affine(matrix: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """(4, 4) from a (3, 3) matrix and an origin (3,)."""
    whole = np.eye(4)
    whole[:3, :3], whole[:3, 3] = matrix, origin
    return whole


def rotation(degrees: float, about: tuple[float, float, float]) -> np.ndarray:
    """Rotation matrix about an axis (Rodrigues)."""
    x, y, z = np.array(about) / np.linalg.norm(about)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def environment(**variables: str) -> dict[str, str]:
    """The environment of a subprocess that finds the library from any folder, and no models of the user's own."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "XDG_DATA_HOME": os.devnull, **variables}


def run_command(*arguments: str | Path, **options) -> subprocess.CompletedProcess:
    """`lungcancerdx` in a process of its own; its output as text."""
    options = {"capture_output": True, "text": True, "env": environment(), "timeout": 120, **options}
    return subprocess.run([*COMMAND, *map(str, arguments)], check=False, **options)


def run_tiny(*arguments: str | Path, **options) -> subprocess.CompletedProcess:
    """The same with the tiny model, whatever model is asked for."""
    options = {"capture_output": True, "text": True, "env": environment(), "timeout": 120, **options}
    return subprocess.run([sys.executable, "-c", TINY_PROGRAM, *map(str, arguments)], check=False, **options)


def check_case_contract(content: dict) -> None:
    """`case.json` holds exactly the keys that the contract names."""
    assert content["schema"] == "lungcancerdx/case/1"
    for table, keys in CASE_KEYS.items():
        assert set(content[table] if table else content) == set(keys.split()), table
    for nodule in content["nodules"]:
        assert set(nodule) == set(NODULE_KEYS.split())
