"""What the panel asks of the command line is what the command line takes."""

import subprocess
import sys
from pathlib import Path

import pytest

from LungCancerDxLib import cli
from LungCancerDxLib.options import ScoreOptions
from LungCancerDxLib.slicer.panel import command
from LungCancerDxLib.slicer.panel.command import (
    dicom_arguments,
    environment_variables,
    fetch_arguments,
    library_root,
    python_executable,
    report_arguments,
    score_arguments,
)
from Testing.helpers import ROOT

CT, OUT = Path("a folder/ct.nrrd"), Path("a folder/result")
FULL = ScoreOptions(
    model="grt123",
    device="cpu",
    precision="bf16",
    max_memory_gb=1.5,
    classify=(7, 9),
    cache=Path("a folder/cache"),
    points=Path("a folder/points.csv"),
    patient=Path("a folder/patient.json"),
)


def parsed(arguments):
    """What the command line makes of the arguments of Python."""
    before = {"-m": ["-m", "LungCancerDxLib"], "-c": ["-c", arguments[1], arguments[2]]}[arguments[0]]
    assert arguments[: len(before)] == before
    assert all(isinstance(argument, str) for argument in arguments)
    return vars(cli._parser().parse_args(arguments[len(before) :]))


def test_all_that_is_asked_reaches_the_command():
    expected = {
        "command": "score",
        "ct": CT,
        "out": OUT,
        "model": "grt123",
        "device": "cpu",
        "precision": "bf16",
        "max_memory": 1.5,
        "classify": [7, 9],
        "cache": FULL.cache,
        "points": FULL.points,
        "patient": FULL.patient,
    }
    assert expected.items() <= parsed(score_arguments(CT, OUT, FULL)).items()


def test_what_is_not_asked_is_left_to_the_command():
    plain = parsed(score_arguments(Path("ct.nrrd"), Path("out"), ScoreOptions()))
    untouched = vars(cli._parser().parse_args(["score", "ct.nrrd", "--out", "out"]))
    changed = {key for key in plain if plain[key] != untouched[key]}
    assert changed == {"progress", "background", "scene", "overwrite"}


@pytest.mark.parametrize(
    "arguments",
    [
        score_arguments(CT, OUT, FULL),
        fetch_arguments(),
        report_arguments(OUT, CT),
        dicom_arguments(OUT, CT.parent, Path("packages")),
    ],
)
def test_every_run_reports_in_json_and_ends_with_its_caller(arguments):
    options = parsed(arguments)
    assert (options["progress"], options["background"]) == ("json", True)


def test_a_result_has_no_scene_and_takes_the_place_of_an_earlier_one():
    options = parsed(score_arguments(CT, OUT, FULL))
    assert (options["scene"], options["overwrite"]) == (False, True)


def test_weights_are_fetched_from_their_authors():
    options = parsed(fetch_arguments())
    assert (options["action"], options["name"], options["source"]) == ("fetch", "grt123", None)


def test_slicers_python_is_preferred(monkeypatch):
    monkeypatch.setattr(command.shutil, "which", {"PythonSlicer": "/opt/Slicer/bin/PythonSlicer"}.get)
    assert python_executable() == "/opt/Slicer/bin/PythonSlicer"
    monkeypatch.setattr(command.shutil, "which", lambda name: None)
    assert python_executable() == sys.executable


def test_the_library_of_the_run_is_this_one_wherever_it_is_started(tmp_path, monkeypatch):
    (tmp_path / "LungCancerDxLib").mkdir()
    (tmp_path / "LungCancerDxLib" / "__init__.py").write_text("raise SystemExit('the wrong one')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    for name, value in environment_variables().items():
        monkeypatch.setenv(name, value)
    process = subprocess.run(
        [sys.executable, "-m", "LungCancerDxLib", "--version"], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert process.stdout.startswith("lungcancerdx ")
    assert library_root() == ROOT


def test_an_earlier_search_path_is_kept(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    assert environment_variables()["PYTHONPATH"].endswith("/somewhere")
    monkeypatch.delenv("PYTHONPATH")
    assert environment_variables()["PYTHONPATH"] == str(library_root())


def test_commands_and_reports_need_neither_qt_nor_anything_heavy():
    code = (
        "import sys; import LungCancerDxLib.slicer.panel.command; "
        "print(sorted({'qt', 'slicer', 'numpy', 'torch'} & set(sys.modules)))"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert process.stdout == "[]\n"
