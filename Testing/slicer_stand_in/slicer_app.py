"""`slicer.app`, `slicer.modules` and the views. Only what is here is known to exist; all else is an AttributeError."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import slicer

from .qt_application import process_events
from .scene import ApplicationScene


class TextSignals:
    """Signals by name, as in `connect("startupCompleted()", f)`; an unknown one is refused, as in PythonQt."""

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


class ModuleManager(TextSignals):
    """`namespace` is `slicer.modules`, where modules are by their name in small letters."""

    def __init__(self) -> None:
        super().__init__("moduleAboutToBeUnloaded")
        self.namespace = SimpleNamespace()

    def add(self, module: Any) -> None:
        setattr(self.namespace, module.name.lower(), module)


class LayoutManager:
    """The views of the main window; requests to its 3D view are counted in `camera_resets`."""

    threeDViewCount = 1

    def __init__(self, made: ApplicationScene):
        self._made = made
        self.camera_resets = 0

    def resetSliceViews(self) -> None:
        for logic in self._made.slice_logics:
            logic.FitSliceToBackground()

    def threeDWidget(self, index: int) -> LayoutManager:
        assert index == 0
        return self

    def threeDView(self) -> LayoutManager:
        return self

    def resetFocalPoint(self) -> None:
        self.camera_resets += 1


class SlicerApp(TextSignals):
    """`slicer.app`.

    Parameters
    ----------
    folder
        For temporary files.
    """

    applicationName = "Slicer"

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
        super().__init__("startupCompleted")
        self._made = made
        self._modules = modules
        self.testingEnabled = partial(bool, testing)
        self._layout_manager = layout_manager
        self.majorVersion, self.minorVersion = version
        self.temporaryPath = str(folder)

    def applicationLogic(self) -> slicer.vtkSlicerApplicationLogic:
        return self._made.application_logic

    def layoutManager(self) -> LayoutManager | None:
        return self._layout_manager

    def moduleManager(self) -> ModuleManager:
        return self._modules

    def coreIOManager(self) -> SlicerApp:
        return self

    def saveNodes(self, file_type: str, properties: dict[str, Any], _messages: object = None) -> bool:
        """What `slicer.util.saveScene` calls."""
        assert file_type == "SceneFile"
        return self._made.save(Path(properties["fileName"]))

    def processEvents(self) -> None:
        process_events()
