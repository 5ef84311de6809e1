"""Errors that escape from slots and observers. Qt and VTK print them and go on; a test must not."""

from __future__ import annotations

import sys
import traceback
from types import TracebackType


class UncaughtErrors:
    """While the block runs, such errors are collected in `errors`; what is still there at the end is raised."""

    def __init__(self) -> None:
        self.errors: list[BaseException] = []

    def __enter__(self) -> UncaughtErrors:
        self._hook = sys.excepthook
        sys.excepthook = self._collect
        return self

    def __exit__(self, kind: type[BaseException] | None, *_exception: object) -> None:
        sys.excepthook = self._hook
        if self.errors and kind is None:
            texts = ["".join(traceback.format_exception(error)) for error in self.errors]
            raise AssertionError("uncaught in a slot or an observer:\n" + "\n".join(texts)) from self.errors[0]

    def _collect(self, _kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
        self.errors.append(error)
