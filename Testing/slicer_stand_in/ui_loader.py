"""Reads a Qt Designer file as Slicer does, with the application's own widgets in it."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from PySide6 import QtCore, QtUiTools, QtWidgets

from .ctk_widgets import CTK_WIDGETS
from .qmrml_widgets import QMRML_WIDGETS
from .qt_application import qt_warnings

_WIDGETS = {cls.__name__: cls for cls in (*CTK_WIDGETS, *QMRML_WIDGETS)}


class UiLoader(QtUiTools.QUiLoader):
    """A QUiLoader that knows the stand-ins for CTK and qMRML widgets.

    Connections from or to these are made in Python by their names, since Qt does not know `vtkMRMLScene*`. A custom
    widget without a stand-in is refused, where Qt would silently take another class.
    """

    def __init__(self, parent: QtCore.QObject | None = None):
        super().__init__(parent)
        for cls in _WIDGETS.values():
            self.registerCustomWidget(cls)

    def load(self, device: QtCore.QIODevice, parent: QtWidgets.QWidget | None = None) -> QtWidgets.QWidget:
        """The top widget of an open file.

        Raises
        ------
        RuntimeError
            Where the file has a widget without a stand-in, or a connection of something that is not there.
        """
        document = ElementTree.fromstring(device.readAll().data())
        custom = _custom_widgets(document)
        connections = _take_connections(document, custom)
        buffer = QtCore.QBuffer()
        buffer.setData(ElementTree.tostring(document))
        buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
        with qt_warnings() as warnings:
            top = super().load(buffer, parent)
        if top is None or any("No such" in warning for warning in warnings):
            raise RuntimeError("; ".join(warnings) or self.errorString())
        for sender, signal, receiver, slot in connections:
            _member(top, sender, signal).connect(_member(top, receiver, slot))
        return top


def _custom_widgets(document: ElementTree.Element) -> set[str]:
    """Names of the objects that are custom widgets."""
    classes = {element.text for element in document.iterfind("customwidgets/customwidget/class")}
    unknown = sorted(name for name in classes if name not in _WIDGETS)
    if unknown:
        raise RuntimeError(f"the harness has no stand-in for {', '.join(unknown)}")
    return {widget.get("name", "") for widget in document.iter("widget") if widget.get("class") in classes}


def _take_connections(document: ElementTree.Element, custom: set[str]) -> list[list[str]]:
    """Remove the connections of custom widgets from a document: sender, signal, receiver and slot, by name."""
    taken = []
    for connections in document.iterfind("connections"):
        for connection in list(connections):
            sender, signal, receiver, slot = (
                connection.findtext(part, "") for part in ("sender", "signal", "receiver", "slot")
            )
            if {sender, receiver} & custom:
                taken.append([sender, re.sub(r"\(.*", "", signal), receiver, re.sub(r"\(.*", "", slot)])
                connections.remove(connection)
    return taken


def _member(top: QtWidgets.QWidget, name: str, member: str) -> object:
    widget = top if top.objectName() == name else top.findChild(QtCore.QObject, name)
    try:
        return getattr(widget, member)
    except AttributeError as error:
        raise RuntimeError(f"connection of what is not there: {name}.{member}") from error
