"""LungCancerDx: lung-cancer CT analysis after Liao et al., the 3D deep leaky noisy-or network.

    import LungCancerDxLib as lcd

    result = lcd.score_file("path/to/CT")
    for nodule in result.nodules:
        print(nodule.rank, nodule.center_lps_mm, nodule.malignancy)

What stands in `__all__` is imported when it is first used, so that what needs no network does not load torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .case import CaseResult, Nodule
    from .errors import LungCancerDxError
    from .io import read_ct
    from .io.result_folder import read_result, write_result
    from .models.find import find_model
    from .options import ScoreOptions
    from .pipeline import detect_and_score, score_file
    from .preset import PRESETS, Preset
    from .runtime.device import choose_compute
    from .volume import CTVolume

_HOMES = {
    "CTVolume": "volume",
    "CaseResult": "case",
    "LungCancerDxError": "errors",
    "Nodule": "case",
    "PRESETS": "preset",
    "Preset": "preset",
    "ScoreOptions": "options",
    "choose_compute": "runtime.device",
    "detect_and_score": "pipeline",
    "find_model": "models.find",
    "read_ct": "io",
    "read_result": "io.result_folder",
    "score_file": "pipeline",
    "write_result": "io.result_folder",
}

__all__ = [
    "PRESETS",
    "CTVolume",
    "CaseResult",
    "LungCancerDxError",
    "Nodule",
    "Preset",
    "ScoreOptions",
    "choose_compute",
    "detect_and_score",
    "find_model",
    "read_ct",
    "read_result",
    "score_file",
    "write_result",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
