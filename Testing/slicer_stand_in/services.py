"""What the module asks of Slicer and its user: messages, packages, PyTorch and Sample Data. All is recorded, nothing
is shown, installed or downloaded.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import slicer
import slicer.util
from PySide6.QtWidgets import QMessageBox

_BUTTON = QMessageBox.StandardButton


class Message(NamedTuple):
    """`kind` is error, info, delay or confirmOkCancel."""

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
        Whether the user agrees, by kind of question; a function of the question's text, or a bool.
    """

    def __init__(self) -> None:
        self.displayed: list[Message] = []
        self.answers: dict[str, bool | Callable[[str], bool]] = {"confirmOkCancel": True}

    def display(self, logLevel, text, testingReturnValue, standardButtons=None, **_options):
        """`slicer.util._messageDisplay`."""
        logging.log(logLevel, text)
        asks = standardButtons == _BUTTON.Ok | _BUTTON.Cancel
        kind = "confirmOkCancel" if asks else "error" if logLevel == logging.ERROR else "info"
        self.displayed.append(Message(kind, text))
        if slicer.app.testingEnabled():
            return testingReturnValue
        answer = self.answers.get(kind, True)
        return _BUTTON.Ok if (answer(text) if callable(answer) else answer) else _BUTTON.Cancel

    def delay(self, message, autoCloseMsec=1000, parent=None, **_options):
        """`slicer.util.delayDisplay`."""
        self.displayed.append(Message("delay", message))
        slicer.app.processEvents()


class Packaging:
    """`slicer.packaging` of Slicer 5.12.

    Attributes
    ----------
    missing
        Names of the packages that are not there yet.
    installed
        Requirements that were installed, in order.
    requests
        (requester, requirements) of each call of `pip_ensure`.
    """

    def __init__(self) -> None:
        self.missing: set[str] = set()
        self.installed: list[str] = []
        self.requests: list[tuple[str | None, list[str]]] = []

    def module(self) -> ModuleType:
        module = ModuleType("slicer.packaging")
        vars(module).update(load_requirements=self.load_requirements, pip_ensure=self.pip_ensure)
        return module

    def load_requirements(self, path: str) -> list[str]:
        """The lines of a requirements file; in Slicer they are `packaging` objects, whose text these are."""
        return [line for line in Path(path).read_text(encoding="utf-8").splitlines() if line]

    def pip_ensure(self, requirements, constraints=None, prompt_install=True, requester=None, skip_in_testing=True):
        self.requests.append((requester, list(requirements)))
        needed = [requirement for requirement in requirements if requirement.partition(">=")[0] in self.missing]
        if not needed or (skip_in_testing and slicer.app.testingEnabled()):
            return
        question = f"{len(needed)} Python packages need to be installed: {', '.join(needed)}"
        if prompt_install and not slicer.util.confirmOkCancelDisplay(question):
            raise RuntimeError("User declined package installation")
        self.installed += needed
        self.missing.clear()


def refuse_to_install(*_arguments: object, **_options: object) -> None:
    """Stands for `slicer.util.pip_install`."""
    raise RuntimeError("a test installs nothing")


class TorchExtension:
    """`PyTorchUtils` of the PyTorch extension; the user's answer decides about installing.

    Attributes
    ----------
    torch_installed
        Whether the application has torch.
    requests
        Version requirements with which an installation was asked for.
    """

    def __init__(self) -> None:
        self.torch_installed = True
        self.requests: list[str | None] = []

    def module(self) -> ModuleType:
        module = ModuleType("PyTorchUtils")
        vars(module)["PyTorchUtilsLogic"] = lambda: self
        return module

    def torchInstalled(self) -> bool:
        return self.torch_installed

    def installTorch(self, askConfirmation=False, torchVersionRequirement=None):
        """What was installed, None where the user declined."""
        self.requests.append(torchVersionRequirement)
        asks = askConfirmation and not slicer.app.testingEnabled()
        if asks and not slicer.util.confirmOkCancelDisplay("PyTorch will be downloaded and installed"):
            return None
        self.torch_installed = True
        return "torch"


class SampleDataSource:
    """A data set, under the names that Slicer gives to its parts; as in Slicer 5.10 these must have one length."""

    def __init__(
        self,
        sampleName=None,
        uris=None,
        fileNames=None,
        nodeNames=None,
        checksums=None,
        loadFiles=None,
        customDownloader=None,
        thumbnailFileName=None,
        loadFileTypes=None,
    ):
        if isinstance(uris, list | tuple):
            loadFileTypes = [loadFileTypes] * len(uris) if loadFileTypes is None else loadFileTypes
            nodeNames, loadFiles, checksums = (
                [None] * len(uris) if parts is None else parts for parts in (nodeNames, loadFiles, checksums)
            )
        elif isinstance(uris, str):
            uris, fileNames, nodeNames, loadFiles, loadFileTypes, checksums = (
                [part] for part in (uris, fileNames, nodeNames, loadFiles, loadFileTypes, checksums)
            )
        parts: Any = (uris, fileNames, nodeNames, loadFiles, loadFileTypes, checksums)
        if len({len(part) for part in parts}) > 1:
            raise ValueError("All fields of sample data source must have the same length")
        self.sampleName = sampleName
        self.customDownloader = customDownloader
        self.thumbnailFileName = thumbnailFileName


class SampleData:
    """`SampleData`: data sets that modules register for the user to load.

    Attributes
    ----------
    sources
        What was registered, by category.
    """

    def __init__(self) -> None:
        self.sources: dict[str, list[SampleDataSource]] = {}

    def load(self, sample_name: str) -> Any:
        """What a click on a data set does."""
        sources = [source for each in self.sources.values() for source in each if source.sampleName == sample_name]
        return sources[0].customDownloader(sources[0])

    def module(self) -> ModuleType:
        module = ModuleType("SampleData")
        vars(module)["SampleDataLogic"] = self
        return module

    def registerCustomSampleDataSource(self, category="Custom", sampleName=None, **parts):
        self.sources.setdefault(category, []).append(SampleDataSource(sampleName, **parts))
