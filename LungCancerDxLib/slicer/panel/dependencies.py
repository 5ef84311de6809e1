"""What the background run needs and Slicer does not bring: torch, and a few small packages."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from ...errors import LungCancerDxError

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_TORCH = ">=2.5"
_REQUESTER = "LungCancerDx"


class DependencyError(LungCancerDxError):
    """A package is missing and was not installed; says what to do."""


def ensure_dependencies(requirements_file: str) -> None:
    """Install what is missing, with the user's consent; on the main thread, before the first run.

    Raises
    ------
    DependencyError
        Where the user declined, the PyTorch extension is missing, or an installation failed.
    """
    _ensure_torch()
    ensure_packages(requirements_file, "nothing can be detected or scored")


def ensure_report_packages(requirements_file: str) -> None:
    """The same for what a report needs, which is listed beside it.

    Raises
    ------
    DependencyError
    """
    ensure_packages(requirements_file.replace(".txt", "-report.txt"), "there is no report")


def _ensure_torch() -> None:
    try:
        import PyTorchUtils
    except ModuleNotFoundError:
        if find_spec("torch") is not None:
            return
        raise DependencyError(
            "LungCancerDx needs PyTorch. Install the PyTorch extension in the Extensions Manager and restart Slicer."
        ) from None
    logic = PyTorchUtils.PyTorchUtilsLogic()
    if logic.torchInstalled():
        return
    try:
        installed = logic.installTorch(askConfirmation=True, torchVersionRequirement=_TORCH)
    except Exception as error:  # whatever pip and the network come up with
        raise _not_installed("PyTorch", error) from error
    if installed is None:
        raise DependencyError("PyTorch was not installed, as you chose. Without it nothing can be detected or scored.")


def ensure_packages(requirements_file: str, without: str) -> None:
    """Install what is missing of a list, with the user's consent; on the main thread.

    Parameters
    ----------
    without
        What cannot be done without them, as a clause.

    Raises
    ------
    DependencyError
        Where the user declined, or an installation failed.
    """
    try:
        from slicer.packaging import load_requirements, pip_ensure
    except ModuleNotFoundError:  # Slicer 5.10
        _ensure_packages_by_hand(requirements_file, without)
        return
    try:
        pip_ensure(load_requirements(requirements_file), requester=_REQUESTER)
    except Exception as error:  # RuntimeError where the user declines; pip and the network have others
        if "declined" in str(error):
            raise _declined("The packages that LungCancerDx needs", without) from error
        raise _not_installed("the packages it needs", error) from error


def _ensure_packages_by_hand(requirements_file: str, without: str) -> None:
    """What `slicer.packaging.pip_ensure` does, for a Slicer that does not have it."""
    import slicer
    from packaging.requirements import Requirement

    with open(requirements_file, encoding="utf-8") as file:
        required = [Requirement(line) for line in map(str.strip, file) if line and not line.startswith("#")]
    missing = [str(requirement) for requirement in required if not _is_met(requirement)]
    if not missing:
        return
    names = ", ".join(missing)
    if not slicer.util.confirmOkCancelDisplay(f"LungCancerDx needs to install {names} into Slicer. Install now?"):
        raise _declined(names, without)
    try:
        slicer.util.pip_install(["--only-binary", ":all:", *missing])
    except Exception as error:
        raise _not_installed(names, error) from error


def _is_met(requirement: Requirement) -> bool:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return requirement.specifier.contains(version(requirement.name), prereleases=True)
    except PackageNotFoundError:
        return False


def _declined(what: str, without: str) -> DependencyError:
    return DependencyError(f"{what} were not installed, as you chose. Without them {without}.")


def _not_installed(what: str, error: Exception) -> DependencyError:
    return DependencyError(
        f"LungCancerDx could not install {what}: {error}\n"
        "Check the connection to the internet (or the proxy) and try again, or see the README for installing by hand."
    )
