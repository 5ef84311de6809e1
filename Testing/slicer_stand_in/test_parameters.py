"""Parameters live in the parameter node, in widgets and in saved scenes."""

import enum
import sys
from typing import Annotated, Optional

import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed")
pytest.importorskip("PySide6.QtUiTools", exc_type=ImportError)
import slicer
import vtk

from Testing.slicer_stand_in.parameter_node_wrapper import WithinRange, parameterNodeWrapper
from Testing.slicer_stand_in.sample_module import SAMPLE, add_volume


def smoothing(member):
    return sys.modules["Sample"].Smoothing[member]


def test_choosing_in_a_widget_sets_the_parameter(slicer_app):
    widget = slicer_app.load_module(SAMPLE)
    ui, node, volume = widget.ui, widget._parameterNode, add_volume()
    ui.inputSelector.setCurrentNode(volume)
    ui.thresholdSlider.value = 250
    ui.stepsSpinBox.value = 5
    ui.titleEdit.text = "new"
    ui.verboseCheckBox.checked = True
    ui.deviceComboBox.currentText = "cpu"
    ui.smoothingComboBox.setCurrentText("STRONG")
    assert node.inputVolume is volume
    assert (node.threshold, node.steps, node.title, node.verbose) == (250.0, 5, "new", True)
    assert (node.device, node.smoothing) == ("cpu", smoothing("STRONG"))


def test_setting_a_parameter_shows_in_its_widget(slicer_app):
    widget = slicer_app.load_module(SAMPLE)
    ui, node, volume = widget.ui, widget._parameterNode, add_volume()
    node.inputVolume = volume
    node.threshold, node.steps, node.title, node.verbose = -40.0, 9, "set", True
    node.device, node.smoothing = "cpu", smoothing("STRONG")
    assert ui.inputSelector.currentNode() is volume
    assert ui.inputSelector.currentNodeID == volume.GetID()
    assert (ui.thresholdSlider.value, ui.stepsSpinBox.value, ui.titleEdit.text) == (-40, 9, "set")
    assert (ui.verboseCheckBox.checked, ui.deviceComboBox.currentText) == (True, "cpu")
    assert ui.smoothingComboBox.currentText == "STRONG"


def test_ranges_and_choices_of_widgets_come_from_the_parameters(slicer_app):
    ui = slicer_app.load_module(SAMPLE).ui
    assert (ui.thresholdSlider.minimum, ui.thresholdSlider.maximum) == (-1000, 1000)
    assert (ui.stepsSpinBox.minimum, ui.stepsSpinBox.maximum) == (1, 9)
    assert [ui.deviceComboBox.itemText(n) for n in range(ui.deviceComboBox.count)] == ["auto", "cpu"]


def test_one_change_in_a_widget_is_one_change_of_the_node(slicer_app):
    widget = slicer_app.load_module(SAMPLE)
    changes = []
    widget._parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda _caller, _event: changes.append(1))
    widget.ui.titleEdit.text = "new"
    assert len(changes) == 1


def test_a_disconnected_widget_no_longer_counts(slicer_app):
    widget = slicer_app.load_module(SAMPLE)
    node = widget._parameterNode
    node.disconnectGui(widget._guiTag)
    widget.ui.titleEdit.text = "unseen"
    assert node.title == "nothing"
    node.title = "unshown"
    assert widget.ui.titleEdit.text == "unseen"


def test_values_are_kept_as_slicer_keeps_them(slicer_app):
    widget = slicer_app.load_module(SAMPLE)
    node, volume = widget._parameterNode, add_volume()
    node.inputVolume, node.mask = volume, volume
    node.ranks, node.opinions = [3, 1], {"a": 0.5}
    kept = node.parameterNode
    assert kept.GetAttribute("ModuleName") == "Sample"
    assert kept.GetNodeReference("inputVolume") is kept.GetNodeReference("mask_0") is volume
    texts = {name: kept.GetParameter(name) for name in kept.GetParameterNames()}
    assert texts == {
        "inputVolume": "",
        "mask_0": "",
        "threshold": "100",
        "steps": "3",
        "verbose": "False",
        "title": "nothing",
        "device": "auto",
        "smoothing": "NONE",
        "ranks_len": "2",
        "ranks_0": "3",
        "ranks_1": "1",
        "opinions_len": "1",
        "opinions_0_0": "a",
        "opinions_0_1": "0.5",
        "point_0": "1.0",
        "point_1": "2.0",
    }


