"""Stand-ins for the widgets of CTK that Slicer modules commonly use: their properties and signals on plain Qt.

Simpler than CTK: no history or completion in a path, no units and no pop-up sliders, and styles are Qt's.
"""

from __future__ import annotations

from types import ModuleType

from PySide6 import QtCore, QtWidgets

from .ctk_collapsible import ctkCollapsibleButton, ctkCollapsibleGroupBox


class ctkSliderWidget(QtWidgets.QWidget):
    """A slider and a spin box with one value."""

    valueChanged = QtCore.Signal(float)

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal)
        self._box = QtWidgets.QDoubleSpinBox()
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._slider, 1)
        row.addWidget(self._box)
        self.setMaximum(99.0)
        self.setSingleStep(1.0)
        self._slider.valueChanged.connect(self._slide)
        self._box.valueChanged.connect(self._follow)

    def setValue(self, value: float) -> None:
        self._box.setValue(value)

    def setMinimum(self, minimum: float) -> None:
        self._box.setMinimum(minimum)
        self._rescale()

    def setMaximum(self, maximum: float) -> None:
        self._box.setMaximum(maximum)
        self._rescale()

    def setSingleStep(self, step: float) -> None:
        self._box.setSingleStep(step)
        self._rescale()

    def setDecimals(self, decimals: int) -> None:
        self._box.setDecimals(decimals)

    def setSuffix(self, suffix: str) -> None:
        self._box.setSuffix(suffix)

    value = QtCore.Property(float, lambda self: self._box.value(), setValue, notify=valueChanged, user=True)
    minimum = QtCore.Property(float, lambda self: self._box.minimum(), setMinimum)
    maximum = QtCore.Property(float, lambda self: self._box.maximum(), setMaximum)
    singleStep = QtCore.Property(float, lambda self: self._box.singleStep(), setSingleStep)
    decimals = QtCore.Property(int, lambda self: self._box.decimals(), setDecimals)
    suffix = QtCore.Property(str, lambda self: self._box.suffix(), setSuffix)

    def _rescale(self) -> None:
        """The slider counts single steps from the minimum."""
        with QtCore.QSignalBlocker(self._slider):
            self._slider.setMaximum(round((self.maximum - self.minimum) / (self.singleStep or 1.0)))
            self._slider.setValue(round((self.value - self.minimum) / (self.singleStep or 1.0)))

    def _slide(self, steps: int) -> None:
        self._box.setValue(self.minimum + steps * self.singleStep)

    def _follow(self, value: float) -> None:
        self._rescale()
        self.valueChanged.emit(value)


class ctkComboBox(QtWidgets.QComboBox):
    """A combo box with a text for when nothing is chosen."""

    defaultText = QtCore.Property(str, QtWidgets.QComboBox.placeholderText, QtWidgets.QComboBox.setPlaceholderText)


class _PathWidget(QtWidgets.QWidget):
    """A line of text that is a path, and a button that would open a file dialog."""

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._line = QtWidgets.QLineEdit()
        self._browse = QtWidgets.QToolButton()
        self._browse.setText("...")
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._line, 1)
        row.addWidget(self._browse)

    def _path(self) -> str:
        return self._line.text()

    def _set_path(self, path: str) -> None:
        self._line.setText(path)


class ctkPathLineEdit(_PathWidget):
    """A file or folder to be chosen; the history is not kept."""

    currentPathChanged = QtCore.Signal(str)

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._filters: list[str] = []
        self._setting_key = ""
        self._line.textChanged.connect(self.currentPathChanged)

    def setCurrentPath(self, path: str) -> None:
        self._set_path(path)

    def addCurrentPathToHistory(self) -> None:
        """Nothing is remembered."""

    def _set_filters(self, filters: list[str]) -> None:
        self._filters = list(filters)

    def _set_setting_key(self, key: str) -> None:
        self._setting_key = key

    currentPath = QtCore.Property(str, _PathWidget._path, setCurrentPath, notify=currentPathChanged, user=True)
    nameFilters = QtCore.Property("QStringList", lambda self: self._filters, _set_filters)
    settingKey = QtCore.Property(str, lambda self: self._setting_key, _set_setting_key)


class ctkDirectoryButton(_PathWidget):
    """A folder to be chosen."""

    directoryChanged = QtCore.Signal(str)

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._line.textChanged.connect(self.directoryChanged)

    directory = QtCore.Property(str, _PathWidget._path, _PathWidget._set_path, notify=directoryChanged, user=True)


CTK_WIDGETS = (
    ctkCollapsibleButton,
    ctkCollapsibleGroupBox,
    ctkComboBox,
    ctkDirectoryButton,
    ctkPathLineEdit,
    ctkSliderWidget,
)


def ctk_module() -> ModuleType:
    """The module `ctk`; what it has not got is not there."""
    module = ModuleType("ctk", "Stand-ins for CTK's widgets.")
    for cls in CTK_WIDGETS:
        setattr(module, cls.__name__, cls)
    return module
