"""The command `lungcancerdx`: what it writes, what it says, and its exit codes."""

import contextlib
import hashlib
import json
import math
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from LungCancerDxLib import pipeline
from LungCancerDxLib.cli import main
from LungCancerDxLib.commands import score
from LungCancerDxLib.errors import Cancelled, OutOfMemoryError
from LungCancerDxLib.models.bundle import CARD_FILE, WEIGHTS_FILE, save_model
from LungCancerDxLib.models.untrained import untrained_model
from LungCancerDxLib.preset import DEFAULT, GRT123
from LungCancerDxLib.result_folder import write_volume
from LungCancerDxLib.volume import CTVolume
from Testing.helpers import (
    affine,
    check_case_contract,
    chest,
    environment,
    run_command,
    run_tiny,
    slab,
    tiny_model,
)

APICES = {"spacing_mm_kji": (2.5, 2.0, 2.0), "z_range_mm": (62.0, 120.0)}
LOWER = {"spacing_mm_kji": (5.0, 2.0, 2.0), "z_range_mm": (-190.0, -85.0)}
FILES = ["case.json", "lungs.nrrd", "nodules.nrrd"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="module")
def ct(folder):
    path = folder / "ct.nrrd"
    write_volume(slab().volume, path)
    return str(path)


@pytest.fixture(scope="module")
def apices(folder):
    """The one real run of the untrained default model, over the tops of the lungs: the process and its output."""
    write_volume(chest(**APICES).volume, folder / "apices.nrrd")
    out = folder / "apices"
    options = ("--progress", "json", "--no-scene")
    return run_command("score", "apices.nrrd", "--out", out, *options, cwd=folder), out


@pytest.fixture
def tiny_default(monkeypatch):
    """The tiny model, whatever model is asked for."""
    monkeypatch.setattr(score, "find_model", lambda name: tiny_model())


@pytest.fixture
def no_work(monkeypatch):
    """Fail where the work begins although the request should have been refused before."""
    monkeypatch.setattr(score, "read_ct", lambda path: pytest.fail("the CT was read before the request was refused"))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def case(folder):
    return json.loads((folder / "case.json").read_text())


def write_ct(path, voxels, spacing=3.0):
    write_volume(CTVolume(voxels.astype(np.int16), affine(np.eye(3)[::-1] * spacing, np.zeros(3))), path)
    return str(path)


# What a real run leaves and says


def test_a_run_of_the_default_model_succeeds(apices):
    process, out = apices
    assert process.returncode == 0, process.stderr
    assert names(out) == FILES


def test_every_line_of_json_progress_parses_and_the_fraction_never_falls(apices):
    reports = [json.loads(line) for line in apices[0].stdout.splitlines()]
    fractions = [report["fraction"] for report in reports]
    assert all(set(report) == {"stage", "fraction", "seconds_left"} for report in reports)
    assert fractions == sorted(fractions)
    assert (reports[0]["stage"], fractions[0]) == ("reading the CT", 0)
    assert (reports[-1]["stage"], fractions[-1], reports[-1]["seconds_left"]) == ("writing the results", 1, 0)


def test_with_json_progress_the_words_go_to_stderr(apices):
    error = apices[0].stderr
    assert "NO TRAINED MODEL" in error
    assert "Research use only. Not for diagnosis." in error


def test_case_json_is_as_the_contract_says(apices):
    content = case(apices[1])
    check_case_contract(content)
    assert content["input"]["path"] == "apices.nrrd"
    assert content["run"] == {"device": "cpu", "precision": "fp32", "torch": torch.__version__}
    assert content["model"]["name"] == "untrained-default"
    assert (content["model"]["preset"], content["model"]["outcome"]) == ("DEFAULT", "none")
    assert content["model"]["sha256"] == untrained_model().sha256
    assert list(content["timing_s"]) == [
        "reading",
        "preprocessing",
        "detection",
        "classification",
        "segmentation",
        "total",
    ]
    assert content["timing_s"]["total"] == pytest.approx(sum(list(content["timing_s"].values())[:-1]), rel=0.2)


def test_the_numbers_of_a_real_run_hold_together(apices):
    content = case(apices[1])
    table, nodules = content["case"], content["nodules"]
    assert 0 < table["scored_nodules"] <= 5
    assert len(nodules) <= 20
    counted = [nodule for nodule in nodules if nodule["scored"]]
    assert len(counted) == table["scored_nodules"]
    assert all(nodule["logit"] > -1 for nodule in counted)
    assert table["score"] == pytest.approx(
        1 - (1 - table["leak"]) * math.prod(1 - nodule["malignancy"] for nodule in counted), abs=1e-6
    )
    assert sum(nodule["contribution"] for nodule in counted) + table["leak_share"] == pytest.approx(1)


def test_the_lungs_of_a_slab_of_upper_lungs_are_both_found_and_called_cut_off(apices):
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(apices[1] / "lungs.nrrd")))
    assert set(np.unique(labels)) == {0, 1, 2}
    warnings = case(apices[1])["warnings"]
    assert any("cut off at the bottom" in warning for warning in warnings)
    assert not any("cut off at the top" in warning for warning in warnings)


