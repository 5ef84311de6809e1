"""The command `lungcancerdx`: exit codes, errors, and requests refused before any work."""

import errno
import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest
import torch

from LungCancerDxLib import pipeline
from LungCancerDxLib.cli import main
from LungCancerDxLib.errors import Cancelled, OutOfMemoryError
from LungCancerDxLib.models.bundle import save_model
from LungCancerDxLib.models.find import untrained_model
from LungCancerDxLib.models.registry import CARD_FILE, WEIGHTS_FILE
from LungCancerDxLib.preset import DEFAULT, GRT123
from Testing.cli.files import head, names, write_ct
from Testing.helpers import run_command

pytestmark = pytest.mark.slow

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


@pytest.mark.parametrize(
    ("number", "name", "code", "words"),
    [
        (
            errno.EACCES,
            "elsewhere/cases",
            3,
            "elsewhere/cases: cannot be opened (Permission denied)",
        ),
        (errno.EACCES, "out/run", 6, "out/run cannot be written (Permission denied)"),
        (errno.ENOSPC, "out/run", 6, "out/run cannot be written (No space left on device)"),
    ],
)
def test_what_the_system_refuses_is_told(tmp_path, ct, capsys, monkeypatch, tiny_default, number, name, code, words):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number), str(tmp_path / name))

    monkeypatch.setattr(pipeline, "detect_and_score", refuse)
    monkeypatch.chdir(tmp_path)
    assert main(["score", ct, "--out", "out"]) == code
    assert words in capsys.readouterr().err


def test_an_error_in_json_mode_is_a_line_of_json(tmp_path, capsys, tiny_default):
    path = write_ct(tmp_path / "ct.nrrd", head())
    assert main(["score", path, "--out", str(tmp_path / "out"), "--progress", "json"]) == 3
    out, error = capsys.readouterr()
    last = json.loads(out.splitlines()[-1])
    assert last["exit_code"] == 3
    assert last["error"] in error
    assert set(last) == {"error", "exit_code"}
    assert all(json.loads(line) for line in out.splitlines())


def test_a_rank_that_the_case_does_not_have_is_refused_once_it_is_known(tmp_path, ct, capsys, tiny_default):
    assert main(["score", ct, "--out", str(tmp_path / "out"), "--classify", "21"]) == 2
    assert "no nodule of rank 21: its nodules have the ranks 1 to 20." in capsys.readouterr().err
    assert names(tmp_path) == []


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
        ["score", "ct.nrrd", "--out", "out", "--classify", "first"],
        ["score", "ct.nrrd", "--out", "out", "--classify"],
        ["phantom", "case", "--out", "out", "--seed", str(2**63)],
    ],
)
def test_bad_usage_is_told_with_the_usage(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: lungcancerdx" in capsys.readouterr().err


@pytest.mark.parametrize("path", ["~nosuchuser/ct.nrrd", "x" * 300])
@pytest.mark.parametrize("command", ["score {} --out out", "cohort {} --out out", "models info {}"])
def test_a_path_of_nobody_and_too_long_a_name_are_errors_that_name_it(tmp_path, capsys, monkeypatch, path, command):
    monkeypatch.chdir(tmp_path)
    assert main(command.format(path).split()) in (2, 3, 4)
    assert path in capsys.readouterr().err


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
