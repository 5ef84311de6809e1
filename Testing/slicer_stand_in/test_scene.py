"""The scene behaves as in the application, and the widgets follow it."""

import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed")
pytest.importorskip("PySide6.QtUiTools", exc_type=ImportError)
import slicer
import slicer.util

from Testing.slicer_stand_in.sample_module import SAMPLE, add_volume


@pytest.fixture
def selector(slicer_app):
    return slicer_app.load_module(SAMPLE).ui.inputSelector


def test_the_views_are_there_and_jump_together(slicer_app):
    slicer.vtkMRMLSliceNode.JumpAllSlices(slicer_app.scene, 10.0, 20.0, 30.0, slicer.vtkMRMLSliceNode.CenteredJumpSlice)
    nodes = [slicer_app.scene.GetNodeByID(f"vtkMRMLSliceNode{name}") for name in ("Red", "Green", "Yellow")]
    assert [node.GetSliceOffset() for node in nodes] == pytest.approx([30, 20, -10])  # sagittal counts to the left
    assert slicer_app.scene.GetFirstNodeByClass("vtkMRMLViewNode") is not None


def test_an_active_volume_reaches_all_slice_views(slicer_app):
    volume = add_volume()
    slicer.app.applicationLogic().GetSelectionNode().SetActiveVolumeID(volume.GetID())
    slicer.app.applicationLogic().PropagateVolumeSelection()
    composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    assert {node.GetBackgroundVolumeID() for node in composites} == {volume.GetID()}
    assert len(composites) == 3


def test_nodes_have_items_in_the_subject_hierarchy_by_themselves(slicer_app):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer_app.scene)
    volume = add_volume()
    item = hierarchy.GetItemByDataNode(volume)
    assert hierarchy.GetItemParent(item) == hierarchy.GetSceneItemID()
    slicer_app.scene.RemoveNode(volume)
    assert hierarchy.GetItemLevel(item) == ""


def test_closing_the_scene_keeps_views_and_a_fresh_parameter_node(slicer_app):
    widget = slicer_app.load_module(SAMPLE)
    volume, first = add_volume(), widget._parameterNode
    first.inputVolume = volume
    slicer_app.close_scene()
    assert slicer_app.scene.GetNodeByID("vtkMRMLSliceNodeRed") is not None
    assert widget._parameterNode is not first
    assert widget._parameterNode.parameterNode.GetAttribute("ModuleName") == "Sample"
    assert (widget._parameterNode.inputVolume, widget._parameterNode.title) == (None, "nothing")
    assert widget.ui.inputSelector.currentNode() is None
    assert not widget.ui.applyButton.enabled


def test_a_selector_follows_nodes_that_come_are_renamed_and_go(selector, slicer_app):
    assert selector.nodeCount() == 0
    first, second = add_volume("first"), add_volume("second")
    slicer_app.scene.AddNewNodeByClass("vtkMRMLModelNode", "no volume")
    assert [selector.nodeFromIndex(n).GetName() for n in range(selector.nodeCount())] == ["first", "second"]
    assert selector.currentNode() is None
    selector.setCurrentNode(second)
    first.SetName("renamed")
    slicer_app.scene.RemoveNode(second)
    assert selector.currentNode() is first


def test_a_selector_without_none_always_has_a_node(selector):
    selector.noneEnabled = False
    changes = []
    selector.currentNodeChanged.connect(changes.append)
    volume = add_volume()
    assert selector.currentNode() is volume
    assert changes == [volume]


def test_a_selector_shows_what_it_is_told_to(selector, slicer_app):
    volume = add_volume()
    slicer_app.scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
    assert selector.nodeCount() == 2
    selector.showChildNodeTypes = False
    assert selector.nodeCount() == 1
    volume.SetHideFromEditors(True)
    add_volume("other").SetAttribute("Kind", "CT")
    selector.addAttribute("vtkMRMLScalarVolumeNode", "Kind", "CT")
    assert [selector.nodeFromIndex(n).GetName() for n in range(selector.nodeCount())] == ["other"]


def test_placing_points_goes_by_the_interaction_node(slicer_app):
    place = slicer_app.load_module(SAMPLE).ui.placeWidget
    modes = []
    place.activeMarkupsPlaceModeChanged.connect(modes.append)
    place.setPlaceModeEnabled(True)
    assert not place.placeModeEnabled
    markups = slicer_app.scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode")
    place.setCurrentNode(markups)
    place.setPlaceModeEnabled(True)
    interaction = slicer.app.applicationLogic().GetInteractionNode()
    assert interaction.GetCurrentInteractionMode() == slicer.vtkMRMLInteractionNode.Place
    assert slicer.app.applicationLogic().GetSelectionNode().GetActivePlaceNodeID() == markups.GetID()
    interaction.SetCurrentInteractionMode(slicer.vtkMRMLInteractionNode.ViewTransform)
    assert modes == [True, False]
    assert not place.placeModeEnabled


def test_nodes_are_saved_and_loaded_by_slicer_util(slicer_app, tmp_path):
    assert slicer.util.saveNode(add_volume("CT", 5), str(tmp_path / "CT.nrrd"))
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    loaded = slicer.util.loadVolume(tmp_path / "CT.nrrd")
    assert slicer.util.arrayFromVolume(loaded).mean() == 5
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    assert [node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")] == ["CT"]
    with pytest.raises(RuntimeError, match="Failed to load"):
        slicer.util.loadVolume(tmp_path / "absent.nrrd")


def test_modules_of_slicer_have_their_logic(slicer_app):
    assert slicer.modules.markups.logic().GetClassName() == "vtkSlicerMarkupsLogic"
    assert slicer.util.getModuleLogic("Segmentations") is slicer.modules.segmentations.logic()
    assert slicer.modules.markups.logic().AddNewFiducialNode("points", slicer_app.scene)
