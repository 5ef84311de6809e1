"""The one QApplication of the process: off screen, in a font that is the same on every machine."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
from contextlib import suppress
from pathlib import Path

from PySide6 import QtCore, QtGui, QtWidgets

_FONT_FILES = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSans-Oblique.ttf")
_FONT_POINTS = 9


def qt_application() -> QtWidgets.QApplication:
    """The QApplication, made on the first call; a process can have only one, so that it is never taken down."""
    application = QtWidgets.QApplication.instance()
    if isinstance(application, QtWidgets.QApplication):
        return application
    if sys.version_info < (3, 12):  # PySide6 loses a reference to None at each property set as an attribute
        ctypes.c_ssize_t.from_address(id(None)).value += 1 << 20
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    application = QtWidgets.QApplication(["Slicer"])
    application.setQuitOnLastWindowClosed(False)
    application.setStyle("Fusion")
    _set_font(application)
    return application


def process_events() -> None:
    """What a turn of the event loop does, deferred deletions included."""
    qt_application().processEvents()
    qt_application().sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete.value)


def delete_widgets() -> None:
    """Close and delete every window."""
    for widget in qt_application().topLevelWidgets():
        with suppress(RuntimeError):  # one may own another
            widget.close()
            widget.deleteLater()
    process_events()


def _set_font(application: QtWidgets.QApplication) -> None:
    """Off screen there may be no font at all; matplotlib brings DejaVu Sans."""
    found = importlib.util.find_spec("matplotlib")
    if found is None or found.origin is None:
        return
    folder = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf"
    for name in _FONT_FILES:
        QtGui.QFontDatabase.addApplicationFont(str(folder / name))
    application.setFont(QtGui.QFont("DejaVu Sans", _FONT_POINTS))
