"""A Slicer application for tests: real Qt off screen, real MRML, and stand-ins for what is between them.

    with SlicerApplication() as app:
        widget = app.load_module(Path("LungCancerDx/LungCancerDx.py"))

Modules under test, and the tests themselves, have Qt properties as attributes (see `property_attributes`).
"""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import slicer
import slicer.util

from . import i18n, parameter_node_wrapper, scripted_module
from .application_scene import application_scene
from .ctk_widgets import ctk_module
from .main_window import LayoutManager, qSlicerMainWindow
from .messages import Message, Messages
from .modules import ModuleManager, qSlicerScriptedLoadableModule, qSlicerScriptedLoadableModuleWidget
from .packaging import Packaging, refuse_to_install
from .property_attributes import PropertyAttributes
from .python_modules import ModulesUnderTest, installed, search_path
from .qmrml_widgets import QMRML_WIDGETS
from .qt_application import delete_widgets, keep_settings_in, process_events, qt_application
from .qt_module import qt_module
from .refusals import check_attributes
from .sample_data import SampleData
from .scripted_panel import Panel, load_python
from .slicer_app import SlicerApp
from .torch_extension import TorchExtension
from .uncaught import UncaughtErrors

PANEL_PIXELS = 480
"""Width of the module panel beside the views."""


