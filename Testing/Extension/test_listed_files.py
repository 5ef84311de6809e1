"""What the CMake lists name is what is there: a file that is listed nowhere would be left out without a word."""

from Testing.Extension.source_tree import ROOT, cmake_list, files_below

LIBRARY_LIST = ROOT / "CMake" / "LibraryFiles.cmake"
MODEL_LIST = ROOT / "CMake" / "DefaultModel.cmake"
MODULE = ROOT / "LungCancerDx"
MODULE_LISTS = MODULE / "CMakeLists.txt"


def differences(listed, there):
    """What is not listed, what is listed but not there, and what is listed twice."""
    twice = {name for name in listed if listed.count(name) > 1}
    return sorted(there - set(listed)), sorted(set(listed) - there), sorted(twice)


NONE: tuple[list, list, list] = ([], [], [])


def test_every_file_of_the_library_is_listed():
    there = {f"LungCancerDxLib/{file}" for file in files_below(ROOT / "LungCancerDxLib")}
    assert differences(cmake_list(LIBRARY_LIST, "LungCancerDxLib_SCRIPTS"), there) == NONE


def test_the_library_list_is_sorted():
    listed = cmake_list(LIBRARY_LIST, "LungCancerDxLib_SCRIPTS")
    assert listed == sorted(listed)


def test_the_module_is_one_python_file():
    """Slicer would load any other Python file beside it as a module of its own."""
    assert cmake_list(MODULE_LISTS, "MODULE_PYTHON_SCRIPTS") == ["LungCancerDx.py"]
    assert {path.name for path in MODULE.glob("*.py")} == {"LungCancerDx.py"}


def test_every_resource_of_the_module_is_listed():
    there = {f"Resources/{file}" for file in files_below(MODULE / "Resources")}
    assert differences(cmake_list(MODULE_LISTS, "MODULE_PYTHON_RESOURCES"), there) == NONE


def test_every_file_of_the_default_model_is_listed():
    folder = ROOT / "Resources" / "Models"
    listed = cmake_list(MODEL_LIST, "LungCancerDxLib_RESOURCES")
    assert differences(listed, {f"Resources/Models/{file}" for file in files_below(folder)}) == NONE
