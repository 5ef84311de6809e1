"""The command `lungcancerdx score`: scans that are hard, and how results are written."""

import sys

import numpy as np
import pytest
import SimpleITK as sitk

from LungCancerDxLib.cli import main
from LungCancerDxLib.io.image_file import write_volume
from Testing.cli.files import FILES, case, head, names, write_ct
from Testing.helpers import chest, run_tiny

pytestmark = pytest.mark.slow

LOWER = {"spacing_mm_kji": (5.0, 2.0, 2.0), "z_range_mm": (-190.0, -85.0)}


# Scans that are hard


def test_a_slab_of_lower_lungs_succeeds_and_is_called_cut_off(tmp_path, tiny_default):
    write_volume(chest(**LOWER).volume, tmp_path / "ct.nii.gz")
    assert main(["score", str(tmp_path / "ct.nii.gz"), "--out", str(tmp_path / "out")]) == 0
    content = case(tmp_path / "out")
    assert min(content["lungs"][f"{side}_volume_ml"] for side in ("left", "right")) > 200
    assert any("cut off at the top" in warning for warning in content["warnings"])
    assert any("5.0 mm apart" in warning for warning in content["warnings"])


@pytest.mark.parametrize(("missing", "found"), [("left", "right"), ("right", "left")])
def test_a_patient_with_one_lung_succeeds_with_the_right_label_and_a_warning(tmp_path, tiny_default, missing, found):
    write_volume(chest(**{f"{missing}_lung": False}).volume, tmp_path / "ct.nrrd")
    assert main(["score", str(tmp_path / "ct.nrrd"), "--out", str(tmp_path / "out")]) == 0
    content = case(tmp_path / "out")
    assert content["lungs"][f"{missing}_volume_ml"] == 0
    assert content["lungs"][f"{found}_volume_ml"] > 1000
    assert any(f"the {missing} lung is missing" in warning for warning in content["warnings"])
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out" / "lungs.nrrd")))
    assert set(np.unique(labels)) == {0, 1 if found == "left" else 2}


@pytest.mark.parametrize(
    ("voxels", "words"),
    [
        (np.random.default_rng(0).normal(-1000, 10, (40, 40, 40)), "hardly any voxel is tissue"),
        (np.full((40, 40, 40), -1000), "the image is empty"),
        (head(), "No lungs were found"),
    ],
    ids=["air and noise", "air", "head"],
)
def test_a_scan_without_lungs_is_unsuitable(tmp_path, capsys, tiny_default, voxels, words):
    path = write_ct(tmp_path / "ct.nrrd", voxels)
    assert main(["score", path, "--out", str(tmp_path / "out")]) == 3
    assert words in capsys.readouterr().err
    assert names(tmp_path) == ["ct.nrrd"]


def test_a_scan_that_is_not_there_is_unreadable(tmp_path, capsys, tiny_default):
    assert main(["score", str(tmp_path / "nope.nrrd"), "--out", str(tmp_path / "out")]) == 3
    out, error = capsys.readouterr()
    assert error.startswith("lungcancerdx: ")
    assert "nope.nrrd: no such file or folder" in error
    assert "Traceback" not in error
    assert out == ""


# Writing


@pytest.fixture(scope="module")
def sizes(folder, ct):
    """Bytes of the files of a result of the tiny model."""
    process = run_tiny("score", ct, "--out", folder / "whole", "--no-scene")
    assert process.returncode == 0, process.stderr
    return {name: (folder / "whole" / name).stat().st_size for name in FILES}


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file sizes")
@pytest.mark.parametrize("file", FILES[:2])
def test_a_disk_that_is_full_half_way_leaves_nothing(tmp_path, ct, sizes, file):
    """A limit on file sizes stands in for the disk: within a file that is larger than those before it."""
    resource = pytest.importorskip("resource")
    low = max([sizes[earlier] for earlier in FILES[: FILES.index(file)]], default=0)
    limit = (low + sizes[file]) // 2
    assert low < limit < sizes[file]

    def limit_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    process = run_tiny("score", ct, "--out", tmp_path / "out", "--no-scene", preexec_fn=limit_files)
    assert process.returncode == 6, process.stderr
    assert "could not be written" in process.stderr
    assert "nothing was left behind. Make room on the disk" in process.stderr
    assert names(tmp_path) == []


def test_overwrite_replaces_an_earlier_result_as_a_whole(tmp_path, ct, tiny_default, capsys):
    out = tmp_path / "out"
    out.mkdir()
    for name in ("case.json", "scene.mrb"):
        (out / name).write_text("old")
    assert main(["score", ct, "--out", str(out), "--overwrite", "--no-scene"]) == 0
    assert names(out) == FILES
    assert case(out)["input"]["path"] == ct
    assert f"Results in {out}" in capsys.readouterr().out


@pytest.mark.usefixtures("no_outlines")
def test_ranks_to_classify_reach_the_result(tmp_path, ct, tiny_default):
    assert main(["score", ct, "--out", str(tmp_path / "out"), "--classify", "7", "12", "--no-scene"]) == 0
    nodules = case(tmp_path / "out")["nodules"]
    classified = [nodule["rank"] for nodule in nodules if nodule["malignancy"] is not None]
    assert classified == [1, 2, 3, 4, 5, 7, 12]


def test_points_cache_and_classify_all_reach_the_result(tmp_path, ct, tiny_default):
    (tmp_path / "out").mkdir()
    (tmp_path / "points.csv").write_text("x,y,z\n80.25,10.125,-30.0625\n")
    options = ["--points", tmp_path / "points.csv", "--cache", tmp_path / "cache", "--classify-all", "--no-scene"]
    assert main(["score", ct, "--out", str(tmp_path / "out"), *map(str, options)]) == 0
    nodules = case(tmp_path / "out")["nodules"]
    assert nodules[-1]["source"] == "user"
    assert nodules[-1]["center_lps_mm"] == [80.25, 10.125, -30.0625]
    assert all(nodule["malignancy"] is not None for nodule in nodules)
    assert len(names(tmp_path / "cache")) == 2
