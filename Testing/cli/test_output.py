"""`score` with the scene: all files of the contract, and what is said where they cannot be had."""

import numpy as np
import pytest
import SimpleITK as sitk

from LungCancerDxLib import pipeline
from LungCancerDxLib.case import CaseResult
from LungCancerDxLib.cli import main, output
from LungCancerDxLib.cli.output import scene_is_wanted
from LungCancerDxLib.errors import UsageError
from LungCancerDxLib.io.image_file import write_volume
from LungCancerDxLib.io.result_folder import DICOM_FILES, REPORT_FILES, RESULT_FILES
from Testing.helpers import slab, tiny_model

pytestmark = pytest.mark.slow


@pytest.fixture
def installed(monkeypatch):
    """A function that says which packages seem to be missing."""

    def without(*missing):
        monkeypatch.setattr(output, "find_spec", lambda name: None if name in missing else True)

    return without


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What `score --scene` writes of the slab with the tiny model."""
    pytest.importorskip("slicer", reason="slicer-core is not installed")
    parent = tmp_path_factory.mktemp("scene")
    write_volume(slab().volume, parent / "ct.nrrd")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "find_model", lambda name: tiny_model())
        assert main(["score", str(parent / "ct.nrrd"), "--out", str(parent / "out"), "--scene"]) == 0
    return parent / "out"


def test_every_file_of_the_contract_is_written_but_for_those_that_are_asked_for(folder):
    asked_for = {*REPORT_FILES, *DICOM_FILES}
    assert {path.name for path in folder.iterdir()} == set(RESULT_FILES) - asked_for


def test_the_nodule_labels_of_the_file_and_of_the_segmentation_agree(folder):
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "nodules.nrrd")))
    result = CaseResult.from_json((folder / "case.json").read_text())
    measured = {nodule.rank for nodule in result.nodules if nodule.volume_mm3 is not None}
    assert measured
    assert set(np.unique(labels)) - {0} == measured
    header = (folder / "segmentation.seg.nrrd").read_bytes().partition(b"\n\n")[0].decode()
    for nodule in result.nodules:
        assert (f"Name:=Nodule {nodule.rank}\n" in header) == (nodule.rank in measured)


def test_the_scene_opens_again_with_the_ct_and_the_nodules_where_they_are(folder):
    from LungCancerDxLib.slicer.scene.build import find_cases
    from LungCancerDxLib.slicer.scene.files import own_scene
    from Testing.slicer.scene.reading import centres_ras_mm, volume, world_points_ras_mm

    result = CaseResult.from_json((folder / "case.json").read_text())
    with own_scene() as scene:
        scene.SetURL(str(folder / "scene.mrb"))
        assert scene.ReadFromMRB(str(folder / "scene.mrb"))
        (case,) = find_cases(scene)
        np.testing.assert_allclose(world_points_ras_mm(case.markups), centres_ras_mm(result), atol=0.01)
        np.testing.assert_array_equal(volume(case.ct).canonical().voxels, slab().volume.canonical().voxels)


def test_without_the_packages_the_rest_is_written_and_one_line_says_what_is_missing(
    tmp_path, installed, monkeypatch, capsys
):
    installed("slicer")
    monkeypatch.setattr(pipeline, "find_model", lambda name: tiny_model())
    write_volume(slab().volume, tmp_path / "ct.nrrd")
    assert main(["score", str(tmp_path / "ct.nrrd"), "--out", str(tmp_path / "out")]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["case.json", "lungs.nrrd", "nodules.nrrd"]
    lines = [line for line in capsys.readouterr().out.splitlines() if "left out" in line]
    assert len(lines) == 1
    assert "pip install 'lungcancerdx[scene]'" in lines[0]


def test_a_scene_that_is_asked_for_and_cannot_be_had_is_refused_before_any_work(tmp_path, installed, capsys):
    installed("vtk", "matplotlib")
    assert main(["score", str(tmp_path / "ct.nrrd"), "--out", str(tmp_path / "out"), "--scene"]) == 2
    assert "--scene needs vtk, matplotlib, not installed here" in capsys.readouterr().err


@pytest.mark.parametrize("missing", [(), ("slicer",)])
def test_no_scene_is_a_choice(installed, missing):
    installed(*missing)
    assert scene_is_wanted(False) is False


def test_by_default_there_is_a_scene_where_there_can_be_one(installed):
    installed()
    assert scene_is_wanted(None) is True
    installed("matplotlib")
    assert scene_is_wanted(None) is False
    with pytest.raises(UsageError):
        scene_is_wanted(True)


@pytest.mark.parametrize("package", ["slicer", "vtk", "matplotlib"])
def test_each_package_of_the_scene_is_looked_for(installed, package):
    installed(package)
    with pytest.raises(UsageError, match=f"--scene needs {package}, not installed here"):
        scene_is_wanted(True)
