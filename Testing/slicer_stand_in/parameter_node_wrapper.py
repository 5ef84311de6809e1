"""`slicer.parameterNodeWrapper`: a class of typed parameters that live in a parameter node and in widgets.

Values are kept as `parameter_storage` says, connected to widgets as `parameter_gui` says.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Any

import slicer.util
import vtk
from PySide6 import QtWidgets

from .parameter_annotations import (
    Choice,
    Decimals,
    Default,
    Exclude,
    Maximum,
    Minimum,
    SingleStep,
    Validator,
    WithinRange,
)
from .parameter_gui import Connector, connector, unannotated
from .parameter_storage import stored

__all__ = [
    "Choice",
    "Decimals",
    "Default",
    "Exclude",
    "Maximum",
    "Minimum",
    "SingleStep",
    "SlicerParameterNamePropertyName",
    "Validator",
    "WithinRange",
    "parameterNodeWrapper",
]

SlicerParameterNamePropertyName = "SlicerParameterName"


class _Parameter:
    """A typed attribute of the class, as a property of its instances."""

    def __init__(self, name: str, annotated: Any, assigned: Any):
        self.name = name
        self.annotated = annotated
        type_, annotations = unannotated(annotated)
        self._stored = stored(type_)
        self._validators = [found for found in annotations if isinstance(found, Validator)]
        default = next((found for found in annotations if isinstance(found, Default)), Default(self._stored.default))
        self.default = Default(assigned) if assigned is not None else default

    def __get__(self, wrapper: Any, _class: type | None = None) -> Any:
        if wrapper is None:
            return self
        if not self._stored.holds(wrapper.parameterNode, wrapper.prefix + self.name):
            self.__set__(wrapper, self.default.value)
        return self._stored.read(wrapper.parameterNode, wrapper.prefix + self.name)

    def __set__(self, wrapper: Any, value: Any) -> None:
        for validator in self._validators:
            validator.validate(value)
        self._stored.check(value)
        with slicer.util.NodeModify(wrapper.parameterNode):
            self._stored.write(wrapper.parameterNode, wrapper.prefix + self.name, value)


class _Wrapper:
    """What the decorator adds to a class."""

    allParameters: typing.ClassVar[dict[str, _Parameter]] = {}

    def __init__(self, parameterNode, prefix=None):
        self.parameterNode = parameterNode
        self.prefix = prefix or ""
        self._connections: dict[int, tuple[dict[str, Connector], int]] = {}
        self._showing = False
        for name in self.allParameters:
            getattr(self, name)  # which stores the default where there is no value

    def default(self, name):
        return self.allParameters[name].default

    def dataType(self, name):
        return self.allParameters[name].annotated

    def getValue(self, name):
        return getattr(self, self.allParameters[name].name)

    def setValue(self, name, value):
        setattr(self, self.allParameters[name].name, value)

    def StartModify(self):
        return self.parameterNode.StartModify()

    def EndModify(self, wasModifying):
        return self.parameterNode.EndModify(wasModifying)

    def Modified(self):
        self.parameterNode.Modified()

    def AddObserver(self, event, callback, priority=0.0):
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag):
        self.parameterNode.RemoveObserver(tag)

    def connectGui(self, gui):
        """Connect the widgets (a widget with its children, or what `childWidgetVariables` gives) that name a parameter
        in their property `SlicerParameterName`; returns a tag for `disconnectGui`.
        """
        widgets = gui.findChildren(QtWidgets.QWidget) if isinstance(gui, QtWidgets.QWidget) else vars(gui).values()
        named = {widget.property(SlicerParameterNamePropertyName): widget for widget in widgets}
        return self.connectParametersToGui({name: widget for name, widget in named.items() if name})

    def connectParametersToGui(self, mapping: Mapping[str, Any]) -> int:
        unknown = sorted(set(mapping) - set(self.allParameters))
        if unknown:
            raise ValueError(f"Cannot find a param with the given name: {', '.join(unknown)}")
        connectors = {name: connector(widget, self.dataType(name)) for name, widget in mapping.items()}
        for name, found in connectors.items():
            found.write(self.getValue(name))
            found.on_changed(lambda name=name, found=found: self._take(name, found))
        observer = self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda _caller, _event: self._show(connectors))
        tag = max(self._connections, default=0) + 1
        self._connections[tag] = connectors, observer
        return tag

    def disconnectGui(self, tag):
        if tag in self._connections:
            connectors, observer = self._connections.pop(tag)
            self.RemoveObserver(observer)
            for found in connectors.values():
                found.disconnect()

    def _take(self, name: str, found: Connector) -> None:
        """From a widget into the node; not while the node is being shown."""
        if not self._showing:
            self.setValue(name, found.read())

    def _show(self, connectors: Mapping[str, Connector]) -> None:
        """From the node into the widgets."""
        if self._showing:
            return
        self._showing = True
        try:
            for name, found in connectors.items():
                found.write(self.getValue(name))
        finally:
            self._showing = False


def parameterNodeWrapper(classtype=None):
    """Class decorator: the class's annotated attributes become parameters of the node given to its constructor."""
    if classtype is None:
        return parameterNodeWrapper
    parameters = {}
    for name, annotated in typing.get_type_hints(classtype, include_extras=True).items():
        parameters[name] = _Parameter(name, annotated, getattr(classtype, name, None))
        setattr(classtype, name, parameters[name])
    for name, member in vars(_Wrapper).items():
        if name in ("__init__", "allParameters") or not name.startswith("__"):
            if name in vars(classtype):
                raise ValueError(f"Cannot use reserved name '{name}' in a parameterNodeWrapper")
            setattr(classtype, name, member)
    classtype.allParameters = parameters
    return classtype
