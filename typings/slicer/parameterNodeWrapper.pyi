from collections.abc import Sequence
from typing import Any, TypeVar

_Class = TypeVar("_Class", bound=type)

class Choice:
    def __init__(self, choices: Sequence[Any]) -> None: ...

class WithinRange:
    def __init__(self, minimum: float, maximum: float) -> None: ...

def parameterNodeWrapper(classtype: _Class) -> _Class: ...
