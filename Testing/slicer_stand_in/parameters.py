"""`slicer.parameterNodeWrapper`: a class of typed parameters that live in a parameter node and in widgets.

Values are kept under the names and in the texts that Slicer uses: bool, float and str as the parameter `name`, a MRML
node as the node reference of role `name`. Other types are not there. Which widget shows which type is Slicer's rule.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import slicer
import slicer.util
import vtk
from PySide6 import QtWidgets

from .node_combo_box import qMRMLNodeComboBox
from .widgets import ctkSliderWidget

__all__ = ["Choice", "WithinRange", "parameterNodeWrapper"]


@dataclass(frozen=True)
class WithinRange:
    minimum: float
    maximum: float

    def validate(self, value: float) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be within range [{self.minimum}, {self.maximum}], is {value}")


@dataclass(frozen=True)
class Choice:
    choices: Sequence[Any]

    def validate(self, value: Any) -> None:
        if value not in self.choices:
            raise ValueError(f"Value is {value}, but must be one of {list(self.choices)}")


_FROM_TEXT: dict[type, Callable[[str], Any]] = {bool: lambda text: text == "True", float: float, str: str}


class _Parameter:
    """A typed attribute of the class, as a property of its instances."""

    def __init__(self, name: str, annotated: Any, default: Any):
        self.name = name
        self.type, *self.annotations = typing.get_args(annotated) or (annotated,)
        self.is_node = issubclass(self.type, slicer.vtkMRMLNode)
        self.default = default
        if not self.is_node and self.type not in _FROM_TEXT:
            raise TypeError(f"the stand-in keeps no {annotated}")

    def __get__(self, wrapper: Any, _class: type | None = None) -> Any:
        node = wrapper.parameterNode
        if self.is_node:
            return node.GetNodeReference(self.name)
        if not node.HasParameter(self.name):
            self.__set__(wrapper, self.default)
        return _FROM_TEXT[self.type](node.GetParameter(self.name))

    def __set__(self, wrapper: Any, value: Any) -> None:
        accepted: Any = (self.type, type(None)) if self.is_node else (float, int) if self.type is float else self.type
        if not isinstance(value, accepted):
            raise TypeError(f"Value must be of type {accepted}, is {value!r}")
        for annotation in self.annotations:
            annotation.validate(value)
        with slicer.util.NodeModify(wrapper.parameterNode):
            wrapper.parameterNode.SetParameter(self.name, "" if self.is_node else str(value))
            if self.is_node:
                wrapper.parameterNode.SetNodeReferenceID(self.name, value.GetID() if value is not None else None)


class _Wrapper:
    """What the decorator adds to a class."""

    allParameters: typing.ClassVar[dict[str, _Parameter]] = {}

    def __init__(self, parameterNode):
        self.parameterNode = parameterNode
        self._disconnects: dict[int, Callable[[], None]] = {}
        self._showing = False
        for name in self.allParameters:
            getattr(self, name)  # which stores the default where there is no value

    def AddObserver(self, event, callback, priority=0.0):
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag):
        self.parameterNode.RemoveObserver(tag)

    def connectGui(self, gui):
        """Connect what `childWidgetVariables` gives to the parameters that the widgets name in their property
        `SlicerParameterName`; returns a tag for `disconnectGui`.
        """
        named = {widget.property("SlicerParameterName"): widget for widget in vars(gui).values()}
        named.pop(None, None)
        unknown = sorted(set(named) - set(self.allParameters))
        if unknown:
            raise ValueError(f"Cannot find a param with the given name: {', '.join(unknown)}")
        connectors = {name: _Connector(widget, self.allParameters[name]) for name, widget in named.items()}
        slots = {}
        for name, connector in connectors.items():
            connector.write(getattr(self, name))
            slots[name] = lambda *_value, name=name, connector=connector: self._take(name, connector)
            connector.signal.connect(slots[name])
        observer = self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda _caller, _event: self._show(connectors))

        def disconnect():
            self.RemoveObserver(observer)
            for name, connector in connectors.items():
                connector.signal.disconnect(slots[name])

        tag = max(self._disconnects, default=0) + 1
        self._disconnects[tag] = disconnect
        return tag

    def disconnectGui(self, tag):
        self._disconnects.pop(tag, lambda: None)()

    def _take(self, name: str, connector: _Connector) -> None:
        """From a widget into the node; not while the node is being shown."""
        if not self._showing:
            setattr(self, name, connector.read())

    def _show(self, connectors: dict[str, _Connector]) -> None:
        """From the node into the widgets."""
        if not self._showing:
            self._showing = True
            try:
                for name, connector in connectors.items():
                    connector.write(getattr(self, name))
            finally:
                self._showing = False


class _Connector:
    """How a widget's value is read and written, and its signal."""

    def __init__(self, widget: Any, parameter: _Parameter):
        kind, annotation = type(widget), next(iter(parameter.annotations), None)
        self.read: Callable[[], Any]
        self.write: Callable[[Any], None]
        if parameter.type is bool and kind is QtWidgets.QCheckBox:
            self.read, self.write, self.signal = widget.isChecked, widget.setChecked, widget.toggled
        elif parameter.type is float and kind in (QtWidgets.QDoubleSpinBox, ctkSliderWidget):
            assert isinstance(annotation, WithinRange)
            widget.setMinimum(annotation.minimum)
            widget.setMaximum(annotation.maximum)
            self.read = widget.value if kind is QtWidgets.QDoubleSpinBox else lambda: widget.value
            self.write, self.signal = widget.setValue, widget.valueChanged
        elif parameter.type is str and kind is QtWidgets.QComboBox:
            assert isinstance(annotation, Choice)
            choices = list(annotation.choices)
            widget.clear()  # the choices replace what the box had
            widget.addItems(choices)
            self.read = widget.currentText
            self.write, self.signal = (
                lambda text: widget.setCurrentIndex(choices.index(text)),
                widget.currentIndexChanged,
            )
        elif parameter.is_node and kind is qMRMLNodeComboBox:
            widget.nodeTypes = [parameter.type.__name__]
            self.read, self.write, self.signal = widget.currentNode, widget.setCurrentNode, widget.currentNodeChanged
        else:
            raise RuntimeError(f"Unable to create GUI connector from datatype {parameter.type} to widget type {kind}")


def parameterNodeWrapper(classtype):
    """Class decorator: the class's annotated attributes become parameters of the node given to its constructor."""
    parameters = {
        name: _Parameter(name, annotated, getattr(classtype, name, None))
        for name, annotated in typing.get_type_hints(classtype, include_extras=True).items()
    }
    for name, parameter in parameters.items():
        setattr(classtype, name, parameter)
    for name, member in vars(_Wrapper).items():
        if name == "__init__" or not name.startswith("__"):
            setattr(classtype, name, member)
    classtype.allParameters = parameters
    return classtype
