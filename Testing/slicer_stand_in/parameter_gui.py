"""Which widget shows which type of parameter, and how; the rules are Slicer's, exact widget classes included."""

from __future__ import annotations

import enum
import pathlib
import typing
from collections.abc import Callable
from typing import Any

import slicer
from PySide6 import QtWidgets

from .ctk_widgets import ctkDirectoryButton, ctkPathLineEdit, ctkSliderWidget
from .node_combo_box import qMRMLNodeComboBox
from .parameter_annotations import Choice, Decimals, Maximum, Minimum, SingleStep, WithinRange

_INT_LIMIT = 2**31 - 1


class Connector:
    """A widget's value, to be read and written, and its signal."""

    def __init__(self, read: Callable[[], Any], write: Callable[[Any], None], signal: Any):
        self.read = read
        self.write = write
        self._signal = signal
        self._slot: Callable[..., None] | None = None

    def on_changed(self, callback: Callable[[], None]) -> None:
        self._slot = lambda *_value: callback()
        self._signal.connect(self._slot)

    def disconnect(self) -> None:
        self._signal.disconnect(self._slot)


def connector(widget: QtWidgets.QWidget, annotated: Any) -> Connector:
    """The connector of a widget and a parameter's (annotated) type.

    Raises
    ------
    RuntimeError
        Where the widget cannot show such a parameter.
    """
    type_, annotations = unannotated(annotated)
    widget_class = type(widget)
    if type_ is bool and widget_class is QtWidgets.QCheckBox:
        return Connector(widget.isChecked, widget.setChecked, widget.checkStateChanged)
    if type_ is bool and widget_class is QtWidgets.QPushButton:
        widget.setCheckable(True)
        return Connector(widget.isChecked, widget.setChecked, widget.toggled)
    if type_ is int and widget_class in (QtWidgets.QSlider, QtWidgets.QSpinBox):
        _set_range(widget, annotations, _INT_LIMIT, bounded=widget_class is QtWidgets.QSlider)
        return Connector(widget.value, widget.setValue, widget.valueChanged)
    if type_ is float and widget_class is QtWidgets.QDoubleSpinBox:
        _set_range(widget, annotations, float("inf"), bounded=False)
        return Connector(widget.value, widget.setValue, widget.valueChanged)
    if type_ is float and widget_class is ctkSliderWidget:
        _set_range(widget, annotations, float("inf"), bounded=True)
        return Connector(lambda: widget.value, widget.setValue, widget.valueChanged)
    if widget_class is QtWidgets.QComboBox:
        return _combo_box(widget, type_, annotations)
    if type_ is str and widget_class is QtWidgets.QLineEdit:
        return Connector(widget.text, widget.setText, widget.textChanged)
    if type_ is str and widget_class is QtWidgets.QTextEdit:
        return Connector(widget.toPlainText, widget.setPlainText, widget.textChanged)
    if _is_path(type_) and widget_class is ctkPathLineEdit:
        return Connector(
            lambda: type_(widget.currentPath),
            lambda path: widget.setCurrentPath(str(path)),
            widget.currentPathChanged,
        )
    if _is_path(type_) and widget_class is ctkDirectoryButton:
        return Connector(
            lambda: type_(widget.directory),
            lambda path: setattr(widget, "directory", str(path)),
            widget.directoryChanged,
        )
    if node_types(type_) and widget_class is qMRMLNodeComboBox:
        widget.nodeTypes = node_types(type_)
        return Connector(widget.currentNode, widget.setCurrentNode, widget.currentNodeChanged)
    raise RuntimeError(f"Unable to create GUI connector from datatype {annotated} to widget type {widget_class}")


def unannotated(annotated: Any) -> tuple[Any, list[Any]]:
    """The type and its annotations."""
    if typing.get_origin(annotated) is typing.Annotated:
        type_, *annotations = typing.get_args(annotated)
        return type_, annotations
    return annotated, []


def node_types(type_: Any) -> list[str]:
    """Names of the MRML classes of a node parameter; empty for any other."""
    members = [cls for cls in typing.get_args(type_) if cls is not type(None)] or [type_]
    if all(isinstance(cls, type) and issubclass(cls, slicer.vtkMRMLNode) for cls in members):
        return [cls.__name__ for cls in members]
    return []


def _is_path(type_: Any) -> bool:
    return isinstance(type_, type) and issubclass(type_, pathlib.PurePath)


def _first(annotations: list[Any], cls: type) -> Any:
    return next((annotation for annotation in annotations if isinstance(annotation, cls)), None)


def _set_range(widget: Any, annotations: list[Any], limit: float, *, bounded: bool) -> None:
    both = _first(annotations, WithinRange)
    minimum, maximum = both or _first(annotations, Minimum), both or _first(annotations, Maximum)
    if bounded and (minimum is None or maximum is None):
        raise RuntimeError(f"A {type(widget).__name__} needs a parameter with a range")
    for annotation, setter in ((Decimals, "setDecimals"), (SingleStep, "setSingleStep")):
        if (found := _first(annotations, annotation)) is not None:
            getattr(widget, setter)(found.value)
    widget.setMinimum(minimum.minimum if minimum is not None else -limit)
    widget.setMaximum(maximum.maximum if maximum is not None else limit)


def _combo_box(widget: QtWidgets.QComboBox, type_: Any, annotations: list[Any]) -> Connector:
    """The choices replace what the box had."""
    if isinstance(type_, type) and issubclass(type_, enum.Enum):
        choices = list(type_)
        labels = [member.label() if hasattr(member, "label") else member.name for member in choices]
    elif (choice := _first(annotations, Choice)) is not None:
        choices = list(choice.choices)
        labels = [str(value) for value in choices]
    else:
        raise RuntimeError("A QComboBox needs a parameter with the Choice annotation, or an enumeration")
    widget.clear()
    widget.addItems(labels)
    return Connector(
        lambda: choices[widget.currentIndex()],
        lambda value: widget.setCurrentIndex(choices.index(value)),
        widget.currentIndexChanged,
    )
