"""What the tests of the packaging read in the source tree."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def files_below(folder: Path) -> set[str]:
    """Every file below a folder as a path from it, without caches and hidden files."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {
        path.as_posix()
        for path in paths
        if not any(part == "__pycache__" or part.startswith(".") for part in path.parts)
    }


def cmake_texts(path: Path) -> dict[str, str]:
    """Variables that a CMake file sets to one double-quoted text, as the Extensions Index reads them."""
    return dict(re.findall(r'^set\((\w+) "([^"]*)"\)$', path.read_text(encoding="utf-8"), re.MULTILINE))


def homepage() -> str:
    """The project's address, from the one place that states it."""
    return cmake_texts(ROOT / "CMakeLists.txt")["EXTENSION_HOMEPAGE"]
