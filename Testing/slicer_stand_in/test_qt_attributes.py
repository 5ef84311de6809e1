"""Modules under test see Qt as PythonQt shows it; all others see PySide6."""

import sys
import types

import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed")
pytest.importorskip("PySide6.QtUiTools", exc_type=ImportError)
from PySide6 import QtCore, QtWidgets

from Testing.slicer_stand_in.application import SlicerApplication
from Testing.slicer_stand_in.pythonqt_members import ModalDialogError
from Testing.slicer_stand_in.refusals import PythonQtError

WIDGETS = """
import qt, ctk

button = qt.QPushButton("Go")
button.enabled = False
button.setToolTip("why")
button.name = "go"
box = qt.QCheckBox()
box.checked = True
slider = qt.QSlider()
slider.maximum = 9
slider.value = 4
bar = qt.QProgressBar()
bar.value = 30
table = qt.QTableWidget()
table.setRowCount(3)
table.columnCount = 2
timer = qt.QTimer()
timer.interval = 50
timer.singleShot(0, lambda: None)
edit = qt.QTextEdit()
edit.plainText = "text"
wide = ctk.ctkSliderWidget()
wide.maximum = 500
wide.value = 120.5


class Own(qt.QLabel):
    def __init__(self):
        qt.QLabel.__init__(self, "own")
        self.text = self.text + "ed"
        self.extra = 1


own = Own()
process = qt.QProcess()
"""


def made_module(code, name="PretendedModule"):
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec(code, vars(module))
    return module


@pytest.fixture
def made():
    with SlicerApplication(attribute_modules=("PretendedModule", "Testing")):
        yield made_module(WIDGETS)
        del sys.modules["PretendedModule"]


def test_properties_are_attributes(made):
    assert (made.button.text, made.button.enabled, made.button.toolTip) == ("Go", False, "why")
    assert made.box.checked
    assert (made.slider.value, made.slider.maximum, made.bar.value) == (4, 9, 30)
    assert (made.table.rowCount, made.table.columnCount) == (3, 2)
    assert (made.timer.interval, made.timer.active) == (50, False)
    assert (made.wide.value, made.wide.maximum) == (120.5, 500)
    assert (made.own.text, made.own.extra) == ("owned", 1)


def test_methods_that_pythonqt_has_beside_the_attributes_work(made):
    made.button.setText("Stop")
    made.button.setEnabled(True)
    made.bar.setValue(60)
    assert (made.button.text, made.button.isEnabled(), made.bar.value) == ("Stop", True, 60)
    assert made.edit.toPlainText() == "text"
    assert made.button.objectName == made.button.name == "go"


def test_a_property_cannot_be_called(made):
    with pytest.raises(TypeError, match="not callable"):
        made.button.text()


def test_enumerations_are_on_the_class(made):
    assert made.process.state() == made.qt.QProcess.NotRunning
    assert made.qt.QMessageBox.Ok | made.qt.QMessageBox.Cancel
    made.own.alignment = made.qt.Qt.AlignRight | made.qt.Qt.AlignVCenter
    assert made.own.alignment & made.qt.Qt.AlignRight


def test_other_modules_have_pyside_as_it_is(made):
    plain = types.ModuleType("NeverChosen")
    sys.modules["NeverChosen"] = plain
    exec("from PySide6 import QtWidgets\ndef text(button): return button.text()\n", vars(plain))
    from PySide6.support import feature

    feature.set_selection(0, "NeverChosen")
    try:
        assert plain.text(made.button) == "Go"
        assert made.button.text == "Go"
        assert plain.text(QtWidgets.QPushButton("plain")) == "plain"
    finally:
        del sys.modules["NeverChosen"]


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A package of the library that modules under test use, with one source file."""
    (tmp_path / "pretended_library").mkdir()
    (tmp_path / "pretended_library" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / "pretended_library" / "labels.py"


def test_a_chosen_library_counts_and_is_imported_anew_each_time(library):
    library.write_text("import qt\n\ndef text(button):\n    return button.text\n")
    imported = []
    for _run in range(2):
        with SlicerApplication(attribute_modules=("pretended_library", "Testing")):
            from pretended_library import labels

            imported.append(labels)
            assert labels.text(labels.qt.QPushButton("Go")) == "Go"
    assert imported[0] is not imported[1]
    assert imported[0].qt is imported[1].qt
    assert "pretended_library" not in sys.modules


def test_a_chosen_library_is_checked_too(library):
    library.write_text("import qt\n\nDone = qt.QProcess.ProcessState.NotRunning\n")

    def use():
        with SlicerApplication(attribute_modules=("pretended_library", "Testing")):
            import pretended_library.labels  # noqa: F401

    with pytest.raises(PythonQtError, match=r"labels.py:3: .*write qt.QProcess.NotRunning"):
        use()


def test_after_the_application_pyside_is_as_it_is_here_too():
    with SlicerApplication():
        button = QtWidgets.QPushButton("Go")
        assert button.text == "Go"
        button.deleteLater()
    assert QtWidgets.QPushButton("Stop").text() == "Stop"
    assert QtCore.QTimer().interval() == 0


def test_signals_and_slots_cannot_be_declared(made):
    for name in ("Signal", "Slot", "Property"):
        assert not hasattr(made.qt, name)


def test_a_dialog_that_would_wait_for_a_user_is_refused(made):
    with pytest.raises(ModalDialogError, match="QMessageBox"):
        made.qt.QMessageBox.question(None, "title", "text")
    with pytest.raises(ModalDialogError, match="QDialog"):
        made.qt.QDialog().exec_()
    with pytest.raises(ModalDialogError, match="QFileDialog"):
        made.qt.QFileDialog.getExistingDirectory()
