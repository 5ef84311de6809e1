"""Configures and installs a source tree with the stand-in for Slicer's build."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

STAND_IN = Path(__file__).with_name("StandInSlicer")
MODULES_FOLDER = "lib/Slicer-5.12/qt-scripted-modules"

needs_cmake = pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is not on the PATH")


@dataclass(frozen=True)
class Packaged:
    """What came of it: the facts that were written down, and the folder where the modules were installed."""

    record: list[str]
    modules: Path


def configure(source: Path, build: Path, *options: str) -> subprocess.CompletedProcess:
    """Run CMake on a source tree; nothing is raised where it refuses."""
    toolchain = STAND_IN / "NoCompiler.cmake"
    command = ["cmake", "-S", str(source), "-B", str(build), f"-DSlicer_DIR={STAND_IN}", "--toolchain", str(toolchain)]
    command += options
    return subprocess.run(command, capture_output=True, text=True)


def package(source: Path, work: Path, *options: str) -> Packaged:
    """Configure a source tree and install it below a work folder."""
    build, installed = work / "build", work / "installed"
    configured = configure(source, build, *options)
    assert configured.returncode == 0, configured.stderr
    subprocess.run(["cmake", "--install", build, "--prefix", installed], check=True, stdout=subprocess.DEVNULL)
    return Packaged((build / "record.txt").read_text(encoding="utf-8").splitlines(), installed / MODULES_FOLDER)
