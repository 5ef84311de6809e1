"""What the module installs into Slicer is what the library needs and Slicer does not bring."""

import re
import tomllib
from importlib.metadata import requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from Testing.Extension.source_tree import ROOT

# What is there without us, and the version that the oldest supported Slicer, 5.10, has at least.
IN_SLICER = {
    "numpy": "2.0.2",
    "scipy": "1.13.1",
    "simpleitk": "2.5",
    "pydicom": "2.4.4",
}
# Installed by the PyTorch extension, which asks for the version that suits the computer.
BY_PYTORCH = {"torch"}


def by_name(requirements):
    """Requirements by their canonical name."""
    return {canonicalize_name(Requirement(text).name): Requirement(text) for text in requirements}


with (ROOT / "pyproject.toml").open("rb") as file:
    NEEDED = by_name(tomllib.load(file)["project"]["dependencies"])
LINES = (ROOT / "LungCancerDx" / "Resources" / "requirements.txt").read_text(encoding="utf-8").splitlines()
INSTALLED = by_name(LINES)


def test_what_a_report_needs_is_what_the_extra_lists():
    with (ROOT / "pyproject.toml").open("rb") as file:
        extra = tomllib.load(file)["project"]["optional-dependencies"]["report"]
    lines = (ROOT / "LungCancerDx" / "Resources" / "requirements-report.txt").read_text(encoding="utf-8").splitlines()
    assert lines == extra


def test_what_dicom_objects_need_is_what_the_extra_lists_with_what_it_needs_itself():
    with (ROOT / "pyproject.toml").open("rb") as file:
        (extra,) = tomllib.load(file)["project"]["optional-dependencies"]["dicom"]
    lines = (ROOT / "LungCancerDx" / "Resources" / "requirements-dicom.txt").read_text(encoding="utf-8").splitlines()
    assert lines[0] == extra
    there = {*IN_SLICER, *BY_PYTORCH, "typing-extensions", "pillow", "packaging"}
    needed = [Requirement(text) for text in requires("highdicom") or []]
    missing = {canonicalize_name(each.name) for each in needed if each.marker is None} - there
    assert {*missing, "pydicom"} == set(by_name(lines[1:]))


def test_each_need_of_the_library_is_met_once():
    assert set(NEEDED) == {*IN_SLICER, *BY_PYTORCH, *INSTALLED}
    assert not set(INSTALLED) & {*IN_SLICER, *BY_PYTORCH}


@pytest.mark.parametrize("name", INSTALLED)
def test_the_bounds_are_those_of_the_library(name):
    assert str(INSTALLED[name]) == str(NEEDED[name])


@pytest.mark.parametrize(("name", "version"), IN_SLICER.items())
def test_what_slicer_brings_is_new_enough_for_the_library(name, version):
    """If not: lower the bound in pyproject.toml where the library allows it, or list it in requirements.txt."""
    assert NEEDED[name].specifier.contains(version)


@pytest.mark.parametrize("line", LINES)
def test_there_are_lower_bounds_only(line):
    assert re.fullmatch(r"[\w-]+>=[\d.]+", line)


@pytest.mark.parametrize("name", ["torch", "simpleitk", "numpy", "vtk", "slicer-core", "trame-slicer"])
def test_nothing_that_would_damage_slicer_is_installed(name):
    assert name not in INSTALLED
