"""What the CMake lists name is what is there: a file that is listed nowhere would be left out without a word."""

from Testing.Extension.source_tree import ROOT, cmake_list, files_below

LIBRARY_LIST = ROOT / "CMake" / "LibraryFiles.cmake"
MODEL_LIST = ROOT / "CMake" / "DefaultModel.cmake"
MODULE = ROOT / "LungCancerDx"
MODULE_LISTS = MODULE / "CMakeLists.txt"


def assert_same(listed, there):
    """A list names every file once, and no other."""
    assert sorted(there - set(listed)) == [], "not listed"
    assert sorted(set(listed) - there) == [], "listed, but not there"
    assert len(listed) == len(set(listed)), "listed twice"


def test_every_file_of_the_library_is_listed():
    there = {f"LungCancerDxLib/{file}" for file in files_below(ROOT / "LungCancerDxLib")}
    assert_same(cmake_list(LIBRARY_LIST, "LungCancerDxLib_SCRIPTS"), there)


def test_the_library_list_is_sorted():
    listed = cmake_list(LIBRARY_LIST, "LungCancerDxLib_SCRIPTS")
    assert listed == sorted(listed)


def test_the_module_is_one_python_file():
    """Slicer would load any other Python file beside it as a module of its own."""
    assert cmake_list(MODULE_LISTS, "MODULE_PYTHON_SCRIPTS") == ["LungCancerDx.py"]
    assert {path.name for path in MODULE.glob("*.py")} == {"LungCancerDx.py"}


def test_every_resource_of_the_module_is_listed():
    there = {f"Resources/{file}" for file in files_below(MODULE / "Resources")}
    assert_same(cmake_list(MODULE_LISTS, "MODULE_PYTHON_RESOURCES"), there)


def test_every_file_of_the_default_model_is_listed():
    folder = ROOT / "Resources" / "Models"
    listed = cmake_list(MODEL_LIST, "LungCancerDxLib_RESOURCES") if folder.exists() else []
    assert_same(listed, {f"Resources/Models/{file}" for file in files_below(folder)})