class SlicerApplication:
    """One run of the application, from its start to its end; after it everything in the process is as before.

    At the end the test fails where an error escaped from a slot or an observer (see `errors`), or where the module
    did what PySide6 takes and PythonQt does not (see `refusals`).

    Parameters
    ----------
    main_window
        With a main window there are `slicer.util.mainWindow()`, the layout manager and `selectModule`; Slicer's own
        generic tests run without.
    testing
        `slicer.app.testingEnabled()`: messages are not shown and questions not asked.
    version
        (5, 10) has neither `slicer.packaging` nor categories of sample data.
    pytorch
        Whether the PyTorch extension is installed, so that `import PyTorchUtils` works.
    attribute_modules
        Names of the modules and packages, beside the module under test, that have Qt properties as attributes.

    Attributes
    ----------
    scene, slicer_app
        `slicer.mrmlScene` and `slicer.app`.
    packaging, torch, sample_data
        What was asked of them, and how they behave.
    """

    def __init__(
        self,
        *,
        main_window: bool = False,
        testing: bool = False,
        version: tuple[int, int] = (5, 12),
        pytorch: bool = True,
        attribute_modules: Sequence[str] = ("LungCancerDxLib.slicer.panel", "Testing"),
    ):
        self._options = {"version": version, "testing": testing}
        self._has_main_window = main_window
        self._has_pytorch = pytorch
        self._attributes = PropertyAttributes(attribute_modules)
        self._messages = Messages()
        self._uncaught = UncaughtErrors()
        self._panels: dict[str, Panel] = {}
        self._selected: str | None = None
        self._stack = ExitStack()
        self.packaging = Packaging()
        self.torch = TorchExtension()
        self.sample_data = SampleData(version)

    def __enter__(self) -> SlicerApplication:
        with ExitStack() as stack:
            stack.enter_context(self._uncaught)
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slicer-harness-")))
            qt_application()
            keep_settings_in(folder / "settings")
            made = stack.enter_context(application_scene(folder / "scenes"))
            self.scene = made.scene
            self._manager = ModuleManager(made.modules)
            layout_manager = self._open_main_window(made) if self._has_main_window else None
            self.slicer_app = SlicerApp(made, self._manager, folder, layout_manager=layout_manager, **self._options)
            stack.enter_context(installed(self._python_modules(), self._slicer_names()))
            stack.enter_context(search_path())
            stack.enter_context(self._messages)
            for name in ("pip_install", "pip_uninstall"):
                stack.enter_context(patch.object(slicer.util, name, refuse_to_install))
            self._under_test = ModulesUnderTest(self._attributes.covers)
            stack.callback(self._forget_modules)
            stack.enter_context(self._attributes)
            stack.callback(delete_widgets)
            stack.callback(self._close)
            self._stack = stack.pop_all()
        gc.freeze()  # what is there now need not be looked through at the end
        return self

    def __exit__(self, *exception: Any) -> None:
        self._stack.__exit__(*exception)

    @property
    def displayed(self) -> list[Message]:
        """What was shown to the user or asked, in order."""
        return self._messages.displayed

    @property
    def answers(self) -> dict[str, bool | Callable[[str], bool]]:
        """Whether the user agrees, by kind of question; at first always."""
        return self._messages.answers

    @property
    def errors(self) -> list[BaseException]:
        """Errors that escaped from slots and observers; a test that expects one takes it off."""
        return self._uncaught.errors

    def load_module(self, path: Path, *, enter: bool = True) -> Any:
        """Load a scripted module, complete the application's start, enter the module; returns its `<Name>Widget`."""
        name = path.stem
        self._attributes.add(name)
        python = load_python(path)
        parent = qSlicerScriptedLoadableModule(name, str(path))
        instance = getattr(python, name)(parent)
        self._manager.add(parent)
        setattr(slicer.modules, f"{name}Instance", instance)
        self._manager.emit("moduleLoaded", name)
        self.slicer_app.emit("startupCompleted")
        self.process_events()
        self._panels[name] = Panel(python, parent)
        self._panels[name].setup()
        self._under_test.check()
        if enter:
            self.select_module(name)
        return self._panels[name].widget

    def select_module(self, name: str | None) -> None:
        """Leave the module that is shown and enter another; None: only leave."""
        if self._selected is not None:
            self._panels[self._selected].leave()
        self._selected = name if name in self._panels else None
        if self._selected is not None:
            self._panels[self._selected].enter(PANEL_PIXELS)
        self.process_events()

    def process_events(self) -> None:
        process_events()

    def wait_until(self, condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
        """Run the event loop until a condition holds.

        Raises
        ------
        TimeoutError
            Where it does not hold in time.
        """
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {timeout_s} s; shown so far: {self.displayed}; errors: {self.errors}")
            process_events()
            time.sleep(0.005)

    def grab(self, path: Path, width: int = PANEL_PIXELS) -> None:
        """A picture (PNG) of the panel that is shown."""
        self._panels[self._selected].grab(path, width)

    def close_scene(self) -> None:
        """What "Close scene" in the File menu does."""
        self.scene.Clear(False)
        self.process_events()

    def save_scene(self, path: Path) -> None:
        assert self.slicer_app.coreIOManager().save_scene(path), f"could not save {path}"

    def open_scene(self, path: Path) -> None:
        """Close the scene and open another."""
        assert self.slicer_app.coreIOManager().load_scene(path, clear=True), f"could not open {path}"
        self.process_events()

    def _open_main_window(self, made: Any) -> LayoutManager:
        self._main_window = qSlicerMainWindow(self.select_module)
        return LayoutManager(made)

    def _python_modules(self) -> dict[str, Any]:
        modules = {
            "qt": qt_module(),
            "ctk": ctk_module(),
            "SampleData": self.sample_data.module(),
            "slicer.i18n": i18n,
            "slicer.parameterNodeWrapper": parameter_node_wrapper,
            "slicer.ScriptedLoadableModule": scripted_module,
        }
        if self._options["version"] >= (5, 12):
            modules["slicer.packaging"] = self.packaging.module()
        if self._has_pytorch:
            modules["PyTorchUtils"] = self.torch.module()
        return modules

    def _slicer_names(self) -> dict[str, Any]:
        return {
            "app": self.slicer_app,
            "modules": self._manager.namespace,
            "mrmlScene": self.scene,
            "selfTests": {},
            "qSlicerScriptedLoadableModule": qSlicerScriptedLoadableModule,
            "qSlicerScriptedLoadableModuleWidget": qSlicerScriptedLoadableModuleWidget,
            **{cls.__name__: cls for cls in QMRML_WIDGETS},
        }

    def _close(self) -> None:
        """What the application does when the user quits."""
        self.slicer_app.emit("aboutToQuit")
        self.select_module(None)
        for name, panel in self._panels.items():
            self._manager.emit("moduleAboutToBeUnloaded", name)
            check_attributes(panel.frame)
        self._under_test.check()

    def _forget_modules(self) -> None:
        self._panels.clear()
        self._under_test.forget()
        gc.collect()  # timers and processes of the module end here, not during a later test
        gc.unfreeze()
