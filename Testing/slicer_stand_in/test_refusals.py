"""What runs under PySide6 and not under PythonQt is found."""

import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed")
pytest.importorskip("PySide6.QtUiTools", exc_type=ImportError)
from Testing.slicer_stand_in.application import SlicerApplication
from Testing.slicer_stand_in.refusals import PythonQtError, check_source
from Testing.slicer_stand_in.sample_module import SAMPLE


@pytest.mark.parametrize(
    ("line", "finding"),
    [
        ("state = qt.QProcess.ProcessState.NotRunning", "write qt.QProcess.NotRunning"),
        ("button.alignment = qt.Qt.AlignmentFlag.AlignLeft", "write qt.Qt.AlignLeft"),
        ("done = qt.Signal(int)", "qt.Signal"),
        ("from qt import Slot", "qt.Slot"),
        ("from PySide6.QtCore import QTimer", "import PySide6"),
        ("import PyQt5.QtWidgets", "import PyQt5"),
    ],
)
def test_a_source_is_refused_with_its_line(tmp_path, line, finding):
    path = tmp_path / "Module.py"
    path.write_text(f"import qt\n{line}\n")
    with pytest.raises(PythonQtError, match=f"Module.py:2: .*{finding}"):
        check_source(path)


def test_a_source_in_slicers_idiom_is_taken():
    assert check_source(SAMPLE) is None


def test_an_attribute_that_qt_does_not_have_fails_the_test_at_the_end():
    def misspell():
        with SlicerApplication() as app:
            app.load_module(SAMPLE).ui.applyButton.enable = True

    with pytest.raises(PythonQtError, match="QPushButton 'applyButton' has no property 'enable'"):
        misspell()


def test_an_attribute_that_a_stand_in_does_not_have_fails_the_test_at_the_end():
    def misspell():
        with SlicerApplication() as app:
            app.load_module(SAMPLE).ui.inputSelector.noneDisabled = True

    with pytest.raises(PythonQtError, match="qMRMLNodeComboBox 'inputSelector' has no property 'noneDisabled'"):
        misspell()
