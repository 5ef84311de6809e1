"""`lungcancerdx train`: scans on disk to a store, a store to a run with a model that can be loaded."""

import argparse
import json

import numpy as np
import pytest
import torch

from LungCancerDxLib.cli.train import add_train
from LungCancerDxLib.errors import UsageError
from LungCancerDxLib.io.image_file import write_volume
from LungCancerDxLib.io.points import read_spheres
from LungCancerDxLib.models.bundle import load_model
from LungCancerDxLib.preset import PRESETS
from LungCancerDxLib.runtime.interruption import Stop
from LungCancerDxLib.training.cases.store import CaseStore
from Testing.helpers import COARSE, chest, tiny
from Testing.training.tiny import ball_case, store_of


def run_train(*arguments):
    parser = argparse.ArgumentParser()
    add_train(parser.add_subparsers(dest="command"))
    parsed = parser.parse_args(["train", *map(str, arguments)])
    return parsed.run(parsed, Stop())


@pytest.fixture(scope="module")
def patient():
    return chest(**COARSE)


@pytest.fixture(scope="module")
def files(patient, tmp_path_factory):
    """A scan, its nodules and an exclusion region as files."""
    folder = tmp_path_factory.mktemp("files")
    write_volume(patient.volume, folder / "chest.nrrd", compressed=False)
    spheres = [(*nodule.center_lps_mm, nodule.diameter_mm) for nodule in patient.nodules]
    rows = "\n".join("chest," + ",".join(map(str, sphere)) for sphere in spheres)
    (folder / "nodules.csv").write_text(f"id,x_lps_mm,y_lps_mm,z_lps_mm,diameter_mm\n{rows}\nother,0,0,0,9\n")
    (folder / "excluded.csv").write_text("id,x_lps_mm,y_lps_mm,z_lps_mm,radius_mm\nchest,10,20,30,40\n")
    return folder


@pytest.fixture(scope="module")
def store(files):
    lists = ("--nodules", files / "nodules.csv", "--exclusion-regions", files / "excluded.csv")
    message = run_train("prepare", files / "chest.nrrd", "--data", files / "store", *lists, "--progress", "none")
    assert "Not among these scans: other" in message
    return files / "store"


def test_a_prepared_case_has_its_nodules_where_they_are_in_the_image(store, patient):
    case = CaseStore(store).case(0)
    assert len(case.nodules) == len(patient.nodules)
    for box, nodule in zip(case.nodules, patient.nodules, strict=True):
        x, y, z, _ = case.scan.kji_to_lps @ [*box[:3], 1]
        assert (x, y, z) == pytest.approx(nodule.center_lps_mm)
        assert box[3] == pytest.approx(nodule.diameter_mm, rel=1e-3)
        if nodule.kind == "solid":
            assert case.scan.image[tuple(np.rint(box[:3]).astype(int))] > 130
    (k, j, i, radius) = case.exclusion_regions[0]
    assert (case.scan.kji_to_lps @ [k, j, i, 1])[:3] == pytest.approx((10, 20, 30))
    assert radius == pytest.approx(40, rel=1e-3)


@pytest.mark.slow
def test_a_run_of_one_step_leaves_a_run_and_a_model(store, tmp_path):
    options = [
        "--recipe",
        "cpu",
        "--steps",
        "1",
        "--patch",
        "32",
        "--batch",
        "1",
        "--precision",
        "fp32",
        "--progress",
        "none",
    ]
    others = store_of(tmp_path / "others", ball_case("other"))
    checked = ("--validation", others.folder)
    message = run_train("detector", "--data", store, "--out", tmp_path / "run", *checked, *options)
    assert str(tmp_path / "run" / "model") in message
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"config.json", "log.csv", "validation.csv", "checkpoint.pt", "curves.png", "model"} <= names
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["recipe"]["patch"], config["recipe"]["steps"], config["precision"]) == (32, 1, "fp32")
    model = load_model(tmp_path / "run" / "model")
    assert model.outcome == "none"
    assert torch.equal(model.detector.output[0].weight, model.classifier.NoduleNet.output[0].weight)
    with pytest.raises(UsageError, match="not empty"):
        run_train("detector", "--data", store, "--out", tmp_path / "run", *options)


def test_a_nodule_outside_the_lungs_is_refused_with_a_hint_at_ras(files, tmp_path):
    (tmp_path / "far.csv").write_text("id,x_lps_mm,y_lps_mm,z_lps_mm,diameter_mm\nchest,0,0,900,9\n")
    arguments = ("--data", tmp_path / "store", "--nodules", tmp_path / "far.csv", "--progress", "none")
    with pytest.raises(UsageError, match=r"nodule at \(0, 0, 900\).*not RAS"):
        run_train("prepare", files / "chest.nrrd", *arguments)


def test_nothing_to_prepare_is_said(tmp_path):
    with pytest.raises(UsageError, match="--synthetic N"):
        run_train("prepare", "--data", tmp_path / "store")


def test_synthetic_patients_are_cases_too(tmp_path, monkeypatch):
    monkeypatch.setitem(PRESETS, "DEFAULT", tiny())
    arguments = ("--data", tmp_path / "store", "--synthetic", 1, "--seed", 4, "--progress", "none")
    message = run_train("prepare", *arguments)
    store = CaseStore(tmp_path / "store")
    assert store.names == ("synthetic-4-0",)
    case = store.case(0)
    assert f"{len(store.nodules[0])} nodules" in message
    assert case.lungs.labels.shape == case.scan.image.shape
    header, row = (tmp_path / "store" / "labels.csv").read_text().splitlines()
    assert header == "id,cancer"
    assert row in ("synthetic-4-0,0", "synthetic-4-0,1")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,x,y,z,d\n", "no column x_lps_mm, y_lps_mm, z_lps_mm, diameter_mm"),
        (
            "id,x_lps_mm,y_lps_mm,z_lps_mm,diameter_mm\na,1,2,three,4\n",
            "line 2, column z_lps_mm: expected a number, got 'three'",
        ),
        ("id,x_lps_mm,y_lps_mm,z_lps_mm,diameter_mm\na,1,2,3,0\n", "above zero"),
        ("id,x_lps_mm,y_lps_mm,z_lps_mm,diameter_mm\na,1,2\n", "line 2"),
    ],
)
def test_a_list_of_nodules_that_is_none_is_named_with_its_line(tmp_path, content, message):
    (tmp_path / "list.csv").write_text(content)
    with pytest.raises(UsageError, match=message):
        read_spheres(tmp_path / "list.csv", "diameter_mm")


@pytest.mark.parametrize("patch", ["40", "0", "x"])
def test_a_patch_is_a_multiple_of_sixteen(store, tmp_path, patch, capsys):
    with pytest.raises(SystemExit):
        run_train("detector", "--data", store, "--out", tmp_path / "run", "--patch", patch)
    assert "--patch" in capsys.readouterr().err


def test_a_seed_below_zero_is_bad_usage(store, tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        run_train("detector", "--data", store, "--out", tmp_path / "run", "--seed", -1)
    assert "expected zero or more, got -1" in capsys.readouterr().err
