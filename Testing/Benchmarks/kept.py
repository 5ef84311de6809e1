"""Where studies keep results, so that a killed one goes on and never with results of other weights or other code."""

import hashlib
from pathlib import Path

import LungCancerDxLib
from LungCancerDxLib.models.bundle import Model

_WITHOUT_PART = ("slicer", "cli")  # of the package: decide no result


def kept_in(out: Path, model: Model, precision: str, *others: object) -> Path:
    """The folder within `out` of what a model finds with this code in a precision, and whatever else tells it apart."""
    code = hashlib.sha256()
    for path in _sources():
        code.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    parts = (model.sha256[:12], code.hexdigest()[:8], precision, *others)
    return out / "-".join(str(part) for part in parts)


def _sources() -> list[Path]:
    package, studies = Path(LungCancerDxLib.__file__).parent, Path(__file__).parent
    of_package = [path for path in package.rglob("*.py") if path.relative_to(package).parts[0] not in _WITHOUT_PART]
    return sorted([*of_package, *(path for path in studies.glob("*.py") if not path.name.startswith("test_"))])
