"""Synthetic cohorts: the same seed, the same files; a killed build goes on; more patients leave the first alone."""

import csv
import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from LungCancerDxLib.cohorts.synthetic import CohortPlan, build_cohort
from LungCancerDxLib.datasets.dsb2017 import NODULES, read_dsb2017
from LungCancerDxLib.datasets.luna16 import read_luna16, read_lung_labels
from LungCancerDxLib.errors import UsageError
from LungCancerDxLib.io import read_ct
from LungCancerDxLib.io.tables import read_table
from Testing.cohorts.stand_ins import small_case, small_lungs

FORMATS = ("luna16", "dsb2017")


def build(folder, cases, format="luna16", **options):
    return build_cohort(CohortPlan(format, 5), cases, folder, make=small_case, **options)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module", params=FORMATS)
def cohort(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    build(folder, 3, request.param, workers=2 if request.param == "luna16" else 1)
    return request.param, folder


@pytest.mark.slow
def test_the_same_seed_gives_the_same_files_byte_for_byte_also_where_it_was_made_in_two_goes(cohort, tmp_path):
    format, folder = cohort
    assert build(tmp_path, 1, format) == (1, 0)
    time.sleep(1.1)  # no file holds the second it was made in
    assert build(tmp_path, 3, format) == (2, 1)
    assert content(tmp_path) == content(folder)


@pytest.mark.slow
def test_a_whole_patient_is_not_made_again_and_a_half_one_is(cohort, tmp_path):
    format, folder = cohort
    build(tmp_path, 3, format)
    records = sorted((tmp_path / "records").iterdir())
    records[1].unlink()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.mhd" if format == "luna16" else "*.dcm")}
    (tmp_path / ".half.0123abcd").mkdir()
    (tmp_path / ".mine").mkdir()
    assert build(tmp_path, 3, format) == (1, 2)
    name = json.loads(records[1].read_text())["id"]
    remade = [path for path, then in before.items() if path.stat().st_mtime_ns != then]
    assert remade
    assert all(name in str(path) for path in remade)
    assert content(tmp_path) == content(folder)
    assert [path.name for path in tmp_path.glob(".*")] == [".mine"]


@pytest.mark.slow
@pytest.mark.parametrize("damage", [b"", b"{}", b"[]", b"\xff", b"NaN", b'{"id": 1}'])
def test_a_patient_of_a_damaged_record_is_made_again(cohort, tmp_path, damage):
    format, folder = cohort
    shutil.copytree(folder, tmp_path / "copy")
    (tmp_path / "copy" / "records" / "000001.json").write_bytes(damage)
    assert build(tmp_path / "copy", 3, format) == (1, 2)
    assert content(tmp_path / "copy") == content(folder)
    (tmp_path / "copy" / "cohort.json").write_bytes(damage)
    with pytest.raises(UsageError, match="another format, seed or spacing"):
        build(tmp_path / "copy", 3, format)


def test_the_reader_of_the_real_cohort_reads_it_with_the_voxels_and_the_truth_that_were_drawn(cohort):
    format, folder = cohort
    scans = {scan.id: scan for scan in (read_luna16 if format == "luna16" else read_dsb2017)(folder).scans}
    plan, truth, labels = CohortPlan(format, 5), read_table(folder / "truth.csv"), read_table(folder / NODULES)
    assert truth.texts("id") == [plan.id_of(index) for index in range(3)]
    for index in range(3):
        scan, drawn = scans[plan.id_of(index)], small_case(plan, index)
        volume = read_ct(scan.path)
        np.testing.assert_array_equal(volume.voxels, drawn.patient.volume.voxels)
        np.testing.assert_allclose(volume.kji_to_lps, drawn.patient.volume.kji_to_lps, rtol=0, atol=1e-12)
        assert [(n.center_lps_mm, n.diameter_mm) for n in scan.nodules] == [
            (n.center_lps_mm, n.diameter_mm) for n in drawn.patient.nodules
        ]
        known = (drawn.truth.label, drawn.truth.bayes_probability, drawn.truth.age_years, True, index)
        columns = ("label", "bayes_probability", "age_years", "emphysema", "nodule_count")
        assert tuple(truth.numbers(name)[index] for name in columns) == known
        if format == "luna16":
            np.testing.assert_array_equal(read_lung_labels(scan.lungs_path, volume), small_lungs())
        else:
            assert scan.label == drawn.truth.label
            own = labels.where(np.array([name == scan.id for name in labels.texts("id")]))
            assert own.numbers("probability").tolist() == list(drawn.truth.nodule_probabilities)
            assert set(own.texts("kind")) <= {"solid"}


def test_patients_of_luna16_are_spread_over_ten_subsets(tmp_path):
    build(tmp_path, 11)
    assert sorted(scan.part for scan in read_luna16(tmp_path).scans) == sorted(
        [*(f"subset{n}" for n in range(10)), "subset0"]
    )


def test_the_tables_of_a_cohort_have_the_columns_that_are_promised(cohort):
    columns = {}
    for name in ("truth.csv", "nodule_labels.csv"):
        with (cohort[1] / name).open(newline="") as file:
            columns[name] = next(csv.reader(file))
    assert columns["truth.csv"][:4] == ["id", "label", "bayes_probability", "leak"]
    assert columns["nodule_labels.csv"] == [
        *("id", "x_lps_mm", "y_lps_mm", "z_lps_mm", "diameter_mm"),
        *("probability", "kind", "margin", "place", "upper_lobe"),
    ]


def test_another_cohort_a_smaller_one_and_foreign_folders_are_refused(cohort, tmp_path):
    format, folder = cohort
    before = content(folder)
    with pytest.raises(UsageError, match="another format, seed or spacing"):
        build_cohort(CohortPlan(format, 6), 3, folder, make=small_case)
    with pytest.raises(UsageError, match="more than 2 patients already"):
        build(folder, 2, format)
    assert content(folder) == before
    (tmp_path / "mine.txt").touch()
    with pytest.raises(UsageError, match="is no synthetic cohort"):
        build(tmp_path, 1, format)
