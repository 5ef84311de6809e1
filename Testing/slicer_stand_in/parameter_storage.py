"""How typed values are kept in a parameter node, under the names and in the texts that Slicer uses.

    bool, int, float, str, path    parameter `name`: `True` or `False`, else `str(value)`
    enumeration                    parameter `name`: the member's name
    MRML node                      empty parameter `name`, and the node reference of role `name`
    list                           `name_len`, and the items as `name_0`, `name_1`, ...
    tuple                          the items as `name_0`, `name_1`, ...
    dict                           as a list of tuples
    Optional and Union             the value as `name_i`, where i is the place of its type; None is a `True`

Simpler than Slicer: parameter packs, numpy arrays and serialisers of one's own are not there, and a list or dict is
returned as a plain copy: to change it, set it as a whole (in Slicer changes of its items are stored too).
"""

from __future__ import annotations

import enum
import pathlib
import types
import typing
from collections.abc import Callable
from typing import Any

import slicer

_PATHS = (pathlib.Path, pathlib.PurePath, pathlib.PosixPath, pathlib.PurePosixPath)


class Stored:
    """A type's way into a node and back. `accepted` are the Python types that may be written."""

    def __init__(self, accepted: tuple, to_text: Callable[[Any], str], from_text: Callable[[str], Any], default: Any):
        self.accepted = accepted
        self.default = default
        self._to_text = to_text
        self._from_text = from_text

    def check(self, value: Any) -> None:
        if not isinstance(value, self.accepted):
            raise TypeError(f"Value must be of type {self.accepted}, is {value!r}")

    def holds(self, node: slicer.vtkMRMLScriptedModuleNode, name: str) -> bool:
        return bool(node.HasParameter(name))

    def write(self, node: slicer.vtkMRMLScriptedModuleNode, name: str, value: Any) -> None:
        self.check(value)
        node.SetParameter(name, self._to_text(value))

    def read(self, node: slicer.vtkMRMLScriptedModuleNode, name: str) -> Any:
        return self._from_text(node.GetParameter(name))

    def remove(self, node: slicer.vtkMRMLScriptedModuleNode, name: str) -> None:
        node.UnsetParameter(name)


class _StoredNode(Stored):
    def __init__(self, cls: type):
        super().__init__((cls, type(None)), str, str, None)

    def write(self, node, name, value):
        self.check(value)
        node.SetParameter(name, "")
        node.SetNodeReferenceID(name, value.GetID() if value is not None else None)

    def read(self, node, name):
        return node.GetNodeReference(name)

    def remove(self, node, name):
        super().remove(node, name)
        node.RemoveNodeReferenceIDs(name)


class _StoredTuple(Stored):
    def __init__(self, items: list[Stored]):
        super().__init__((tuple, list), str, str, tuple(item.default for item in items))
        self._items = items

    def holds(self, node, name):
        return self._items[0].holds(node, f"{name}_0")

    def check(self, value):
        super().check(value)
        for item, part in zip(self._items, value, strict=True):
            item.check(part)

    def write(self, node, name, value):
        self.check(value)
        for index, (item, part) in enumerate(zip(self._items, value, strict=True)):
            item.write(node, f"{name}_{index}", part)

    def read(self, node, name):
        return tuple(item.read(node, f"{name}_{index}") for index, item in enumerate(self._items))

    def remove(self, node, name):
        for index, item in enumerate(self._items):
            item.remove(node, f"{name}_{index}")


class _StoredList(Stored):
    def __init__(self, item: Stored):
        super().__init__((list, tuple), str, str, [])
        self._item = item

    def holds(self, node, name):
        return bool(node.HasParameter(f"{name}_len"))

    def check(self, value):
        super().check(value)
        for part in value:
            self._item.check(part)

    def write(self, node, name, value):
        self.check(value)
        self.remove(node, name)
        for index, part in enumerate(value):
            self._item.write(node, f"{name}_{index}", part)
        node.SetParameter(f"{name}_len", str(len(value)))

    def read(self, node, name):
        return [self._item.read(node, f"{name}_{index}") for index in range(int(node.GetParameter(f"{name}_len")))]

    def remove(self, node, name):
        for index in range(int(node.GetParameter(f"{name}_len") or 0)):
            self._item.remove(node, f"{name}_{index}")
        node.UnsetParameter(f"{name}_len")


class _StoredDict(_StoredList):
    def __init__(self, key: Stored, value: Stored):
        super().__init__(_StoredTuple([key, value]))
        self.accepted, self.default = (dict,), {}

    def check(self, value):
        Stored.check(self, value)

    def write(self, node, name, value):
        self.check(value)
        self.remove(node, name)
        for index, pair in enumerate(value.items()):
            self._item.write(node, f"{name}_{index}", pair)
        node.SetParameter(f"{name}_len", str(len(value)))

    def read(self, node, name):
        return dict(super().read(node, name))


class _StoredUnion(Stored):
    def __init__(self, members: list[Stored]):
        self._members = members
        optional = type(None) in members[-1].accepted
        accepted = tuple(cls for member in members for cls in member.accepted)
        super().__init__(accepted, str, str, None if optional else members[0].default)

    def holds(self, node, name):
        return any(member.holds(node, f"{name}_{index}") for index, member in enumerate(self._members))

    def write(self, node, name, value):
        self.check(value)
        self.remove(node, name)
        matching = [index for index, member in enumerate(self._members) if isinstance(value, member.accepted)]
        index = matching[-1] if value is None else matching[0]
        self._members[index].write(node, f"{name}_{index}", value)

    def read(self, node, name):
        held = (i for i, member in enumerate(self._members) if member.holds(node, f"{name}_{i}"))
        index = next(held)
        return self._members[index].read(node, f"{name}_{index}")

    def remove(self, node, name):
        for index, member in enumerate(self._members):
            member.remove(node, f"{name}_{index}")


def stored(type_: Any) -> Stored:
    """The way of a type.

    Raises
    ------
    TypeError
        Where there is none; `X | None` included, which parameter nodes do not take: write `Optional[X]`.
    """
    origin, arguments = typing.get_origin(type_), typing.get_args(type_)
    if origin is typing.Annotated:
        return stored(arguments[0])
    if origin is list:
        return _StoredList(stored(arguments[0]))
    if origin is tuple:
        return _StoredTuple([stored(argument) for argument in arguments])
    if origin is dict:
        return _StoredDict(*(stored(argument) for argument in arguments))
    if origin is typing.Union:
        return _StoredUnion([stored(argument) for argument in arguments])
    if isinstance(type_, type) and origin is None and not isinstance(type_, types.UnionType):
        if issubclass(type_, slicer.vtkMRMLNode):
            return _StoredNode(type_)
        if issubclass(type_, enum.Enum):
            return Stored((type_,), lambda member: member.name, type_.__getitem__, next(iter(type_)))
        if type_ in _SIMPLE:
            return _SIMPLE[type_]
    raise TypeError(f"A parameter node cannot hold {type_}")


_SIMPLE = {
    bool: Stored((bool,), str, lambda text: text == "True", False),
    int: Stored((int,), str, int, 0),
    float: Stored((float, int), str, float, 0.0),
    str: Stored((str,), str, str, ""),
    type(None): Stored((type(None),), lambda _none: "True", lambda _text: None, None),
    **{path: Stored((path,), str, path, path()) for path in _PATHS},
}
