"""`PyTorchUtils` of the PyTorch extension: installations are recorded and nothing is installed."""

from __future__ import annotations

import importlib
from types import ModuleType

import slicer
import slicer.util


class TorchExtension:
    """The test says whether torch is installed; the user's answer decides about installing it.

    Attributes
    ----------
    torch_installed
        Whether the application has torch. After an installation the torch of the tests' own environment is used.
    requests
        Version requirements with which an installation was asked for.
    """

    def __init__(self) -> None:
        self.torch_installed = True
        self.requests: list[str | None] = []

    def module(self) -> ModuleType:
        extension = self

        class PyTorchUtilsLogic:
            """Without the choice of a computing backend and without uninstalling."""

            @staticmethod
            def torchInstalled():
                return extension.torch_installed

            @property
            def torch(self):
                return self.importTorch()

            def importTorch(self):
                return importlib.import_module("torch") if extension.torch_installed else self.installTorch()

            def installTorch(
                self,
                askConfirmation=False,
                forceComputationBackend=None,
                torchVersionRequirement=None,
                torchvisionVersionRequirement=None,
            ):
                extension.requests.append(torchVersionRequirement)
                asks = askConfirmation and not slicer.app.testingEnabled()
                if asks and not slicer.util.confirmOkCancelDisplay("PyTorch will be downloaded and installed"):
                    return None
                extension.torch_installed = True
                return importlib.import_module("torch")

        module = ModuleType("PyTorchUtils", "Installs PyTorch into Slicer.")
        module.PyTorchUtilsLogic = PyTorchUtilsLogic
        return module
