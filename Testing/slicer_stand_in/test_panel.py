"""A panel at work: computing, a child process, and its picture."""

import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed")
pytest.importorskip("PySide6.QtUiTools", exc_type=ImportError)
from PySide6 import QtGui

from Testing.slicer_stand_in.application import SlicerApplication
from Testing.slicer_stand_in.sample_module import SAMPLE, add_volume


def test_a_click_computes(slicer_app):
    widget = slicer_app.load_module(SAMPLE)
    widget.ui.inputSelector.setCurrentNode(add_volume(value=7))
    widget.ui.applyButton.click()
    assert widget.ui.resultLabel.text == "mean 7.0"
    assert widget.ui.table.item(0, 1).text() == "7.0"
    assert slicer_app.displayed == []


def test_the_lines_of_a_child_process_arrive(slicer_app):
    widget = slicer_app.load_module(SAMPLE)
    widget.ui.startButton.click()
    slicer_app.wait_until(lambda: widget.ui.resultLabel.text == "finished 0")
    assert widget.lines == ["step 0", "step 1", "step 2"]
    assert widget.ui.progressBar.value == 3


def test_a_child_process_can_be_killed(slicer_app):
    widget = slicer_app.load_module(SAMPLE)
    widget.onStart(seconds=60)
    slicer_app.wait_until(lambda: len(widget.lines) == 3)
    widget.process.kill()
    slicer_app.wait_until(lambda: widget.ui.resultLabel.text != "no result yet")
    assert widget.ui.resultLabel.text == "stopped"


def test_quitting_ends_a_child_process():
    with SlicerApplication() as app:
        widget = app.load_module(SAMPLE)
        widget.onStart(seconds=60)
        app.wait_until(lambda: len(widget.lines) == 3)
        process = widget.process
    assert process.state() == process.ProcessState.NotRunning


def test_closing_the_scene_does_not_stop_a_child_process(slicer_app):
    widget = slicer_app.load_module(SAMPLE)
    widget._parameterNode.inputVolume = add_volume()
    widget.onStart(seconds=0.2)
    slicer_app.close_scene()
    assert widget._parameterNode.inputVolume is None
    slicer_app.wait_until(lambda: widget.ui.resultLabel.text == "finished 0")


def test_waiting_in_vain_is_an_error(slicer_app):
    with pytest.raises(TimeoutError, match="not within"):
        slicer_app.wait_until(lambda: False, timeout_s=0.05)


def test_a_designer_connection_of_two_qt_widgets_works(slicer_app):
    ui = slicer_app.load_module(SAMPLE).ui
    ui.verboseCheckBox.checked = True
    ui.verboseCheckBox.checked = False
    assert not ui.stepsSpinBox.enabled


def test_a_folded_section_hides_its_widgets_until_it_is_opened(slicer_app):
    ui = slicer_app.load_module(SAMPLE).ui
    assert not ui.deviceComboBox.visible
    ui.advancedCollapsibleButton.collapsed = False
    slicer_app.process_events()
    assert ui.deviceComboBox.visible


@pytest.mark.parametrize(
    ("before", "after", "error"),
    [
        ("<class>ctkSliderWidget</class>", "<class>ctkThermometer</class>", "no stand-in for ctkThermometer"),
        ("<slot>setEnabled(bool)</slot>", "<slot>setEnable(bool)</slot>", "No such slot"),
        ("<slot>setMRMLScene(vtkMRMLScene*)</slot>", "<slot>setScene(vtkMRMLScene*)</slot>", "setScene"),
    ],
)
def test_a_designer_file_with_a_mistake_is_refused(slicer_app, tmp_path, before, after, error):
    import slicer

    text = (SAMPLE.parent / "Resources" / "UI" / "Sample.ui").read_text()
    assert before in text
    (tmp_path / "Wrong.ui").write_text(text.replace(before, after))
    with pytest.raises(RuntimeError, match=error):
        slicer.util.loadUI(str(tmp_path / "Wrong.ui"))


def test_the_picture_shows_the_panel_with_readable_text(slicer_app, tmp_path):
    widget = slicer_app.load_module(SAMPLE)
    slicer_app.grab(tmp_path / "before.png")
    widget.ui.resultLabel.text = "a result of several words"
    slicer_app.grab(tmp_path / "after.png")
    before, after = (QtGui.QImage(str(tmp_path / f"{name}.png")) for name in ("before", "after"))
    assert (before.width(), before.height()) == (after.width(), after.height())
    assert before.width() == 480
    assert 300 < before.height() < 1000
    assert QtGui.QFontInfo(widget.ui.resultLabel.font).family() == "DejaVu Sans"
    assert before != after
