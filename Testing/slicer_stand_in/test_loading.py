"""A module is loaded, entered, left and unloaded as the application does it."""

import sys

import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed")
pytest.importorskip("PySide6.QtUiTools", exc_type=ImportError)
import slicer
import slicer.util

from Testing.slicer_stand_in.application import SlicerApplication
from Testing.slicer_stand_in.sample_module import SAMPLE, add_volume


def test_loading_gives_the_widget_with_its_named_children(slicer_app):
    widget = slicer_app.load_module(SAMPLE)
    assert type(widget).__name__ == "SampleWidget"
    assert widget is slicer.modules.SampleWidget is slicer.util.getModuleWidget("Sample")
    assert slicer.util.getModuleLogic("Sample") is widget.logic
    assert widget.ui.applyButton.text == "Choose a volume first"
    assert widget.ui.advancedCollapsibleButton.collapsed
    assert slicer.modules.sample.path == str(SAMPLE)
    assert slicer.modules.sample.title == "Sample"
    assert widget.calls == ["enter"]


def test_the_module_object_takes_only_the_attributes_that_slicer_knows(slicer_app):
    slicer_app.load_module(SAMPLE)
    with pytest.raises(AttributeError):
        slicer.modules.sample.catgories = []


def test_a_module_can_be_loaded_without_being_entered(slicer_app):
    assert slicer_app.load_module(SAMPLE, enter=False).calls == []


def test_startup_registers_sample_data_that_can_be_loaded(slicer_app):
    slicer_app.load_module(SAMPLE)
    (source,) = slicer_app.sample_data.sources
    assert (source.category, source.sampleName) == ("Sample", "Ones")
    assert slicer_app.sample_data.load("Ones").GetName() == "Ones"
    assert slicer.util.arrayFromVolume(slicer.util.getNode("Ones")).mean() == 1


def test_quitting_leaves_and_cleans_up_the_module():
    with SlicerApplication() as app:
        widget = app.load_module(SAMPLE)
        assert widget.hasObserver(app.scene, app.scene.StartCloseEvent, widget.onSceneStartClose)
    assert widget.calls == ["enter", "exit", "cleanup"]
    assert widget.Observations == []


def test_the_modules_own_test_runs(slicer_app):
    slicer_app.load_module(SAMPLE)
    slicer.selfTests["Sample"]()
    assert slicer_app.displayed[-1] == ("delay", "passed")


def test_without_main_window_there_are_no_views_and_no_module_selector(slicer_app):
    slicer_app.load_module(SAMPLE)
    assert slicer.util.mainWindow() is None
    assert slicer.app.layoutManager() is None
    with pytest.raises(RuntimeError, match="main window"):
        slicer.util.selectModule("Sample")


def test_with_main_window_modules_are_selected_and_views_reached():
    with SlicerApplication(main_window=True) as app:
        widget = app.load_module(SAMPLE)
        slicer.util.selectModule("Data")
        assert widget.calls == ["enter", "exit"]
        slicer.util.selectModule("Sample")
        assert widget.calls == ["enter", "exit", "enter"]
        assert slicer.util.mainWindow().moduleSelector().selectedModule == "Sample"
        manager = slicer.app.layoutManager()
        assert manager.sliceViewNames() == ("Red", "Green", "Yellow")
        assert manager.sliceWidget("Green").mrmlSliceNode().GetOrientation() == "Coronal"
        slicer.util.resetThreeDViews()
        assert manager.threeDWidget(0).threeDView().camera_resets == 1


def test_volumes_are_shown_in_the_slice_views():
    with SlicerApplication(main_window=True):
        volume = add_volume()
        slicer.util.setSliceViewerLayers(background=volume, fit=True)
        red = slicer.app.layoutManager().sliceWidget("Red")
        assert red.sliceLogic().GetSliceCompositeNode().GetBackgroundVolumeID() == volume.GetID()


def test_afterwards_python_is_as_it_was_before():
    modules, names, path = set(sys.modules), set(dir(slicer)), list(sys.path)
    display = slicer.util.errorDisplay, slicer.util._messageDisplay
    with SlicerApplication() as app:
        app.load_module(SAMPLE)
        assert {"qt", "ctk", "Sample", "slicer.i18n", "PyTorchUtils"} <= set(sys.modules)
    assert not {"qt", "ctk", "Sample", "SampleData", "slicer.i18n", "PyTorchUtils"} & (set(sys.modules) - modules)
    assert set(dir(slicer)) == names
    assert sys.path == path
    assert (slicer.util.errorDisplay, slicer.util._messageDisplay) == display
    assert not hasattr(slicer, "app")


def test_each_application_starts_afresh():
    with SlicerApplication() as app:
        first = app.load_module(SAMPLE)
        first._parameterNode.title = "mine"
        slicer.app.userSettings().setValue("Sample/key", "value")
        assert slicer.util.settingsValue("Sample/key", None) == "value"
        add_volume()
    with SlicerApplication() as app:
        assert app.scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0
        second = app.load_module(SAMPLE)
        assert type(second) is not type(first)
        assert second._parameterNode.title == "nothing"
        assert slicer.util.settingsValue("Sample/key", None) is None


def test_a_module_whose_setup_fails_is_reported_and_cleaned_up(tmp_path):
    source = SAMPLE.read_text().replace("self.logic = SampleLogic()", "raise KeyError('setup')")
    (tmp_path / "Sample.py").write_text(source)
    (tmp_path / "Resources").symlink_to(SAMPLE.parent / "Resources")
    with pytest.raises(KeyError, match="setup"), SlicerApplication() as app:
        app.load_module(tmp_path / "Sample.py")
    assert not hasattr(slicer, "mrmlScene")
