"""`slicer.packaging` of Slicer 5.12: requirements are recorded and nothing is installed."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import slicer
import slicer.util


class Packaging:
    """The test says what is missing, the module under test asks for it, the user's answer decides.

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
        module = ModuleType("slicer.packaging", "Requirements of a module, made sure of before their first use.")
        module.load_requirements = self.load_requirements
        module.pip_check = self.pip_check
        module.pip_ensure = self.pip_ensure
        module.pip_install = refuse_to_install
        return module

    def load_requirements(self, path: str | Path) -> list[str]:
        """The lines of a requirements file; in Slicer they are `packaging` objects, whose text these are."""
        lines = (line.partition("#")[0].strip() for line in Path(path).read_text(encoding="utf-8").splitlines())
        return [line for line in lines if line]

    def pip_check(self, requirements: str | list[str]) -> bool:
        asked = [requirements] if isinstance(requirements, str) else requirements
        return not any(_package(requirement) in self.missing for requirement in asked)

    def pip_ensure(self, requirements, constraints=None, prompt_install=True, requester=None, skip_in_testing=True):
        self.requests.append((requester, list(requirements)))
        needed = [requirement for requirement in requirements if not self.pip_check(requirement)]
        if not needed or (skip_in_testing and slicer.app.testingEnabled()):
            return
        question = f"{len(needed)} Python packages need to be installed: {', '.join(needed)}"
        if prompt_install and not slicer.util.confirmOkCancelDisplay(question):
            raise RuntimeError("User declined package installation")
        self.installed += needed
        self.missing -= {_package(requirement) for requirement in needed}


def refuse_to_install(*_arguments: object, **_options: object) -> None:
    """Stands for every other way to pip."""
    raise RuntimeError("a test installs nothing: use slicer.packaging.pip_ensure")


def _package(requirement: str) -> str:
    """A requirement's name: what stands before a bound, an extra or a marker."""
    name = requirement
    for mark in "<>=!~[; ":
        name = name.partition(mark)[0]
    return name.lower()
