"""The demo: a synthetic patient, written, read and scored as any other."""

import json

import pytest

from LungCancerDxLib import pipeline
from LungCancerDxLib.cli import main
from Testing.helpers import check_case_contract, slab, tiny_model

pytestmark = pytest.mark.slow

FILES = ["case.json", "lungs.nrrd", "nodules.nrrd", "synthetic-ct.nrrd"]


@pytest.fixture(autouse=True)
def small(tmp_path, monkeypatch):
    """A thin patient, a tiny model, and a folder of our own."""
    monkeypatch.setattr("LungCancerDxLib.phantom.patient.synthetic_chest", lambda rng: slab())
    monkeypatch.setattr(pipeline, "find_model", lambda name: tiny_model())
    monkeypatch.chdir(tmp_path)


def test_the_demo_writes_the_scan_with_its_result_and_tells_the_truth_beside_it(tmp_path, capsys):
    assert main(["demo", "--no-scene"]) == 0
    folder = tmp_path / "lungcancerdx-demo"
    assert sorted(path.name for path in folder.iterdir()) == FILES
    content = json.loads((folder / "case.json").read_text())
    check_case_contract(content)
    assert (tmp_path / content["input"]["path"]).samefile(folder / "synthetic-ct.nrrd")
    words = capsys.readouterr().out
    assert (
        words.index("A synthetic patient with nodules at") < words.index("NO TRAINED MODEL") < words.index("Case score")
    )
    for nodule in slab().nodules:
        assert f"{nodule.diameter_mm:5.1f} mm  {nodule.kind}" in words


def test_another_demo_replaces_the_first(tmp_path):
    first = tmp_path / "out"
    first.mkdir()
    for name in ("case.json", "synthetic-ct.nrrd", "overview.png"):
        (first / name).write_text("old")
    assert main(["demo", "--out", str(first), "--no-scene"]) == 0
    assert sorted(path.name for path in first.iterdir()) == FILES


def test_a_real_result_stays(tmp_path, capsys):
    for name in ("case.json", "ct.nrrd"):
        (tmp_path / name).write_text("of a patient")
    assert main(["demo", "--out", str(tmp_path)]) == 2
    assert "holds something else than an earlier result (it has ct.nrrd)" in capsys.readouterr().err


def test_a_folder_with_something_else_stays(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("years of work")
    assert main(["demo", "--out", str(tmp_path)]) == 2
    assert "holds something else than an earlier result" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
