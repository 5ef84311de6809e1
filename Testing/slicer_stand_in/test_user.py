"""What the user is told and asked, and what the user's answers and installed packages change."""

import sys

import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed")
pytest.importorskip("PySide6.QtUiTools", exc_type=ImportError)
import slicer
import slicer.util

from Testing.slicer_stand_in.application import SlicerApplication
from Testing.slicer_stand_in.sample_module import SAMPLE, add_volume


@pytest.fixture
def requirements(tmp_path):
    path = tmp_path / "requirements.txt"
    path.write_text("pydicom>=3.0  # files\n\npooch>=1.8\n")
    return path


def test_messages_are_recorded_in_order(slicer_app):
    slicer.util.errorDisplay("broken")
    slicer.util.warningDisplay("odd")
    slicer.util.infoDisplay("done")
    slicer.util.showStatusMessage("working")
    assert slicer_app.displayed == [("error", "broken"), ("warning", "odd"), ("info", "done"), ("status", "working")]


def test_questions_are_answered_as_the_test_says(slicer_app):
    assert slicer.util.confirmOkCancelDisplay("go on?")
    slicer_app.answers["confirmOkCancel"] = False
    slicer_app.answers["confirmYesNo"] = lambda text: "sure" in text
    assert not slicer.util.confirmOkCancelDisplay("go on?")
    assert slicer.util.confirmYesNoDisplay("are you sure?")
    assert not slicer.util.confirmYesNoDisplay("delete?")
    assert [kind for kind, _text in slicer_app.displayed] == ["confirmOkCancel"] * 2 + ["confirmYesNo"] * 2


def test_in_testing_mode_a_question_returns_what_it_returns_in_slicer():
    with SlicerApplication(testing=True) as app:
        app.answers["confirmOkCancel"] = True
        assert not slicer.util.confirmOkCancelDisplay("go on?")


def test_a_failing_slot_that_is_guarded_shows_an_error(slicer_app):
    widget = slicer_app.load_module(SAMPLE)
    widget._parameterNode.inputVolume = slicer_app.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")
    widget.ui.applyButton.click()
    assert slicer_app.displayed == [("error", "Failed to compute.\n\nthe volume is empty")]
    assert isinstance(slicer_app.errors.pop(), ValueError)


def test_an_error_that_escapes_from_a_slot_fails_the_test():
    def click():
        with SlicerApplication() as app:
            widget = app.load_module(SAMPLE)
            widget.logic = None
            widget._parameterNode.inputVolume = add_volume()
            widget.ui.applyButton.click()

    with pytest.raises(AssertionError, match=r"(?s)uncaught in a slot.*NoneType"):
        click()


def test_an_error_that_escapes_from_an_observer_fails_the_test():
    def observe():
        with SlicerApplication() as app:
            app.scene.AddObserver(app.scene.NodeAddedEvent, lambda _caller, _event: {}["absent"])
            add_volume()

    with pytest.raises(AssertionError, match="KeyError: 'absent'"):
        observe()


def test_packages_are_installed_where_the_user_agrees(slicer_app, requirements):
    logic = slicer_app.load_module(SAMPLE).logic
    slicer_app.packaging.missing = {"pooch"}
    logic.ensurePackages(requirements)
    assert slicer_app.packaging.installed == ["pooch>=1.8"]
    assert slicer_app.packaging.requests == [("Sample", ["pydicom>=3.0", "pooch>=1.8"])]
    logic.ensurePackages(requirements)
    assert len([kind for kind, _text in slicer_app.displayed if kind == "confirmOkCancel"]) == 1


def test_declined_packages_are_a_runtime_error(slicer_app, requirements):
    logic = slicer_app.load_module(SAMPLE).logic
    slicer_app.packaging.missing = {"pydicom"}
    slicer_app.answers["confirmOkCancel"] = False
    with pytest.raises(RuntimeError, match="declined"):
        logic.ensurePackages(requirements)
    assert slicer_app.packaging.installed == []


def test_slicer_5_10_has_no_packaging_and_no_sample_categories(requirements):
    with SlicerApplication(version=(5, 10)) as app:
        logic = app.load_module(SAMPLE).logic
        with pytest.raises(ImportError):
            logic.ensurePackages(requirements)
        import SampleData

        assert not hasattr(SampleData.SampleDataLogic, "registerCustomSampleDataCategory")
        assert (slicer.app.majorVersion, slicer.app.minorVersion) == (5, 10)


def test_other_ways_to_pip_are_refused(slicer_app):
    with pytest.raises(RuntimeError, match="installs nothing"):
        slicer.util.pip_install("anything")


def test_without_the_pytorch_extension_the_import_fails():
    with SlicerApplication(pytorch=False) as app:
        assert not app.load_module(SAMPLE).logic.torchIsThere()
        assert app.displayed == [("error", "Install the PyTorch extension.")]


def test_torch_is_installed_only_where_the_user_agrees(slicer_app, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", sys)  # the real one takes seconds
    logic = slicer_app.load_module(SAMPLE).logic
    assert logic.torchIsThere()
    assert slicer_app.torch.requests == []
    slicer_app.torch.torch_installed = False
    slicer_app.answers["confirmOkCancel"] = False
    assert not logic.torchIsThere()
    slicer_app.answers["confirmOkCancel"] = True
    assert logic.torchIsThere()
    assert slicer_app.torch.torch_installed
