"""`lungcancerdx train prepare`: scans, synthetic patients, LUNA16 and the Data Science Bowl to training cases."""

import argparse
import csv

import numpy as np
import pytest

from LungCancerDxLib.cli import train_prepare
from LungCancerDxLib.cli.train import add_train
from LungCancerDxLib.datasets.dsb2017 import write_dsb2017_patient, write_dsb2017_tables
from LungCancerDxLib.datasets.luna16 import write_luna16_scan, write_luna16_tables
from LungCancerDxLib.datasets.scan import CohortScan, NoduleLabel
from LungCancerDxLib.errors import Cancelled, CTReadError, UsageError
from LungCancerDxLib.io.image_file import write_volume
from LungCancerDxLib.preset import PRESETS
from LungCancerDxLib.runtime.interruption import Stop
from LungCancerDxLib.training.cases.store import CaseStore, read_case
from Testing.helpers import chest, slab, tiny
from Testing.real_nodules import write_bank

pytestmark = pytest.mark.slow

LUNA16 = {"1.2.9": "subset0", "1.2.10": "subset1", "1.2.11": "subset1"}
BOWL = {"aa": True, "ab": False, "ac": True, "ad": False, "va": True}
SMALL, LARGE = NoduleLabel((60.0, 0.0, -20.0), 5.9), NoduleLabel((-60.0, 10.0, -40.0), 9.0)


@pytest.fixture(autouse=True)
def tiny_preset(monkeypatch):
    monkeypatch.setitem(PRESETS, "DEFAULT", tiny())


@pytest.fixture(scope="module")
def patient():
    return slab()


@pytest.fixture(scope="module")
def luna16(patient, tmp_path_factory):
    """Two scans with two nodules each, and lung labels that end 20 mm below the top; a third that is cut off."""
    folder = tmp_path_factory.mktemp("luna16")
    lungs = patient.lungs.copy()
    lungs[-8:] = 0
    for uid, subset in LUNA16.items():
        write_luna16_scan(folder, uid, subset, patient.volume, lungs)
    write_luna16_tables(folder, [CohortScan(uid, folder, None, (SMALL, LARGE), "LUNA16") for uid in LUNA16])
    raw = folder / "subset1" / "1.2.11.raw"
    raw.write_bytes(raw.read_bytes()[:1000])
    return folder


@pytest.fixture(scope="module")
def bowl(patient, tmp_path_factory):
    """Four patients of the training set, one of the validation set."""
    folder = tmp_path_factory.mktemp("bowl")
    for name in BOWL:
        write_dsb2017_patient(folder, name, patient.volume)
    training = [CohortScan(name, folder, label, (), "") for name, label in BOWL.items() if name != "va"]
    write_dsb2017_tables(folder, training)
    (folder / "stage1_solution.csv").write_text("id,cancer,Usage\nva,1,Public\n")
    (folder / "nodule_labels.csv").write_text("id,x_lps_mm,y_lps_mm,z_lps_mm,diameter_mm\naa,60,0,-20,5.9\n")
    return folder


def run(*arguments):
    parser = argparse.ArgumentParser()
    add_train(parser.add_subparsers(dest="command"))
    parsed = parser.parse_args(["train", *map(str, arguments)])
    return parsed.run(parsed, Stop())


def prepare(data, *arguments):
    return run("prepare", "--data", data, "--progress", "none", *arguments)


