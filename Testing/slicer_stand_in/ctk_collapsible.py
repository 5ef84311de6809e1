"""Stand-ins for CTK's widgets that fold their contents away."""

from __future__ import annotations

from PySide6 import QtCore, QtGui, QtWidgets

_HEADER_PIXELS = 24
_UNLIMITED_PIXELS = 16777215


class ctkCollapsibleButton(QtWidgets.QAbstractButton):
    """A header that is clicked to show or hide the widgets laid out below it."""

    contentsCollapsed = QtCore.Signal(bool)

    def __init__(self, text: str | QtWidgets.QWidget | None = None, parent: QtWidgets.QWidget | None = None):
        super().__init__(text if isinstance(text, QtWidgets.QWidget) else parent)
        if isinstance(text, str):
            self.setText(text)
        self.setCheckable(True)
        self.setChecked(True)
        self.setContentsMargins(0, _HEADER_PIXELS, 0, 0)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Preferred, QtWidgets.QSizePolicy.Policy.Preferred)
        self.toggled.connect(self._fold)

    def setCollapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)

    collapsed = QtCore.Property(bool, lambda self: not self.isChecked(), setCollapsed, notify=contentsCollapsed)

    def sizeHint(self) -> QtCore.QSize:
        hint = self.layout().totalSizeHint() if self.layout() else QtCore.QSize(0, _HEADER_PIXELS)
        width = self.fontMetrics().horizontalAdvance(self.text()) + 2 * _HEADER_PIXELS
        return hint.expandedTo(QtCore.QSize(width, _HEADER_PIXELS))

    def minimumSizeHint(self) -> QtCore.QSize:
        hint = self.layout().totalMinimumSize() if self.layout() else QtCore.QSize(0, 0)
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
        painter.drawText(
            header.rect.adjusted(_HEADER_PIXELS, 0, 0, 0), QtCore.Qt.AlignmentFlag.AlignVCenter, self.text()
        )

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


class ctkCollapsibleGroupBox(QtWidgets.QGroupBox):
    """A group box that folds when it is unticked."""

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self.setCheckable(True)
        self.toggled.connect(self._fold)

    def _set_collapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)

    collapsed = QtCore.Property(bool, lambda self: not self.isChecked(), _set_collapsed)

    def _fold(self, opened: bool) -> None:
        for child in self.children():
            if isinstance(child, QtWidgets.QWidget):
                child.setVisible(opened)
