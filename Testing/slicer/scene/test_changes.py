"""How a shown case changes and goes."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed")
import slicer
import slicer.util

from LungCancerDxLib.slicer.scene import segmentation
from LungCancerDxLib.slicer.scene.build import remove, show_case, update
from LungCancerDxLib.slicer.scene.ct import volume_node
from LungCancerDxLib.slicer.scene.nodules import UNCLASSIFIED
from Testing.slicer.scene import reading
from Testing.slicer.scene.made_case import SCORE_NAME, made_case


def test_an_overrule_changes_what_depends_on_it(scene):
    made = made_case()
    nodes = reading.shown(scene, made)
    classified = tuple(replace(n, malignancy=0.9) if n.rank == 3 else n for n in made.result.nodules)
    overruled = replace(made.result, nodules=classified).rescored([2, 3])
    before = reading.node_ids(scene)
    update(scene, nodes, overruled)
    assert reading.node_ids(scene) == before
    assert reading.labels(nodes.markups) == ["1: 0.63", "2: 0.20", "3: 0.90"]
    assert reading.selected(nodes.markups) == [False, True, True]
    assert np.isnan(reading.measurements(nodes.markups)["contribution"][0])
    assert [row[1] for row in reading.table_rows(nodes.table)[1:]] == ["no", "yes", "yes"]
    assert nodes.case.GetText() == overruled.to_json()
    assert f"LungCancerDx: {overruled.case.score:.2f} - {SCORE_NAME}" in reading.hierarchy(scene)
    assert f"{overruled.case.score:.2f}" in nodes.summary.GetText()


def test_an_update_recolours_segments_and_follows_points_that_come_and_go(scene):
    made = made_case()
    nodes = reading.shown(scene, made)
    unknown = replace(made.result.nodules[0], malignancy=None)
    update(scene, nodes, replace(made.result, nodules=(unknown,)))
    assert reading.labels(nodes.markups) == ["1"]
    assert nodes.segmentation.GetSegmentation().GetSegment("Nodule_1").GetColor() == pytest.approx(UNCLASSIFIED)
    update(scene, nodes, made.result)
    np.testing.assert_allclose(
        reading.world_points_ras_mm(nodes.markups), reading.centres_ras_mm(made.result), atol=0.01
    )


@pytest.mark.parametrize("is_edited", [False, True])
def test_an_outline_that_a_nodule_has_lost_goes_but_not_the_users_own(scene, is_edited):
    nodes = reading.shown(scene, made_case())
    if is_edited:
        nodes.segmentation.GetSegmentation().GetSegment("Nodule_1").SetTag("LungCancerDx.Made", "another")
    segmentation.remove_outlines(nodes.segmentation, {1, 3})
    left = {"LeftLung", "RightLung", "Nodule_2"} | ({"Nodule_1"} if is_edited else set())
    assert set(segmentation.segment_ids(nodes.segmentation)) == left


def test_what_the_user_deleted_stays_away(scene):
    made = made_case()
    nodes = reading.shown(scene, made)
    scene.RemoveNode(nodes.table)
    update(scene, nodes, made.result)
    assert nodes.table.GetScene() is None


def test_a_removed_case_leaves_nothing_but_the_ct(scene):
    made = made_case()
    ct = volume_node(scene, made.volume, "CT")
    before = reading.node_ids(scene)
    nodes = show_case(scene, made.result, ct)
    nodes.markups.AddDefaultStorageNode()
    nodes.segmentation.AddDefaultStorageNode()
    remove(scene, nodes)
    assert reading.node_ids(scene) == before
    assert reading.hierarchy(scene) == {"CT": "Scene"}
    remove(scene, nodes)


def test_removing_a_case_spares_what_the_user_put_into_its_folder(scene):
    made = made_case()
    nodes = reading.shown(scene, made)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folder = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(nodes.case))
    note = scene.AddNewNodeByClass("vtkMRMLTextNode", "Note")
    hierarchy.CreateItem(folder, note)
    remove(scene, nodes)
    assert note.GetScene() is scene
    assert set(reading.hierarchy(scene)) == {"CT", f"LungCancerDx: 0.72 - {SCORE_NAME}", "Note"}


def test_an_outline_that_the_user_changes_while_others_are_still_added_is_told(scene):
    made = made_case()
    ct = volume_node(scene, made.volume, "CT")
    node = segmentation.add_segmentation(scene, ct, "outlines")
    for _ in segmentation.fill_segmentation(node, ct, made.result, made.lungs, made.nodule_labels):
        pass
    assert segmentation.edited_segments(node) == []
    node.GetSegmentation().RemoveAllSegments()
    for _ in segmentation.fill_segmentation(node, ct, made.result, made.lungs, made.nodule_labels):
        if segmentation.segment_ids(node) == ("LeftLung", "RightLung", "Nodule_1"):
            layer = node.GetSegmentation().GetSegment("Nodule_1").GetRepresentation("Binary labelmap")
            slicer.util.arrayFromSegmentInternalBinaryLabelmap(node, "Nodule_1")[:] = 0
            layer.Modified()
    assert segmentation.edited_segments(node) == ["Nodule_1", "Nodule_2"]  # both are of one layer


def test_what_was_just_made_is_not_searched_for_changes(scene, monkeypatch):
    nodes = reading.shown(scene, made_case())
    monkeypatch.setattr(segmentation.ndimage, "find_objects", lambda *_: pytest.fail("searched"))
    assert segmentation.edited_segments(nodes.segmentation) == []
