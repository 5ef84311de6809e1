"""What makes the real Slicer raise or print fails a test here."""

from typing import Any

import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed")
pytest.importorskip("PySide6.QtUiTools", exc_type=ImportError)
import slicer
import slicer.util
from PySide6 import QtWidgets

from Testing.helpers import ROOT
from Testing.slicer_stand_in.application import SlicerApplication
from Testing.slicer_stand_in.pythonqt import PythonQtError

MODULE = ROOT / "LungCancerDx" / "LungCancerDx.py"
FORM = ROOT / "LungCancerDx" / "Resources" / "UI" / "LungCancerDx.ui"


@pytest.fixture
def app():
    with SlicerApplication() as app:
        yield app


@pytest.mark.slow
def test_qt_properties_are_attributes_while_it_runs(app):
    button: Any = QtWidgets.QPushButton("Go")
    button.enabled = False
    button.setText("Stop")
    assert (button.text, button.isEnabled()) == ("Stop", False)
    button.deleteLater()


def test_afterwards_qt_and_slicer_are_as_before():
    names = set(dir(slicer))
    with SlicerApplication() as app:
        app.load_module(MODULE)
    assert QtWidgets.QPushButton("Stop").text() == "Stop"
    assert set(dir(slicer)) == names


def test_an_error_that_escapes_from_an_observer_fails_the_test():
    def observe():
        with SlicerApplication() as app:
            app.scene.AddObserver(app.scene.NodeAddedEvent, lambda _caller, _event: {"there": 1}["absent"])
            app.scene.AddNewNodeByClass("vtkMRMLTextNode")

    with pytest.raises(AssertionError, match="KeyError: 'absent'"):
        observe()


@pytest.mark.parametrize("name", ["detectButton", "inputVolumeSelector"])
def test_an_attribute_that_qt_does_not_have_fails_the_test_at_the_end(name):
    def misspell():
        with SlicerApplication() as app:
            getattr(app.load_module(MODULE).ui, name).enable = True

    with pytest.raises(PythonQtError, match=f"'{name}' has no property 'enable'"):
        misspell()


@pytest.mark.parametrize(
    ("before", "after", "error"),
    [
        ("<class>ctkSliderWidget</class>", "<class>ctkThermometer</class>", "no stand-in for ctkThermometer"),
        ("<slot>setMRMLScene(vtkMRMLScene*)</slot>", "<slot>setScene(vtkMRMLScene*)</slot>", "setScene"),
    ],
)
@pytest.mark.usefixtures("app")
def test_a_form_with_a_mistake_is_refused(tmp_path, before, after, error):
    text = FORM.read_text(encoding="utf-8")
    assert before in text
    (tmp_path / "Wrong.ui").write_text(text.replace(before, after))
    with pytest.raises(RuntimeError, match=error):
        slicer.util.loadUI(str(tmp_path / "Wrong.ui"))


def test_a_parameter_out_of_its_range_or_of_another_type_is_refused(app):
    node = app.load_module(MODULE)._parameterNode
    with pytest.raises(ValueError, match="within range"):
        node.confidence = 1.5
    with pytest.raises(ValueError, match="one of"):
        node.device = "gpu"
    with pytest.raises(TypeError, match="must be of type"):
        node.model = None


@pytest.mark.parametrize("parts", [{}, {"uris": ["somewhere"]}, {"uris": ["somewhere"], "fileNames": ["a", "b"]}])
@pytest.mark.usefixtures("app")
def test_a_sample_without_lists_of_one_length_is_refused(parts):
    import SampleData

    with pytest.raises((TypeError, ValueError)):
        SampleData.SampleDataLogic.registerCustomSampleDataSource(sampleName="CT", customDownloader=print, **parts)
