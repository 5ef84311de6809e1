"""The files of a result: on the CT's own grid, whole, and as the contract says."""

import json
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from LungCancerDxLib.case import Case, CaseResult, Nodule
from LungCancerDxLib.errors import CTReadError
from LungCancerDxLib.io import image_file, read_ct
from LungCancerDxLib.io.image_file import write_volume
from LungCancerDxLib.io.result_folder import read_result, write_result
from LungCancerDxLib.volume import index_to_world
from Testing.helpers import CASE_KEYS, check_case_contract, chest, reoriented, rotated, rotation

TILT = rotation(15, (1, 2, 3))
STORED = {
    "straight": lambda volume: volume,
    "permuted": lambda volume: reoriented(volume, (2, 0, 1), (False, True, True)),
    "oblique": lambda volume: rotated(volume, TILT),
}


def result(lung_labels=None):
    case = Case(0.5, "cancer probability", "leaky-noisy-or", 0.01, 0.1, 0, None, None, 1)
    return CaseResult(
        software={"name": "LungCancerDx", "version": "0"},
        model=dict.fromkeys(CASE_KEYS["model"].split(), "x"),
        run=dict.fromkeys(CASE_KEYS["run"].split(), "x"),
        input={"path": None, "series_uid": None, "shape_kji": [1, 2, 3], "spacing_mm_kji": [1.0, 2.0, 3.0]},
        case=case,
        lungs=dict.fromkeys(CASE_KEYS["lungs"].split(), 1.0),
        nodules=(Nodule(1, "detected", (1.0, 2.0, 3.0), malignancy=0.5, scored=True),),
        timing_s={"total": 1.0},
        warnings=("ein Wort mit Ümlaut",),
        lung_labels=lung_labels,
    )


@pytest.mark.slow
@pytest.mark.parametrize("stored", STORED)
def test_the_lungs_file_has_the_scans_geometry_with_the_left_lung_at_positive_x(tmp_path, stored):
    patient = chest()
    volume = STORED[stored](patient.volume)
    labels = STORED[stored](replace(patient.volume, voxels=patient.lungs.astype(np.int16))).voxels.astype(np.uint8)
    write_result(result(labels), volume, tmp_path)
    image = sitk.ReadImage(str(tmp_path / "lungs.nrrd"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), labels)
    for index_kji in ((0, 0, 0), (3, 17, 40), (60, 5, 9)):
        point = image.TransformContinuousIndexToPhysicalPoint([float(n) for n in index_kji[::-1]])
        np.testing.assert_allclose(point, index_to_world(volume.kji_to_lps, index_kji), atol=1e-4)
    straight_back = TILT if stored == "oblique" else np.eye(3)
    for label, sign in ((1, 1), (2, -1)):
        k, j, i = np.argwhere(labels == label).mean(axis=0)
        point = np.array(image.TransformContinuousIndexToPhysicalPoint([i, j, k])) @ straight_back
        assert sign * point[0] > 40


@pytest.mark.slow
@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("name", ["ct.nrrd", "ct.nii.gz", "ct.mha"])
def test_a_written_scan_is_read_as_the_same_scan(tmp_path, stored, name):
    volume = STORED[stored](chest().volume)
    write_volume(volume, tmp_path / name)
    again = read_ct(tmp_path / name)
    np.testing.assert_array_equal(again.voxels, volume.voxels)
    np.testing.assert_allclose(again.kji_to_lps, volume.kji_to_lps, atol=1e-3)  # NIfTI keeps single precision
    assert again.warnings == ()


def test_case_json_holds_exactly_the_keys_of_the_contract(tmp_path):
    write_result(result(), chest().volume, tmp_path)
    content = json.loads((tmp_path / "case.json").read_text(encoding="utf-8"))
    check_case_contract(content)
    assert content["nodules"][0]["logit"] is None
    assert content["warnings"] == ["ein Wort mit Ümlaut"]


def test_without_labels_there_is_no_lungs_file(tmp_path):
    write_result(result(), chest().volume, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["case.json"]


def test_a_number_that_is_none_is_not_written(tmp_path):
    broken = replace(result(), lungs={"left_volume_ml": float("nan")})
    with pytest.raises(ValueError, match="JSON"):
        write_result(broken, chest().volume, tmp_path)


def test_an_image_of_which_the_end_was_lost_is_noticed(tmp_path, monkeypatch):
    read = sitk.ReadImage

    def lose_the_end(name):
        array = sitk.GetArrayFromImage(read(name))
        array[-1] = 0
        return sitk.GetImageFromArray(array)

    monkeypatch.setattr(image_file.sitk, "ReadImage", lose_the_end)
    with pytest.raises(OSError, match=r"ct.nrrd could not be written whole"):
        write_volume(chest().volume, tmp_path / "ct.nrrd")


def test_an_image_that_cannot_be_written_is_an_os_error(tmp_path):
    with pytest.raises(OSError, match=r"ct.nrrd could not be written"):
        write_volume(chest().volume, tmp_path / "missing" / "ct.nrrd")


@pytest.mark.parametrize(
    ("kept", "why"),
    [(None, "no such file"), (60, "it is damaged or incomplete"), (-20, "it is damaged or incomplete")],
    ids=["missing", "cut in its header", "cut"],
)
@pytest.mark.parametrize("name", ["lungs.nrrd", "nodules.nrrd"])
def test_a_label_map_that_is_missing_or_cut_is_told_in_words(tmp_path, name, kept, why):
    volume = chest().volume
    labels = np.zeros(volume.shape_kji, np.uint8)
    model = {**result().model, "outcome": "none"}
    write_result(replace(result(labels), model=model, nodule_labels=labels), volume, tmp_path)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).unlink()
    if kept:
        (tmp_path / name).write_bytes(whole[:kept])
    with pytest.raises(CTReadError) as refused:
        read_result(tmp_path)
    cure = "copy the result again, or score the scan again."
    assert str(refused.value) == f"{tmp_path / name} cannot be read ({why}); {cure}"