def outcomes(data):
    with (data / "labels.csv").open(newline="") as file:
        return {row["id"]: row["cancer"] for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A scan, its nodules and an exclusion region as files."""
    folder = tmp_path_factory.mktemp("files")
    write_volume(chest().volume, folder / "chest.nrrd", compressed=False)
    spheres = [(*nodule.center_lps_mm, nodule.diameter_mm) for nodule in chest().nodules]
    rows = "\n".join("chest," + ",".join(map(str, sphere)) for sphere in spheres)
    (folder / "nodules.csv").write_text(f"id,x_lps_mm,y_lps_mm,z_lps_mm,diameter_mm\n{rows}\nother,0,0,0,9\n")
    (folder / "excluded.csv").write_text("id,x_lps_mm,y_lps_mm,z_lps_mm,radius_mm\nchest,10,20,30,40\n")
    return folder


@pytest.fixture(scope="module")
def store(files):
    lists = ("--nodules", files / "nodules.csv", "--exclusion-regions", files / "excluded.csv")
    assert "Not among these scans: other" in prepare(files / "store", files / "chest.nrrd", *lists)
    return files / "store"


def test_a_prepared_case_has_its_nodules_where_they_are_in_the_image(store):
    case = CaseStore(store).case(0)
    for box, nodule in zip(case.nodules, chest().nodules, strict=True):
        x, y, z, _ = case.scan.kji_to_lps @ [*box[:3], 1]
        assert (x, y, z) == pytest.approx(nodule.center_lps_mm)
        assert box[3] == pytest.approx(nodule.diameter_mm, rel=1e-3)
        if nodule.kind == "solid":
            assert case.scan.image[tuple(np.rint(box[:3]).astype(int))] > 130
    (k, j, i, radius) = case.exclusion_regions[0]
    assert (case.scan.kji_to_lps @ [k, j, i, 1])[:3] == pytest.approx((10, 20, 30))
    assert radius == pytest.approx(40, rel=1e-3)


def test_a_nodule_outside_the_lungs_is_refused_with_a_hint_at_ras(files, tmp_path):
    (tmp_path / "far.csv").write_text("id,x_lps_mm,y_lps_mm,z_lps_mm,diameter_mm\nchest,0,0,900,9\n")
    with pytest.raises(UsageError, match=r"nodule at \(0, 0, 900\).*not RAS"):
        prepare(tmp_path / "store", files / "chest.nrrd", "--nodules", tmp_path / "far.csv")


def test_nothing_to_prepare_is_said(tmp_path):
    with pytest.raises(UsageError, match="--synthetic N"):
        prepare(tmp_path / "store")


def test_patients_of_a_bank_are_cases_too(store, tmp_path):
    write_bank(tmp_path)
    options = ["--scans", store, "--bank", tmp_path, "--leak", 0.5]
    message = prepare(tmp_path / "rated", "--rated", 1, *options, "--seed", 1)
    rated = CaseStore(tmp_path / "rated")
    (name,) = rated.names
    assert name in ("rated-1-0", "rated-P-1", "rated-P-2")
    assert f"{name}:" in message
    assert (tmp_path / "rated" / "labels.csv").read_text().splitlines()[1] in (f"{name},0", f"{name},1")
    assert len(rated.nodules[0]) <= 1
    with pytest.raises(UsageError, match="give both"):
        prepare(tmp_path / "rated", "--rated", 1)
    with pytest.raises(UsageError, match="is of preset DEFAULT"):
        prepare(tmp_path / "others", "--rated", 1, *options, "--preset", "PAPER")


def test_synthetic_patients_are_cases_too(tmp_path):
    message = prepare(tmp_path / "store", "--synthetic", 1, "--seed", 4)
    store = CaseStore(tmp_path / "store")
    assert store.names == ("synthetic-4-0",)
    case = store.case(0)
    assert f"{len(store.nodules[0])} nodules" in message
    assert case.lungs.labels.shape == case.scan.image.shape
    header, row = (tmp_path / "store" / "labels.csv").read_text().splitlines()
    assert header == "id,cancer"
    assert row in ("synthetic-4-0,0", "synthetic-4-0,1")


@pytest.fixture(scope="module")
def joined(luna16, bowl, tmp_path_factory):
    """The training sets of both, and what was said."""
    data = tmp_path_factory.mktemp("data") / "training"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PRESETS, "DEFAULT", tiny())
        return data, prepare(data, "--dataset", luna16, "--dataset", bowl, "--part", "training")


def test_the_training_sets_of_both_are_joined_and_a_broken_scan_costs_itself_alone(joined):
    data, message = joined
    assert CaseStore(data).names == ("1.2.9", "1.2.10", "aa", "ab", "ac", "ad")
    assert "Left out: 1.2.11: " in message
    assert "1.2.11.mhd: cannot be read" in message
    assert outcomes(data) == {name: str(int(label)) for name, label in BOWL.items() if name != "va"}


def test_small_nodules_of_luna16_are_no_nodules_and_the_bowls_are(joined):
    case = read_case(joined[0], "1.2.9")
    (box,) = case.nodules
    assert (case.scan.kji_to_lps @ [*box[:3], 1])[:3] == pytest.approx(LARGE.center_lps_mm)
    assert box[3] * case.scan.spacing_mm == pytest.approx(LARGE.diameter_mm)
    assert len(read_case(joined[0], "aa").nodules) == 1


def test_the_lungs_of_luna16_are_the_challenges_own(joined):
    tops_mm = []
    for name in ("1.2.9", "ab"):
        case = read_case(joined[0], name)
        tops_mm.append((case.scan.kji_to_lps @ [*case.scan.lung_ends_kji[1], 1])[2])
        assert set(np.unique(case.lungs.labels)) == {0, 1, 2}
    assert tops_mm[1] - tops_mm[0] == pytest.approx(20, abs=3)


def test_a_run_that_was_stopped_goes_on_and_leaves_what_is_there(bowl, tmp_path, monkeypatch):
    data, kept = tmp_path / "data", train_prepare._kept

    def stopped_at_the_third(case, arguments):
        if case.name == "ac":
            raise Cancelled("Stopped.")
        return kept(case, arguments)

    monkeypatch.setattr(train_prepare, "_kept", stopped_at_the_third)
    with pytest.raises(Cancelled):
        prepare(data, "--dataset", bowl)
    before = {path: path.stat().st_mtime_ns for path in data.glob("*.npz")}
    monkeypatch.setattr(train_prepare, "_kept", kept)
    message = prepare(data, "--dataset", bowl)
    assert "already, and left as they are: 2 scans" in message
    assert CaseStore(data).names == tuple(BOWL)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert outcomes(data)["va"] == "1"


def test_training_and_validation_are_split_anew_and_train_a_detector(bowl, tmp_path):
    for part in ("training", "validation"):
        prepare(tmp_path / part, "--dataset", bowl, "--resplit", "--seed", 2, "--part", part)
    training, validation = (CaseStore(tmp_path / part).names for part in ("training", "validation"))
    assert len(validation) == 1
    assert set(training) | set(validation) == set(BOWL)
    assert "va" in training
    options = ("--steps", 1, "--patch", 32, "--batch", 1, "--precision", "fp32", "--progress", "none")
    stores = ("--data", tmp_path / "training", "--validation", tmp_path / "validation")
    assert "The detector's model is in" in run("detector", *stores, "--out", tmp_path / "run", *options)


def test_where_no_scan_can_be_read_the_first_reason_is_the_error(tmp_path):
    (tmp_path / "annotations.csv").write_text("seriesuid,coordX,coordY,coordZ,diameter_mm\n")
    (tmp_path / "subset4").mkdir()
    (tmp_path / "subset4" / "1.2.3.mhd").write_text("hello")
    with pytest.raises(CTReadError, match=r"1\.2\.3\.mhd"):
        prepare(tmp_path / "data", "--dataset", tmp_path)


def test_what_the_tables_name_and_is_not_there_is_told(bowl, tmp_path):
    for name in ("stage1", "stage1_solution.csv"):
        (tmp_path / name).symlink_to(bowl / name)
    (tmp_path / "stage1_labels.csv").write_text((bowl / "stage1_labels.csv").read_text() + "zz,1\n")
    message = prepare(tmp_path / "data", "--dataset", tmp_path, "--part", "validation")
    assert f"Named by tables and not in {tmp_path}: zz" in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--dataset", "."), "is neither LUNA16"),
        (("--part", "training"), "--part and --resplit choose among the scans of a --dataset"),
        (("--resplit",), "--dataset"),
        (("--bank", "bank"), "--rated N"),
        (("--leak", "0.1"), "--rated N"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.nrrd").touch()
    with pytest.raises(UsageError, match=message):
        prepare(tmp_path / "data", tmp_path / "a.nrrd", *arguments)


def test_a_part_that_is_not_there_is_refused(luna16, tmp_path):
    with pytest.raises(UsageError, match="No scan is of the part 'validation'; there are subset0, subset1, training"):
        prepare(tmp_path / "data", "--dataset", luna16, "--part", "validation")
