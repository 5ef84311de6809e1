"""What the module tells and asks the user through `slicer.util`: recorded, and answered by the test."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from typing import NamedTuple
from unittest.mock import patch

import slicer
import slicer.util
from PySide6.QtWidgets import QMessageBox

_BUTTON = QMessageBox.StandardButton
_QUESTIONS = {
    _BUTTON.Ok | _BUTTON.Cancel: ("confirmOkCancel", _BUTTON.Ok, _BUTTON.Cancel),
    _BUTTON.Yes | _BUTTON.No: ("confirmYesNo", _BUTTON.Yes, _BUTTON.No),
    _BUTTON.Retry | _BUTTON.Close: ("confirmRetryClose", _BUTTON.Retry, _BUTTON.Close),
}
_KINDS = {logging.ERROR: "error", logging.WARNING: "warning", logging.INFO: "info"}


class Message(NamedTuple):
    """`kind` is error, warning, info, status, delay, messageBox or one of the questions: confirmOkCancel,
    confirmYesNo, confirmRetryClose.
    """

    kind: str
    text: str


class Messages:
    """Stands below `slicer.util`'s own display functions, where Slicer would show a box.

    Slicer's rule for testing mode stays: nothing is asked, and the functions return what they return in Slicer. A
    message is recorded although Slicer without a main window would only log it.

    Attributes
    ----------
    displayed
        What was shown or asked, in order.
    answers
        Whether the user agrees, by kind of question: a bool, or a function of the question's text.
    """

    def __init__(self) -> None:
        self.displayed: list[Message] = []
        self.answers: dict[str, bool | Callable[[str], bool]] = {kind: True for kind, _, _ in _QUESTIONS.values()}
        self._stack = ExitStack()

    def __enter__(self) -> Messages:
        for name, function in {
            "_messageDisplay": self._display,
            "messageBox": self._box,
            "delayDisplay": self._delay,
            "showStatusMessage": self._status,
        }.items():
            self._stack.enter_context(patch.object(slicer.util, name, function))
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()

    def _display(self, logLevel, text, testingReturnValue, mainWindowNeeded=False, standardButtons=None, **_options):
        kind, yes, no = _QUESTIONS.get(standardButtons, (_KINDS.get(logLevel, "info"), None, None))
        logging.log(logLevel, text)
        self.displayed.append(Message(kind, text))
        if slicer.app.testingEnabled():
            return testingReturnValue
        if yes is None:
            return _BUTTON.Ok
        answer = self.answers[kind]
        return yes if (answer(text) if callable(answer) else answer) else no

    def _box(self, text, parent=None, **_options):
        self.displayed.append(Message("messageBox", text))
        return _BUTTON.Ok

    def _delay(self, message, autoCloseMsec=1000, parent=None, **_options):
        self.displayed.append(Message("delay", message))
        slicer.app.processEvents()

    def _status(self, message, duration=0):
        self.displayed.append(Message("status", message))
        return slicer.util.mainWindow() is not None
