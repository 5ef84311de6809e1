"""CTK's and MRML's widgets that the form uses, on plain Qt, and the loader that puts them into the form.

Simpler than CTK: no history in a path, no units and no pop-up sliders; styles are Qt's. The selector of a node is in
`node_combo_box`.
"""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import slicer
from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

from .node_combo_box import qMRMLNodeComboBox

_HEADER_PIXELS = 24
_UNLIMITED_PIXELS = 16777215


class qMRMLWidget(QtWidgets.QWidget):
    """A widget with a scene, which it hands on by its signal."""

    mrmlSceneChanged = QtCore.Signal(object)

    def setMRMLScene(self, scene: slicer.vtkMRMLScene | None) -> None:
        self.mrmlSceneChanged.emit(scene)


class ctkCollapsibleButton(QtWidgets.QAbstractButton):
    """A header that is clicked to show or hide the widgets laid out below it."""

    contentsCollapsed = QtCore.Signal(bool)

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self.setCheckable(True)
        self.setChecked(True)
        self.setContentsMargins(0, _HEADER_PIXELS, 0, 0)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Preferred, QtWidgets.QSizePolicy.Policy.Preferred)
        self.toggled.connect(self._fold)

    def _set_collapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)

    collapsed = QtCore.Property(bool, lambda self: not self.isChecked(), _set_collapsed, notify=contentsCollapsed)

    def sizeHint(self) -> QtCore.QSize:
        layout = self.layout()
        hint = layout.totalSizeHint() if layout else QtCore.QSize(0, _HEADER_PIXELS)
        width = self.fontMetrics().horizontalAdvance(self.text()) + 2 * _HEADER_PIXELS
        return hint.expandedTo(QtCore.QSize(width, _HEADER_PIXELS))

    def minimumSizeHint(self) -> QtCore.QSize:
        layout = self.layout()
        hint = layout.totalMinimumSize() if layout else QtCore.QSize(0, 0)
        return hint.expandedTo(QtCore.QSize(0, _HEADER_PIXELS))

    def hitButton(self, position: QtCore.QPoint) -> bool:
        return position.y() < _HEADER_PIXELS

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:
        painter = QtWidgets.QStylePainter(self)
        header = QtWidgets.QStyleOptionButton()
        header.initFrom(self)
        header.rect = QtCore.QRect(0, 0, self.width(), _HEADER_PIXELS)
        painter.drawControl(QtWidgets.QStyle.ControlElement.CE_PushButtonBevel, header)
        arrow = QtWidgets.QStyleOption()
        arrow.initFrom(self)
        arrow.rect = QtCore.QRect(6, 6, 12, 12)
        primitive = QtWidgets.QStyle.PrimitiveElement
        painter.drawPrimitive(
            primitive.PE_IndicatorArrowDown if self.isChecked() else primitive.PE_IndicatorArrowRight, arrow
        )
        title = QtCore.QRect(_HEADER_PIXELS, 0, self.width() - _HEADER_PIXELS, _HEADER_PIXELS)
        painter.drawText(title, QtCore.Qt.AlignmentFlag.AlignVCenter, self.text())

    def childEvent(self, event: QtCore.QChildEvent) -> None:
        super().childEvent(event)
        child = event.child()
        if event.added() and isinstance(child, QtWidgets.QWidget) and not self.isChecked():
            child.setVisible(False)

    def _fold(self, opened: bool) -> None:
        for child in self.children():
            if isinstance(child, QtWidgets.QWidget):
                child.setVisible(opened)
        self.setMaximumHeight(_UNLIMITED_PIXELS if opened else _HEADER_PIXELS)
        self.contentsCollapsed.emit(not opened)


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
        self._slider.valueChanged.connect(lambda steps: self._box.setValue(steps * self._box.singleStep()))
        self._box.valueChanged.connect(self._follow)

    def _follow(self, value: float) -> None:
        with QtCore.QSignalBlocker(self._slider):
            self._slider.setMaximum(round(self._box.maximum() / self._box.singleStep()))
            self._slider.setValue(round(value / self._box.singleStep()))
        self.valueChanged.emit(value)

    def setValue(self, value: float) -> None:
        self._box.setValue(value)

    def setMinimum(self, minimum: float) -> None:
        self._box.setMinimum(minimum)

    def setMaximum(self, maximum: float) -> None:
        self._box.setMaximum(maximum)

    def _set_step(self, step: float) -> None:
        self._box.setSingleStep(step)

    def _set_decimals(self, decimals: int) -> None:
        self._box.setDecimals(decimals)

    value = QtCore.Property(float, lambda self: self._box.value(), setValue, notify=valueChanged, user=True)
    minimum = QtCore.Property(float, lambda self: self._box.minimum(), setMinimum)
    maximum = QtCore.Property(float, lambda self: self._box.maximum(), setMaximum)
    singleStep = QtCore.Property(float, lambda self: self._box.singleStep(), _set_step)
    decimals = QtCore.Property(int, lambda self: self._box.decimals(), _set_decimals)


class ctkPathLineEdit(QtWidgets.QWidget):
    """A file or folder to be chosen: a line of text, and a button that would open a file dialog."""

    currentPathChanged = QtCore.Signal(str)

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._line = QtWidgets.QLineEdit()
        self._line.textChanged.connect(self.currentPathChanged)
        browse = QtWidgets.QToolButton()
        browse.setText("...")
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._line, 1)
        row.addWidget(browse)

    def _path(self) -> str:
        return self._line.text()

    def _set_path(self, path: str) -> None:
        self._line.setText(path)

    currentPath = QtCore.Property(str, _path, _set_path, notify=currentPathChanged, user=True)


_WIDGETS = {
    cls.__name__: cls
    for cls in (qMRMLWidget, qMRMLNodeComboBox, ctkCollapsibleButton, ctkSliderWidget, ctkPathLineEdit)
}


class UiLoader(QtUiTools.QUiLoader):
    """Reads a Qt Designer file as Slicer does.

    Connections are made in Python by their names, since Qt does not know `vtkMRMLScene*`. A custom widget without a
    stand-in is refused, where Qt would silently take another class.
    """

    def __init__(self) -> None:
        super().__init__()
        for cls in _WIDGETS.values():
            self.registerCustomWidget(cls)

    def load(self, device: QtCore.QIODevice) -> QtWidgets.QWidget:  # type: ignore[override]
        """The top widget of an open file.

        Raises
        ------
        RuntimeError
            Where the file has a widget without a stand-in, or a connection of something that is not there.
        """
        document = ElementTree.fromstring(device.readAll().data())
        custom = {str(element.text) for element in document.iterfind("customwidgets/customwidget/class")}
        if unknown := sorted(custom - set(_WIDGETS)):
            raise RuntimeError(f"there is no stand-in for {', '.join(unknown)}")
        connections = []
        for block in document.iterfind("connections"):
            connections += [[part.text or "" for part in connection][:4] for connection in block]
            block.clear()
        buffer = QtCore.QBuffer()
        buffer.setData(ElementTree.tostring(document))
        buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
        top = super().load(buffer)
        if top is None:
            raise RuntimeError(self.errorString())
        for sender, signal, receiver, slot in connections:
            _member(top, sender, signal).connect(_member(top, receiver, slot))
        return top


def _member(top: QtWidgets.QWidget, name: str, signature: str) -> Any:
    widget = top if top.objectName() == name else top.findChild(QtCore.QObject, name)
    member = signature.partition("(")[0]
    if not hasattr(widget, member):
        raise RuntimeError(f"connection of what is not there: {name}.{member}")
    return getattr(widget, member)