# Scans that are hard


def test_a_slab_of_lower_lungs_succeeds_and_is_called_cut_off(tmp_path, tiny_default):
    write_volume(chest(**LOWER).volume, tmp_path / "ct.nii.gz")
    assert main(["score", str(tmp_path / "ct.nii.gz"), "--out", str(tmp_path / "out")]) == 0
    content = case(tmp_path / "out")
    assert min(content["lungs"].values()) > 200
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


def head():
    """An ellipsoid of brain in a skull, with two small sinuses, in air."""
    z, y, x = np.moveaxis((np.indices((64, 80, 70)).T - np.array([32, 40, 35])).T * 3.0, 0, 0)
    radius = np.sqrt((z / 80) ** 2 + (y / 95) ** 2 + (x / 75) ** 2)
    voxels = np.where(radius < 0.9, 35, np.where(radius < 1, 900, -1000))
    for side in (-1, 1):
        sinus = np.sqrt((z + 30) ** 2 + (y + 55) ** 2 + (x - 25 * side) ** 2) < 15
        voxels[sinus] = -1000
    return voxels


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


# Exit codes and errors


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (OutOfMemoryError("Not enough memory to run the detector."), 5, "to run the detector"),
        (MemoryError(), 5, "Not enough memory"),
        (Cancelled("Stopped; nothing was written."), 130, "nothing was written"),
    ],
)
def test_what_ends_the_work_gives_its_exit_code(tmp_path, ct, capsys, monkeypatch, tiny_default, error, code, words):
    def fail(*_):
        raise error

    monkeypatch.setattr(pipeline, "detect", fail)
    assert main(["score", ct, "--out", str(tmp_path / "out")]) == code
    assert words in capsys.readouterr().err
    assert names(tmp_path) == []


def test_an_error_in_json_mode_is_a_line_of_json(tmp_path, capsys, tiny_default):
    path = write_ct(tmp_path / "ct.nrrd", head())
    assert main(["score", path, "--out", str(tmp_path / "out"), "--progress", "json"]) == 3
    out, error = capsys.readouterr()
    last = json.loads(out.splitlines()[-1])
    assert last["exit_code"] == 3
    assert last["error"] in error
    assert set(last) == {"error", "exit_code"}
    assert all(json.loads(line) for line in out.splitlines())


