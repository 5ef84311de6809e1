"""`lungcancerdx phantom`: a patient, a cohort, and nodules in a scan that is there."""

import argparse
import json

import numpy as np
import pytest
import SimpleITK as sitk

from LungCancerDxLib.cli.phantom import add_phantom
from LungCancerDxLib.cohorts.synthetic import CohortPlan
from LungCancerDxLib.datasets.dsb2017 import read_dsb2017
from LungCancerDxLib.errors import UsageError
from LungCancerDxLib.io import read_ct
from LungCancerDxLib.phantom.case import synthetic_case
from LungCancerDxLib.runtime.interruption import Stop
from LungCancerDxLib.volume import world_to_index
from Testing.Benchmarks.phantom_figures import PlainLungs

pytestmark = pytest.mark.slow

COARSE = ("--spacing", "5", "2.5", "2.5")
FILES = ["ct.nrrd", "lungs.nrrd", "nodules.nrrd", "truth.json"]


def run(*words):
    parser = argparse.ArgumentParser()
    add_phantom(parser.add_subparsers(dest="command"))
    parsed = parser.parse_args(["phantom", *map(str, words), "--progress", "none"])
    return parsed.run(parsed, Stop())


def labels(path):
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def truth_of(folder):
    return json.loads((folder / "truth.json").read_text())


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    out = tmp_path_factory.mktemp("case") / "out"
    return run("case", "--seed", 1, "--out", out, *COARSE), out


@pytest.fixture(scope="module")
def scan(case):
    return case[1] / "ct.nrrd"


@pytest.fixture(scope="module")
def inserted(scan, tmp_path_factory):
    out = tmp_path_factory.mktemp("inserted") / "out"
    return run("insert", scan, "--seed", 2, "--count", 2, "--out", out), out


def test_a_case_comes_with_its_lungs_nodules_and_truth(case):
    words, out = case
    truth = truth_of(out)
    assert sorted(path.name for path in out.iterdir()) == FILES
    assert ("no cancer" in words) != truth["label"]
    assert f"{len(truth['nodules'])} nodules" in words
    assert f"{truth['bayes_probability']:.3f}" in words
    volume, masks = read_ct(out / "ct.nrrd"), labels(out / "nodules.nrrd")
    assert volume.spacing_mm_kji == pytest.approx([5, 2.5, 2.5])
    assert set(np.unique(labels(out / "lungs.nrrd"))) == {0, 1, 2}
    assert truth["nodules"]
    for number, nodule in enumerate(truth["nodules"], start=1):
        center = np.argwhere(masks == number).mean(axis=0)
        expected = world_to_index(volume.kji_to_lps, nodule["center_lps_mm"])
        np.testing.assert_allclose(center, expected, atol=1.5)


def test_another_index_is_another_patient(case):
    other = synthetic_case(1, 1, spacing_mm_kji=(5.0, 2.5, 2.5))
    assert other.record()["patient"] != truth_of(case[1])["patient"]


def test_the_first_patient_of_a_cohort_is_case_0_of_its_seed(case, tmp_path):
    options = ("--format", "dsb2017", "--seed", 1, "--out", tmp_path / "out", *COARSE)
    assert "1 patients made: dsb2017 in" in run("cohort", "--cases", 1, *options)
    [scan] = read_dsb2017(tmp_path / "out").scans
    name = CohortPlan("dsb2017", 1).id_of(0)
    record = json.loads((tmp_path / "out" / "records" / "000000.json").read_text())
    assert (scan.id, scan.label) == (name, record["label"])
    assert record == {"id": name, **truth_of(case[1])}
    np.testing.assert_array_equal(read_ct(scan.path).voxels, read_ct(case[1] / "ct.nrrd").voxels)
    assert "0 patients made, 1 were there before" in run("cohort", "--cases", 1, *options)


def test_nodules_are_inserted_into_a_scan_and_nothing_else_of_it_changes(scan, inserted):
    words, out = inserted
    assert sorted(path.name for path in out.iterdir()) == FILES
    before, after, masks = read_ct(scan), read_ct(out / "ct.nrrd"), labels(out / "nodules.nrrd")
    nodules = truth_of(out)["nodules"]
    assert words.startswith(f"{len(nodules)} nodules")
    assert set(np.unique(masks)) == {0, *range(1, len(nodules) + 1)}
    np.testing.assert_allclose(before.kji_to_lps, after.kji_to_lps)
    changed = before.voxels != after.voxels
    assert 0 < changed.mean() < 0.1
    assert (after.voxels[masks > 0].astype(float) - before.voxels[masks > 0]).mean() > 50
    assert all(0 < nodule["probability"] < 1 for nodule in nodules)


def test_lesions_to_keep_away_from_are_balls_around_the_given_spots(scan, tmp_path, monkeypatch):
    asked = []

    def plain(volume, lungs, exclusion_regions):
        asked.append(exclusion_regions)
        return PlainLungs()

    monkeypatch.setattr("LungCancerDxLib.phantom.insertion.places_of_scan", plain)
    (tmp_path / "lesions.csv").write_text("x,y,z,diameter_mm\n1,2,3.5,24\n4,5,6,\n")
    exclusion_regions = ("--exclusion-regions", tmp_path / "lesions.csv")
    run("insert", scan, "--seed", 2, "--count", 1, "--out", tmp_path / "out", *exclusion_regions)
    assert asked == [[((1, 2, 3.5), 12.0), ((4, 5, 6), 10.0)]]


def test_a_folder_that_is_not_empty_is_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr("LungCancerDxLib.io.read_ct", lambda path: pytest.fail("the CT was read"))
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(UsageError, match="not empty"):
        run("insert", "ct.nrrd", "--seed", 1, "--out", tmp_path)


@pytest.mark.parametrize("words", [("--seed", "-1"), ("--spacing", "0", "1", "1"), ("--spacing", "2", "1")])
def test_impossible_numbers_are_refused(words, tmp_path):
    with pytest.raises(SystemExit) as left:
        run("case", "--out", tmp_path, "--seed", "1", *words)
    assert left.value.code == 2