def test_saving_and_opening_a_scene_restores_parameters_and_widgets(slicer_app, tmp_path):
    widget = slicer_app.load_module(SAMPLE)
    node = widget._parameterNode
    node.inputVolume = node.mask = add_volume("CT")
    node.threshold, node.smoothing, node.ranks = 12.5, smoothing("STRONG"), [1, 2]
    node.opinions, node.point = {"a": 1.5, "b": 2.0}, (3.0, 4.0)
    slicer_app.save_scene(tmp_path / "scene.mrb")
    slicer_app.close_scene()
    assert widget._parameterNode.inputVolume is None
    assert widget.ui.thresholdSlider.value == 100
    slicer_app.open_scene(tmp_path / "scene.mrb")
    reopened = widget._parameterNode
    assert reopened.inputVolume is reopened.mask is slicer.util.getNode("CT")
    assert (reopened.threshold, reopened.smoothing, reopened.ranks) == (12.5, smoothing("STRONG"), [1, 2])
    assert (reopened.opinions, reopened.point) == ({"a": 1.5, "b": 2.0}, (3.0, 4.0))
    assert widget.ui.inputSelector.currentNode() is reopened.inputVolume
    assert widget.ui.smoothingComboBox.currentText == "STRONG"


def test_a_node_that_is_deleted_is_no_longer_the_parameter(slicer_app):
    widget = slicer_app.load_module(SAMPLE)
    widget._parameterNode.inputVolume = add_volume()
    slicer_app.scene.RemoveNode(widget._parameterNode.inputVolume)
    assert widget._parameterNode.inputVolume is None
    assert not widget.ui.applyButton.enabled


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("steps", 10, ValueError),
        ("steps", "3", TypeError),
        ("device", "gpu", ValueError),
        ("title", None, TypeError),
        ("smoothing", "STRONG", TypeError),
        ("ranks", ["1"], TypeError),
    ],
)
def test_a_value_that_is_not_allowed_is_refused(slicer_app, name, value, error):
    node = slicer_app.load_module(SAMPLE)._parameterNode
    before = getattr(node, name)
    with pytest.raises(error):
        setattr(node, name, value)
    assert getattr(node, name) == before


class Mode(enum.Enum):
    A = 1


def wrapped(annotation):
    return parameterNodeWrapper(type("Parameters", (), {"__annotations__": {"value": annotation}}))


def new_node():
    return slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")


def test_optional_values_are_none_or_a_value(slicer_app):
    node = wrapped(Optional[int])(new_node())  # noqa: UP045
    assert node.value is None
    node.value = 4
    assert node.value == 4
    node.value = None
    assert node.value is None


def test_a_union_by_bar_is_refused(slicer_app):
    with pytest.raises(TypeError, match="cannot hold"):
        wrapped(slicer.vtkMRMLScalarVolumeNode | None)


def test_a_slider_without_a_range_is_refused(slicer_app):
    import ctk
    import qt

    for annotation, widget in ((int, qt.QSlider()), (float, ctk.ctkSliderWidget())):
        with pytest.raises(RuntimeError, match="needs a parameter with a range"):
            wrapped(annotation)(new_node()).connectParametersToGui({"value": widget})


def test_a_widget_that_cannot_show_the_type_is_refused(slicer_app):
    import qt

    with pytest.raises(RuntimeError, match="Unable to create GUI connector"):
        wrapped(Mode)(new_node()).connectParametersToGui({"value": qt.QLineEdit()})
    with pytest.raises(ValueError, match="Cannot find a param"):
        wrapped(Mode)(new_node()).connectParametersToGui({"valeu": qt.QComboBox()})


def test_two_wrappers_of_one_node_keep_apart_by_their_prefix(slicer_app):
    node, cls = new_node(), wrapped(Annotated[int, WithinRange(0, 9)])
    first, second = cls(node, prefix="first_"), cls(node, prefix="second_")
    first.value, second.value = 1, 2
    assert (first.value, node.GetParameter("second_value")) == (1, "2")