def test_verbose_tells_where_it_failed(tmp_path, caplog, tiny_default):
    main(["score", str(tmp_path / "nope.nrrd"), "--out", str(tmp_path / "out")])
    assert caplog.text == ""
    main(["score", str(tmp_path / "nope.nrrd"), "--out", str(tmp_path / "out"), "-v"])
    assert "Traceback" in caplog.text
    assert "read_ct" in caplog.text


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["guess"],
        ["score"],
        ["score", "ct.nrrd"],
        ["score", "ct.nrrd", "--out", "out", "--device", "tpu"],
        ["score", "ct.nrrd", "--out", "out", "--precision", "fp8"],
        ["score", "ct.nrrd", "--out", "out", "--max-memory", "much"],
    ],
)
def test_bad_usage_is_told_with_the_usage(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: lungcancerdx" in capsys.readouterr().err


@pytest.mark.usefixtures("no_work", "tiny_default")
class TestRefusedBeforeAnyWork:
    """Requests that cannot be met, found out before the CT is read."""

    def refused(self, capsys, *arguments, code=2):
        assert main(["score", *map(str, arguments)]) == code
        return capsys.readouterr().err

    def test_cuda_where_there_is_none(self, tmp_path, capsys, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        words = self.refused(capsys, "ct.nrrd", "--out", tmp_path / "out", "--device", "cuda")
        assert "device 'cuda' is not available here" in words
        assert "use --device auto" in words

    def test_no_memory_at_all(self, tmp_path, capsys):
        words = self.refused(capsys, "ct.nrrd", "--out", tmp_path / "out", "--max-memory", "0")
        assert "memory limit must be greater than zero" in words

    @pytest.mark.parametrize("content", [None, "a,b,c\n1,2,3\n", "x,y,z\nhere,2,3\n", "x,y,z\nnan,2,3\n"])
    def test_points_that_are_none(self, tmp_path, capsys, content):
        points = tmp_path / "points.csv"
        if content is not None:
            points.write_text(content)
        assert str(points) in self.refused(capsys, "ct.nrrd", "--out", tmp_path / "out", "--points", points)

    def test_an_output_folder_in_use(self, tmp_path, capsys):
        (tmp_path / "case.json").write_text("old")
        assert "not empty" in self.refused(capsys, "ct.nrrd", "--out", tmp_path)

    def test_an_output_folder_with_something_else_even_to_overwrite(self, tmp_path, capsys):
        (tmp_path / "thesis.txt").write_text("years of work")
        assert "something else" in self.refused(capsys, "ct.nrrd", "--out", tmp_path, "--overwrite")
        assert names(tmp_path) == ["thesis.txt"]

    def test_an_output_that_is_a_file(self, tmp_path, capsys):
        (tmp_path / "out").write_text("")
        assert "is a file" in self.refused(capsys, "ct.nrrd", "--out", tmp_path / "out", "--overwrite")

    @pytest.mark.parametrize("inside", ["ct.nrrd", "sub/../ct.nrrd"])
    def test_an_output_folder_that_holds_the_scan(self, tmp_path, capsys, inside):
        (tmp_path / "case.json").write_text("old")
        words = self.refused(capsys, tmp_path / inside, "--out", tmp_path, "--overwrite")
        assert "lies in the output folder" in words

    def test_a_cache_within_the_output_folder(self, tmp_path, capsys):
        out = tmp_path / "out"
        assert "lies in the output folder" in self.refused(capsys, "ct.nrrd", "--out", out, "--cache", out / "cache")

    def test_an_output_below_a_file(self, tmp_path, capsys):
        (tmp_path / "file").write_text("")
        words = self.refused(capsys, "ct.nrrd", "--out", tmp_path / "file" / "out", code=6)
        assert "Nothing can be written to" in words

    @pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs Linux' /proc")
    def test_an_output_where_nothing_can_be_written(self, capsys):
        assert "Nothing can be written to /proc/nope" in self.refused(capsys, "ct.nrrd", "--out", "/proc/nope", code=6)


# Models


@pytest.fixture(scope="module")
def bundle(folder):
    save_model(untrained_model(DEFAULT), folder / "bundle")
    return folder / "bundle"


def other_sha256(folder):
    card = json.loads((folder / CARD_FILE).read_text())
    card["weights"]["sha256"] = "0" * 64
    (folder / CARD_FILE).write_text(json.dumps(card))


def other_values(folder):
    card = json.loads((folder / CARD_FILE).read_text())
    card["preset_values"]["tissue_value"] = 0
    (folder / CARD_FILE).write_text(json.dumps(card))


def other_weights(folder, content=None):
    if content is None:
        save_model(untrained_model(GRT123), folder / "other")
        content = (folder / "other" / WEIGHTS_FILE).read_bytes()
    (folder / WEIGHTS_FILE).write_bytes(content)
    card = json.loads((folder / CARD_FILE).read_text())
    card["weights"]["sha256"] = hashlib.sha256(content).hexdigest()
    (folder / CARD_FILE).write_text(json.dumps(card))


@pytest.mark.parametrize(
    ("damage", "file", "words"),
    [
        (lambda folder: (folder / CARD_FILE).unlink(), CARD_FILE, "is no model bundle"),
        (lambda folder: (folder / CARD_FILE).write_text("{"), CARD_FILE, "copy or download the bundle again"),
        (other_sha256, WEIGHTS_FILE, "Copy or download the bundle again"),
        (other_weights, WEIGHTS_FILE, "Use the bundle that they came with"),
        (other_values, CARD_FILE, "Use the version of LungCancerDx that made it"),
        (lambda folder: other_weights(folder, b"hello"), WEIGHTS_FILE, "copy or download the bundle again"),
    ],
    ids=["no card", "damaged card", "sha256", "architecture", "preset values", "no safetensors"],
)
@pytest.mark.usefixtures("no_work")
def test_a_wrong_model_is_refused_with_the_file_and_the_cure(tmp_path, bundle, capsys, damage, file, words):
    shutil.copytree(bundle, tmp_path / "bundle")
    damage(tmp_path / "bundle")
    code = main(["score", "ct.nrrd", "--out", str(tmp_path / "out"), "--model", str(tmp_path / "bundle")])
    error = capsys.readouterr().err
    assert code == 4
    assert str(tmp_path / "bundle") in error
    assert file in error
    assert words in error


def test_an_unknown_model_is_refused_with_those_there_are(tmp_path):
    process = run_command("score", "ct.nrrd", "--out", tmp_path / "out", "--model", "nope")
    assert process.returncode == 4
    assert "No model 'nope'" in process.stderr
    assert "untrained-default" in process.stderr
    assert process.stdout == ""


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


# Help


@pytest.mark.parametrize("arguments", [["--help"], ["score", "--help"], ["demo", "--help"], ["figure", "--help"]])
def test_help_is_there_at_once_and_loads_nothing_heavy(arguments):
    code = (
        "import contextlib, sys\nfrom LungCancerDxLib.cli import main\n"
        f"with contextlib.suppress(SystemExit): main({arguments})\n"
        "heavy = {'torch', 'numpy', 'scipy', 'skimage', 'SimpleITK', 'pydicom'} & set(sys.modules)\n"
        "print('heavy:', sorted(heavy))"
    )
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        process = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True
        )
        seconds.append(time.perf_counter() - start)
    assert process.stdout.startswith("usage: lungcancerdx")
    assert process.stdout.endswith("heavy: []\n")
    assert min(seconds) < 1


def test_help_tells_the_commands_and_the_exit_codes(capsys):
    with contextlib.suppress(SystemExit):
        main(["--help"])
    words = " ".join(capsys.readouterr().out.split())
    for part in ("score", "demo", "figure", "Research use only", "6 result could not be written", "130 cancelled"):
        assert part in words


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("lungcancerdx 0.")
