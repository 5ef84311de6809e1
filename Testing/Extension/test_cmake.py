"""Built and installed like an extension, everything lands beside the module, and works from there."""

import os
import subprocess
import sys

import pytest

from Testing.Extension.source_tree import ROOT, files_below
from Testing.Extension.stand_in import needs_cmake, package

pytestmark = needs_cmake


@pytest.fixture(scope="module")
def packaged(tmp_path_factory):
    """The extension, configured and installed."""
    return package(ROOT, tmp_path_factory.mktemp("extension"))


def run_from(folder, *arguments):
    """The output of a fresh Python that finds the installed folder first and the working folder not at all."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run([sys.executable, "-P", *arguments], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_all_of_the_library_is_installed_and_nothing_else_of_python(packaged):
    library = {f"LungCancerDxLib/{file}" for file in files_below(ROOT / "LungCancerDxLib")}
    installed = {file for file in files_below(packaged.modules) if file.endswith(".py")}
    assert installed == {"LungCancerDx.py", *library}


def test_the_module_is_one_python_file():
    """Slicer would load any other Python file beside it as a module of its own."""
    assert [path.name for path in (ROOT / "LungCancerDx").glob("*.py")] == ["LungCancerDx.py"]


def test_the_resources_are_where_the_module_looks_for_them(packaged):
    resources = files_below(ROOT / "LungCancerDx" / "Resources")
    assert resources <= files_below(packaged.modules / "Resources")


def test_the_library_is_imported_from_the_installed_place(packaged):
    place = run_from(packaged.modules, "-c", "import LungCancerDxLib.cli; print(LungCancerDxLib.cli.__file__)")
    assert place == str(packaged.modules / "LungCancerDxLib" / "cli" / "__init__.py")


def test_the_command_line_runs_from_the_installed_place(packaged):
    assert run_from(packaged.modules, "-m", "LungCancerDxLib", "--version").startswith("lungcancerdx ")


def test_the_module_is_built_with_its_tests(packaged):
    assert "module LungCancerDx" in packaged.record
    assert "test py_LungCancerDx" in packaged.record
    assert "test py_nomainwindow_LungCancerDxModuleGenericTest" in packaged.record


def test_without_testing_there_are_no_tests(tmp_path):
    assert not [fact for fact in package(ROOT, tmp_path, "-DBUILD_TESTING=OFF").record if fact.startswith("test ")]


def test_the_extension_is_packed_under_its_name_with_its_config(packaged):
    assert packaged.record[-1] == "packed LungCancerDx"
    assert "generated config" in packaged.record


def test_the_default_model_is_installed_where_the_library_finds_it(packaged):
    place = packaged.modules / "Resources" / "Models" / "Default"
    assert files_below(place) == files_below(ROOT / "Resources" / "Models" / "Default")
    code = "from LungCancerDxLib.models.registry import installed_models; print(installed_models()['Default'])"
    assert run_from(packaged.modules, "-c", code) == str(place)
