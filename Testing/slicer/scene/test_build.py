"""Where a case's results lie in a scene: on any grid, under any linear transform."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed")
import SimpleITK as sitk
import slicer
import slicer.util
import vtk

from LungCancerDxLib.errors import LungCancerDxError
from LungCancerDxLib.slicer.scene.build import show_case
from LungCancerDxLib.slicer.scene.ct import volume_node, write_ct
from Testing.slicer.scene import reading
from Testing.slicer.scene.made_case import affine, made_case

GRIDS = {
    "anisotropic": affine((3.0, 0.8, 1.3)),
    "flipped": affine(flipped_kji=(True, False, False)),
    "flipped twice": affine(flipped_kji=(False, True, True)),
    "oblique": affine((2.0, 1.2, 1.4), (17.0, -8.0, 31.0)),
    "oblique and flipped": affine(
        (2.0, 1.2, 1.4), rotation_degrees=(-40.0, 5.0, 12.0), flipped_kji=(True, True, False)
    ),
}


def linear_transform(scene):
    """A turn about an oblique axis and a shift; returns the node and its matrix."""
    transform = vtk.vtkTransform()
    transform.Translate(12.5, -40.25, 7.0)
    transform.RotateWXYZ(33.0, 0.3, -0.5, 0.8)
    node = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Registration")
    node.SetMatrixTransformToParent(transform.GetMatrix())
    return node, slicer.util.arrayFromVTKMatrix(transform.GetMatrix())


def lungs_middle_ras_mm(made):
    middle = np.argwhere(made.lungs).mean(axis=0)
    return (made.volume.kji_to_lps @ (*middle, 1))[:3] * (-1, -1, 1)


@pytest.mark.parametrize("grid", GRIDS)
def test_a_point_lies_at_its_nodules_centre_on_any_grid(scene, grid):
    made = made_case(GRIDS[grid])
    nodes = reading.shown(scene, made)
    np.testing.assert_allclose(
        reading.world_points_ras_mm(nodes.markups), reading.centres_ras_mm(made.result), atol=0.01
    )


@pytest.mark.parametrize("grid", GRIDS)
def test_the_ct_has_its_voxels_where_the_volume_has_them(scene, grid):
    volume = made_case(GRIDS[grid]).volume
    node = volume_node(scene, volume, "CT")
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    k, j, i = 5, 7, 11
    lps = volume.kji_to_lps @ (k, j, i, 1)
    np.testing.assert_allclose(matrix.MultiplyPoint((i, j, k, 1))[:3], lps[:3] * (-1, -1, 1), atol=1e-6)
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(node), volume.voxels)


@pytest.mark.slow
@pytest.mark.parametrize("grid", GRIDS)
def test_segments_have_the_voxels_of_their_labels(scene, grid):
    made = made_case(GRIDS[grid])
    nodes = reading.shown(scene, made)
    expected = {"LeftLung": made.lungs == 1, "RightLung": made.lungs == 2}
    expected |= {f"Nodule_{rank}": made.nodule_labels == rank for rank in (1, 2)}
    assert list(reading.segments(nodes.segmentation)) == list(expected)
    for segment, mask in expected.items():
        np.testing.assert_array_equal(reading.segment_voxels(nodes.segmentation, segment, nodes.ct), mask)


def test_results_follow_the_linear_transform_of_their_ct(scene):
    made = made_case(GRIDS["oblique"])
    ct = volume_node(scene, made.volume, "CT")
    transform, matrix = linear_transform(scene)
    ct.SetAndObserveTransformNodeID(transform.GetID())
    nodes = show_case(scene, made.result, ct)
    centres = reading.centres_ras_mm(made.result)
    np.testing.assert_allclose(
        reading.world_points_ras_mm(nodes.markups), centres @ matrix[:3, :3].T + matrix[:3, 3], atol=0.01
    )
    assert nodes.segmentation.GetParentTransformNode() is transform
    np.testing.assert_array_equal(reading.segment_voxels(nodes.segmentation, "Nodule_1", ct), made.nodule_labels == 1)
    bounds = np.zeros(6)
    nodes.segmentation.GetRASBounds(bounds)
    middle = lungs_middle_ras_mm(made) @ matrix[:3, :3].T + matrix[:3, 3]
    assert (bounds[::2] < middle).all()
    assert (middle < bounds[1::2]).all()


def test_a_non_linear_transform_is_refused_in_words_and_nothing_is_added(scene):
    made = made_case()
    ct = volume_node(scene, made.volume, "CT")
    warp = scene.AddNewNodeByClass("vtkMRMLGridTransformNode", "Warp")
    ct.SetAndObserveTransformNodeID(warp.GetID())
    before = reading.node_ids(scene)
    with pytest.raises(LungCancerDxError, match=r"CT is under the non-linear transform Warp.*[Hh]arden"):
        show_case(scene, made.result, ct)
    assert reading.node_ids(scene) == before


@pytest.mark.parametrize("wrong", [lambda a: a[1:], lambda a: a.astype(np.int16)])
def test_labels_off_the_grid_are_refused(scene, wrong):
    made = made_case()
    ct = volume_node(scene, made.volume, "CT")
    with pytest.raises(LungCancerDxError, match="grid of the CT"):
        show_case(scene, replace(made.result, lung_labels=wrong(made.lungs)), ct)


@pytest.mark.parametrize("grid", GRIDS)
def test_a_ct_is_written_as_it_lies_in_the_world(scene, tmp_path, grid):
    volume = made_case(GRIDS[grid]).volume
    ct = volume_node(scene, volume, "CT")
    transform, matrix = linear_transform(scene)
    ct.SetAndObserveTransformNodeID(transform.GetID())
    for _ in write_ct(ct, tmp_path / "ct.nrrd"):
        pass
    image = sitk.ReadImage(str(tmp_path / "ct.nrrd"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), volume.voxels)
    to_lps = np.diag([-1.0, -1.0, 1.0, 1.0])
    k, j, i = 5, 7, 11
    expected = to_lps @ matrix @ to_lps @ volume.kji_to_lps @ (k, j, i, 1)
    np.testing.assert_allclose(image.TransformIndexToPhysicalPoint((i, j, k)), expected[:3], atol=1e-9)
