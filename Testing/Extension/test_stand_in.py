"""The stand-in for Slicer's build refuses what Slicer refuses, so that the tests that use it mean something."""

import pytest

from Testing.Extension.stand_in import configure, needs_cmake, package

pytestmark = needs_cmake

BEGINNING = (
    "cmake_minimum_required(VERSION 3.20)\nproject(Some)\nfind_package(Slicer REQUIRED)\ninclude(${Slicer_USE_FILE})\n"
)
LIBRARY = (
    "ctkMacroCompilePythonScript(TARGET_NAME lib SCRIPTS library/there.py "
    "DESTINATION_DIR {}/${{Slicer_QTSCRIPTEDMODULES_LIB_DIR}} "
    "INSTALL_DIR ${{Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR}} {})\n"
)


@pytest.fixture
def project(tmp_path):
    """A function that makes a source tree with two files and some lines of CMake."""

    def make(lines):
        for file in ("there.py", "library/there.py"):
            path = tmp_path / "source" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        (tmp_path / "source" / "CMakeLists.txt").write_text(BEGINNING + lines)
        return tmp_path / "source"

    return make


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("slicerMacroBuildScriptedModule(NAME a SCRIPTS missing.py)", "no such file: missing.py"),
        ("slicerMacroBuildScriptedModule(NAME a SCRIPTS there.py RESOURCES b.ui)", "no such file: b.ui"),
        ("slicerMacroBuildScriptedModule(SCRIPTS there.py)", "NAME is mandatory"),
        ("slicerMacroBuildScriptedModule(NAME a WITH_TESTS SCRIPTS there.py)", "unknown arguments: WITH_TESTS"),
        ("slicer_add_python_unittest(SCRIPT missing.py)", "no such file: missing.py"),
        ("slicer_add_python_unittest(SCRIPTS there.py)", "unknown arguments"),
        ("ctkMacroCompilePythonScript(TARGET_NAME a SCRIPTS library/there.py INSTALL_DIR b)", "DESTINATION_DIR"),
        (LIBRARY.format("d", "NO_SUBDIR"), "no such file|unknown arguments"),
        (LIBRARY.format("d", "") * 2, "cannot create target"),
        ("include(${Slicer_EXTENSION_CPACK})", "EXTENSION_HOMEPAGE is not set"),
    ],
)
def test_mistakes_are_refused(project, tmp_path, lines, words):
    refused = configure(project(lines), tmp_path / "build")
    assert refused.returncode != 0
    assert any(word in " ".join(refused.stderr.split()) for word in words.split("|"))


def test_files_keep_their_sub_folders(project, tmp_path):
    modules = package(project(LIBRARY.format("${CMAKE_BINARY_DIR}", "NO_INSTALL_SUBDIR")), tmp_path).modules
    assert [path.name for path in modules.rglob("*.py")] == ["there.py"]
    assert (modules / "library" / "there.py").exists()


def test_without_the_option_one_more_folder_is_installed(project, tmp_path):
    modules = package(project(LIBRARY.format("${CMAKE_BINARY_DIR}", "")), tmp_path).modules
    assert (modules / modules.name / "library" / "there.py").exists()


def test_a_library_sent_to_slicers_own_folder_drags_slicers_modules_along(project, tmp_path):
    modules = package(project(LIBRARY.format("${Slicer_BINARY_DIR}", "NO_INSTALL_SUBDIR")), tmp_path).modules
    assert (modules / "ModuleOfSlicer.py").exists()
