"""Signals of the application's own objects, which modules connect by their text: `connect("startupCompleted()", f)`."""

from __future__ import annotations

from collections.abc import Callable


class TextSignals:
    """Signals by name, as in `moduleAboutToBeUnloaded(QString)`; an unknown one is refused, as in PythonQt."""

    def __init__(self, *names: str):
        self._slots: dict[str, list[Callable]] = {name: [] for name in names}

    def connect(self, signature: str, function: Callable) -> None:
        self._of(signature).append(function)

    def disconnect(self, signature: str, function: Callable) -> None:
        self._of(signature).remove(function)

    def emit(self, name: str, *arguments: object) -> None:
        for function in list(self._slots[name]):
            function(*arguments)

    def _of(self, signature: str) -> list[Callable]:
        name = signature.partition("(")[0]
        if name not in self._slots:
            raise ValueError(f"no such signal: {signature}")
        return self._slots[name]
