"""What the background run needs and Slicer does not bring: torch, and a few small packages."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import LungCancerDxError
from ...runtime.atomic import atomic_folder

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
    """The same for a report: what any run needs but torch, and what is listed beside it.

    Raises
    ------
    DependencyError
    """
    without = "there is no report"
    ensure_packages(requirements_file, without)
    ensure_packages(requirements_file.replace(".txt", "-report.txt"), without)


def ensure_dicom_packages(requirements_file: str) -> None:
    """The same for DICOM objects, beside what Slicer brings: highdicom needs a newer pydicom than Slicer has.

    Raises
    ------
    DependencyError, OutputError
    """
    without = "there are no DICOM objects"
    ensure_report_packages(requirements_file)
    folder = dicom_packages()
    required = _requirements(requirements_file.replace(".txt", "-dicom.txt"))
    if any(not _is_met(requirement, [str(folder)]) for requirement in required):
        with atomic_folder(folder, replaceable=_names(folder)) as staging:
            beside = ["--target", str(staging), "--no-deps"]  # whatever else they need is there
            _install_by_hand(list(map(str, required)), without, "a folder beside Slicer", beside)


def dicom_packages() -> Path:
    """Where the packages for DICOM objects lie, for this version of Python."""
    import platformdirs

    data = Path(platformdirs.user_data_path("LungCancerDx", appauthor=False))
    return data / f"DICOM packages {sys.version_info[0]}.{sys.version_info[1]}"


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


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
    missing = [str(requirement) for requirement in _requirements(requirements_file) if not _is_met(requirement)]
    if missing:
        _install_by_hand(missing, without, "Slicer")


def _install_by_hand(packages: Sequence[str], without: str, where: str, options: Sequence[str] = ()) -> None:
    """Install wheels by pip, with the user's consent."""
    import slicer

    names = ", ".join(packages)
    if not slicer.util.confirmOkCancelDisplay(f"LungCancerDx needs to install {names} into {where}. Install now?"):
        raise _declined(names, without)
    try:
        slicer.util.pip_install([*options, "--only-binary", ":all:", *packages])
    except Exception as error:
        raise _not_installed(names, error) from error


def _requirements(file: str) -> list[Requirement]:
    from packaging.requirements import Requirement

    lines = map(str.strip, Path(file).read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def _is_met(requirement: Requirement, path: Sequence[str] | None = None) -> bool:
    """Whether a package is installed in these folders, or in those of this Python."""
    found = next(iter(distributions(name=requirement.name, path=list(sys.path if path is None else path))), None)
    return found is not None and requirement.specifier.contains(found.version, prereleases=True)


def _declined(what: str, without: str) -> DependencyError:
    return DependencyError(f"{what} were not installed, as you chose. Without them {without}.")


def _not_installed(what: str, error: Exception) -> DependencyError:
    return DependencyError(
        f"LungCancerDx could not install {what}: {error}\n"
        "Check the connection to the internet (or the proxy) and try again, or install by hand (docs/tutorial.md)."
    )
