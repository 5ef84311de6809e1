"""The files of a case, opened again."""

import json
import os
import signal
import sys
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed")
import SimpleITK as sitk
import slicer
import slicer.util

from LungCancerDxLib.case import CaseResult
from LungCancerDxLib.slicer.scene.build import find_cases, show_case, update
from LungCancerDxLib.slicer.scene.ct import volume_node
from LungCancerDxLib.slicer.scene.files import own_scene, save_scene_files
from LungCancerDxLib.slicer.scene.validity import caveats
from LungCancerDxLib.volume import CTVolume, index_to_world
from Testing.slicer.scene import reading
from Testing.slicer.scene.made_case import affine, made_case

OBLIQUE = affine((2.0, 1.2, 1.4), rotation_degrees=(17.0, -8.0, 31.0), flipped_kji=(True, False, False))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The made case and the folder that its files were written to."""
    made = made_case(OBLIQUE)
    folder = tmp_path_factory.mktemp("case")
    assert save_scene_files(made.result, folder) is None
    return made, folder


def node_list(scene):
    """Class and name of what a scene is about: everything shown or stored."""
    nodes = [scene.GetNthNode(n) for n in range(scene.GetNumberOfNodes())]
    shown = [n for n in nodes if n.IsA("vtkMRMLStorableNode") and n.GetSaveWithScene() and not n.GetHideFromEditors()]
    return sorted((n.GetClassName(), n.GetName()) for n in shown)


def on_grid(mask, kji_to_lps):
    return CTVolume(mask.astype(np.int16), kji_to_lps)


def assert_same(found, expected):
    """The same voxels at the same places; Slicer turns left-handed grids round when it reads them."""
    found, expected = found.canonical(), expected.canonical()
    np.testing.assert_allclose(found.kji_to_lps, expected.kji_to_lps, atol=1e-4)
    np.testing.assert_array_equal(found.voxels, expected.voxels)


def test_exactly_the_three_files_are_written(saved):
    _, folder = saved
    assert {path.name for path in folder.iterdir()} == {"nodules.mrk.json", "segmentation.seg.nrrd", "scene.mrb"}


def test_the_scene_opened_again_is_the_scene_that_was_saved(saved, scene):
    made, folder = saved
    with own_scene() as original:
        nodes = show_case(original, made.result, volume_node(original, made.volume, "made"))
        expected_nodes, expected_hierarchy = node_list(original), reading.hierarchy(original)
        expected_table, expected_labels = reading.table_rows(nodes.table), reading.labels(nodes.markups)
        expected_measurements = reading.measurements(nodes.markups)
        expected_segments = reading.segments(nodes.segmentation)
        expected_descriptions = reading.descriptions(nodes.markups)
    assert scene.ReadFromMRB(str(folder / "scene.mrb"), True)
    (opened,) = find_cases(scene)
    assert node_list(scene) == expected_nodes
    assert reading.hierarchy(scene) == expected_hierarchy
    assert reading.table_rows(opened.table) == expected_table
    assert reading.labels(opened.markups) == expected_labels
    assert reading.descriptions(opened.markups) == expected_descriptions
    np.testing.assert_equal(reading.measurements(opened.markups), expected_measurements)
    assert reading.segments(opened.segmentation) == expected_segments
    expected_points = reading.centres_ras_mm(made.result)
    np.testing.assert_allclose(reading.world_points_ras_mm(opened.markups), expected_points, atol=0.01)
    assert_same(reading.volume(opened.ct), made.volume)
    for segment, mask in {"LeftLung": made.lungs == 1, "Nodule_2": made.nodule_labels == 2}.items():
        found = reading.segment_voxels(opened.segmentation, segment, opened.ct)
        assert_same(on_grid(found, reading.grid_kji_to_lps(opened.ct)), on_grid(mask, made.volume.kji_to_lps))
    assert CaseResult.from_json(opened.case.GetText()) == made.result


@pytest.mark.parametrize("flipped", [(False,) * 3, (True, False, False), (False, True, True), (True, True, True)])
def test_an_opened_case_lies_where_it_was_made_whatever_the_order_of_its_voxels(tmp_path, scene, flipped):
    made = made_case(affine(flipped_kji=flipped))
    save_scene_files(made.result, tmp_path)
    scene.ReadFromMRB(str(tmp_path / "scene.mrb"), True)
    (opened,) = find_cases(scene)
    assert caveats(opened) == ()
    assert_same(reading.volume(opened.ct), made.volume)


def test_an_opened_case_can_be_overruled(saved, scene):
    _, folder = saved
    scene.ReadFromMRB(str(folder / "scene.mrb"), True)
    (opened,) = find_cases(scene)
    update(scene, opened, CaseResult.from_json(opened.case.GetText()).rescored([2]))
    assert reading.selected(opened.markups) == [False, True, False]


def test_the_opened_scene_shows_the_ct_at_the_first_nodule(saved, scene):
    _, folder = saved
    scene.ReadFromMRB(str(folder / "scene.mrb"), True)
    (opened,) = find_cases(scene)
    for view in ("Red", "Green", "Yellow"):
        composite = scene.GetNodeByID(f"vtkMRMLSliceCompositeNode{view}")
        assert composite.GetBackgroundVolumeID() == opened.ct.GetID()
        to_slice = slicer.util.arrayFromVTKMatrix(scene.GetNodeByID(f"vtkMRMLSliceNode{view}").GetSliceToRAS())
        point = np.array([*reading.world_points_ras_mm(opened.markups)[0], 1.0])
        assert (np.linalg.inv(to_slice) @ point)[2] == pytest.approx(0, abs=0.01)
    display = opened.ct.GetScalarVolumeDisplayNode()
    assert (display.GetWindow(), display.GetLevel()) == (1500, -600)


def test_the_markups_file_holds_lps(saved):
    made, folder = saved
    (markups,) = json.loads((folder / "nodules.mrk.json").read_text())["markups"]
    assert markups["coordinateSystem"] == "LPS"
    points = [point["position"] for point in markups["controlPoints"]]
    np.testing.assert_allclose(points, [n.center_lps_mm for n in made.result.nodules], atol=0.01)


def test_the_segmentation_file_lies_on_the_ct(saved):
    made, folder = saved
    image = sitk.ReadImage(str(folder / "segmentation.seg.nrrd"), sitk.sitkVectorUInt8)
    assert image.GetSize() == made.volume.shape_kji[::-1]
    corners = {image.GetOrigin()[2], image.TransformIndexToPhysicalPoint([0, 0, image.GetSize()[2] - 1])[2]}
    ends = index_to_world(made.volume.canonical().kji_to_lps, np.array([[0, 0, 0], [image.GetSize()[2] - 1, 0, 0]]))
    np.testing.assert_allclose(sorted(corners), sorted(ends[:, 2]), atol=1e-4)


def test_a_file_that_cannot_be_written_is_an_error(tmp_path):
    made = made_case()
    with pytest.raises(OSError, match="could not be written"):
        save_scene_files(made.result, tmp_path / "not there")


@pytest.mark.parametrize(
    ("limit", "lost"), [(1000, "nodules.mrk.json"), (5000, "segmentation.seg.nrrd"), (20000, "scene.mrb")]
)
def test_a_full_disk_is_an_error(tmp_path, limit, lost):
    resource = pytest.importorskip("resource")
    made = made_case()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(OSError, match=f"{lost} could not be written"):
            save_scene_files(made.result, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


@pytest.mark.parametrize("path", ["/data/Zoë 1.2.3 (copy).nrrd", "a:b?.nii.gz", "", "/data/J\udcfcrgen.nrrd"])
def test_any_name_of_a_scan_survives(tmp_path, scene, path):
    made = made_case()
    volume = replace(made.volume, info={"path": path})
    save_scene_files(replace(made.result, volume=volume), tmp_path)
    assert scene.ReadFromMRB(str(tmp_path / "scene.mrb"), True)
    (opened,) = find_cases(scene)
    assert_same(reading.volume(opened.ct), volume)
    assert opened.markups.GetName() == f"{opened.ct.GetName()} nodules"


def test_names_in_messages_that_are_not_utf8_are_written_as_escapes(tmp_path, scene):
    made = made_case()
    model = {**made.result.model, "name": "M\udce4rz"}
    result = replace(made.result, warnings=("Left out slices: 1 (Sch\udce4del.dcm).",), model=model)
    save_scene_files(result, tmp_path)
    assert scene.ReadFromMRB(str(tmp_path / "scene.mrb"), True)
    (opened,) = find_cases(scene)
    assert r"(Sch\udce4del.dcm)" in opened.summary.GetText()
    assert r"M\udce4rz" in opened.summary.GetText()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such names")
def test_a_folder_whose_name_is_not_utf8_gets_its_files(tmp_path, saved):
    made, _ = saved
    folder = tmp_path / os.fsdecode(b"erg\xe4bnis")
    folder.mkdir()
    assert save_scene_files(made.result, folder) is None
    assert {path.name for path in folder.iterdir()} == {"nodules.mrk.json", "segmentation.seg.nrrd", "scene.mrb"}
