"""The one class of this package that tests use; see the package's own words."""

from __future__ import annotations

import gc
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
import slicer
import slicer.util

from . import parameters, scripted_module
from .pythonqt import PropertyAttributes, check_attributes, qt_module
from .qt_application import delete_widgets, process_events, qt_application
from .scene import application_scene
from .scripted_module import LoadedModule
from .services import Message, Messages, Packaging, SampleData, TorchExtension, refuse_to_install
from .slicer_app import LayoutManager, ModuleManager, SlicerApp

PANEL_PIXELS = 480
"""Width of the module panel beside the views."""
_UNDER_TEST = ("LungCancerDxLib.slicer.panel", "Testing")


class SlicerApplication:
    """One run of the application, from its start to its end; after it everything in the process is as before.

    Parameters
    ----------
    main_window
        With a main window there is a layout manager; Slicer's own generic tests run without.
    testing
        `slicer.app.testingEnabled()`: messages are not shown and questions not asked.
    version
        (5, 10) has no `slicer.packaging`.
    pytorch
        Whether the PyTorch extension is installed, so that `import PyTorchUtils` works.

    Attributes
    ----------
    scene, slicer_app
        `slicer.mrmlScene` and `slicer.app`.
    packaging, torch, sample_data
        What was asked of them, and how they behave.
    errors
        Errors that escaped from slots and observers; a test that expects one takes it off.
    """

    def __init__(
        self,
        *,
        main_window: bool = False,
        testing: bool = False,
        version: tuple[int, int] = (5, 12),
        pytorch: bool = True,
    ):
        self._main_window = main_window
        self._testing = testing
        self._version = version
        self._has_pytorch = pytorch
        self._attributes = PropertyAttributes(_UNDER_TEST)
        self._messages = Messages()
        self._modules: dict[str, LoadedModule] = {}
        self._selected: str | None = None
        self.packaging, self.torch, self.sample_data = Packaging(), TorchExtension(), SampleData()
        self.errors: list[BaseException] = []

    def __enter__(self) -> SlicerApplication:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slicer-stand-in-")))
            qt_application()
            self._made = stack.enter_context(application_scene(folder / "scenes"))
            self.scene = self._made.scene
            self._manager = ModuleManager()
            self.slicer_app = SlicerApp(
                self._made,
                self._manager,
                folder,
                version=self._version,
                testing=self._testing,
                layout_manager=LayoutManager(self._made) if self._main_window else None,
            )
            self._put_in_place(stack.enter_context(pytest.MonkeyPatch.context()))
            stack.callback(self._collect_garbage)
            stack.enter_context(self._attributes)
            stack.callback(delete_widgets)
            stack.callback(self._quit)
            self._stack = stack.pop_all()
        gc.freeze()  # what is there now need not be looked through at the end
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: Any) -> None:
        self._stack.__exit__(kind, *exception)
        if self.errors and kind is None:
            texts = ["".join(traceback.format_exception(error)) for error in self.errors]
            raise AssertionError("uncaught in a slot or an observer:\n" + "\n".join(texts)) from self.errors[0]

    @property
    def displayed(self) -> list[Message]:
        """What was shown to the user or asked, in order."""
        return self._messages.displayed

    @property
    def answers(self) -> dict[str, bool | Callable[[str], bool]]:
        """Whether the user agrees, by kind of question; at first always."""
        return self._messages.answers

    def load_module(self, path: Path, *, enter: bool = True) -> Any:
        """Load a scripted module, complete the application's start, enter the module; returns its `<Name>Widget`."""
        self._attributes.add(path.stem)
        module = LoadedModule(path)
        self._modules[module.name] = module
        self._manager.add(module.module_object)
        module.create()
        self.slicer_app.emit("startupCompleted")
        process_events()
        module.set_up()
        if enter:
            self.select_module(module.name)
        return module.widget

    def select_module(self, name: str | None) -> None:
        """Leave the module that is shown and enter another; None: only leave."""
        if self._selected is not None:
            self._modules[self._selected].leave()
        self._selected = name
        if name is not None:
            self._modules[name].enter(PANEL_PIXELS)
        process_events()

    def process_events(self) -> None:
        process_events()

    def wait_until(self, condition: Callable[[], Any], timeout_s: float = 30.0) -> None:
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
        assert self._selected is not None
        self._modules[self._selected].grab(path, width)

    def close_scene(self) -> None:
        """What "Close scene" in the File menu does."""
        self.scene.Clear(False)
        process_events()

    def save_scene(self, path: Path) -> None:
        assert self._made.save(path), f"could not save {path}"

    def open_scene(self, path: Path) -> None:
        """Close the scene and open another."""
        assert self._made.load(path), f"could not open {path}"
        process_events()

    def _put_in_place(self, patch: pytest.MonkeyPatch) -> None:
        """The modules that Slicer's Python has and ours has not, names in `slicer`, and what would wait for a user."""
        modules: dict[str, Any] = {
            "qt": qt_module(),
            "SampleData": self.sample_data.module(),
            "slicer.i18n": _I18n,
            "slicer.parameterNodeWrapper": parameters,
            "slicer.ScriptedLoadableModule": scripted_module,
        }
        if self._version >= (5, 12):
            modules["slicer.packaging"] = self.packaging.module()
        if self._has_pytorch:
            modules["PyTorchUtils"] = self.torch.module()
        for name, module in modules.items():
            patch.setitem(sys.modules, name, module)
            if name.startswith("slicer."):
                patch.setattr(slicer, name.partition(".")[2], module, raising=False)
        for name, value in {
            "app": self.slicer_app,
            "modules": self._manager.namespace,
            "mrmlScene": self.scene,
            "selfTests": {},
        }.items():
            patch.setattr(slicer, name, value, raising=False)
        patch.setattr(slicer.util, "_messageDisplay", self._messages.display)
        patch.setattr(slicer.util, "delayDisplay", self._messages.delay)
        patch.setattr(slicer.util, "pip_install", refuse_to_install)
        patch.setattr(sys, "path", list(sys.path))
        patch.setattr(sys, "excepthook", self._collect)

    def _collect(self, _kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
        """Qt and VTK print errors of slots and observers and go on; a test must not."""
        self.errors.append(error)

    def _quit(self) -> None:
        """What the application does when the user quits."""
        self.select_module(None)
        for name, module in self._modules.items():
            self._manager.emit("moduleAboutToBeUnloaded", name)
            check_attributes(module.frame)

    def _collect_garbage(self) -> None:
        """Timers and processes of the module end here, not during a later test."""
        for name in self._modules:
            sys.modules.pop(name, None)
        self._modules.clear()
        gc.collect()
        gc.unfreeze()


class _I18n:
    """`slicer.i18n`: nothing is translated, as in an English Slicer."""

    @staticmethod
    def translate(context: str, text: str) -> str:
        return text

    @staticmethod
    def tr(text: str) -> str:
        return text
