"""`slicer.app`, the application object, as far as a scripted module of our kind uses it."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import slicer
from PySide6 import QtCore, QtGui, QtWidgets

from .application_scene import ApplicationScene
from .io_manager import CoreIOManager
from .main_window import LayoutManager
from .modules import ModuleManager
from .qt_application import process_events, qt_application
from .signals import TextSignals


class SlicerApp(TextSignals):
    """Only what is here is known to exist; everything else is an AttributeError.

    Parameters
    ----------
    folder
        Where the application keeps what it writes.
    """

    applicationName = "Slicer"
    arch = "linux-amd64"
    os = "linux"
    repositoryRevision = "00000"

    def __init__(
        self,
        made: ApplicationScene,
        modules: ModuleManager,
        folder: Path,
        *,
        version: tuple[int, int],
        testing: bool,
        layout_manager: LayoutManager | None,
    ):
        super().__init__("startupCompleted", "aboutToQuit", "mrmlSceneChanged", "layoutManagerChanged")
        self._made = made
        self._modules = modules
        self._testing = testing
        self.testingEnabled = lambda: testing
        self._layout_manager = layout_manager
        self._io = CoreIOManager(made.scene, made.modules["Volumes"])
        self.majorVersion, self.minorVersion = version
        self.applicationVersion = f"{version[0]}.{version[1]}.0"
        for attribute in ("slicerHome", "temporaryPath", "extensionsInstallPath", "cachePath"):
            path = folder / attribute
            path.mkdir()
            setattr(self, attribute, str(path))

    def commandOptions(self) -> SimpleNamespace:
        return SimpleNamespace(
            testingEnabled=self._testing, noMainWindow=self._layout_manager is None, runPythonAndExit=False
        )

    def mrmlScene(self) -> slicer.vtkMRMLScene:
        return self._made.scene

    def applicationLogic(self) -> slicer.vtkSlicerApplicationLogic:
        return self._made.application_logic

    def layoutManager(self) -> LayoutManager | None:
        return self._layout_manager

    def moduleManager(self) -> ModuleManager:
        return self._modules

    def coreIOManager(self) -> CoreIOManager:
        return self._io

    def ioManager(self) -> CoreIOManager:
        return self._io

    def userSettings(self) -> QtCore.QSettings:
        return QtCore.QSettings()

    def settings(self) -> QtCore.QSettings:
        return QtCore.QSettings()

    def revisionUserSettings(self) -> QtCore.QSettings:
        return QtCore.QSettings()

    def processEvents(self) -> None:
        process_events()

    def topLevelWidgets(self) -> list[QtWidgets.QWidget]:
        return qt_application().topLevelWidgets()

    def palette(self) -> QtGui.QPalette:
        return qt_application().palette()

    def applicationPid(self) -> int:
        return os.getpid()

    def setOverrideCursor(self, cursor: QtCore.Qt.CursorShape) -> None:
        qt_application().setOverrideCursor(QtGui.QCursor(QtCore.Qt.CursorShape(cursor)))

    def restoreOverrideCursor(self) -> None:
        qt_application().restoreOverrideCursor()

    def pauseRender(self) -> None:
        """Nothing is drawn."""

    def resumeRender(self) -> None:
        """Nothing is drawn."""

    def translate(self, _context: str, text: str) -> str:
        return text
