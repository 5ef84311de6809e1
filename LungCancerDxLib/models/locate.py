"""Where models are: one place that knows."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ..errors import ModelError
from ..preset import PRESETS
from .bundle import CARD_FILE, Model, load_model
from .untrained import untrained_model

DEFAULT_MODEL = "Default"
_UNTRAINED = {f"untrained-{name.lower()}": preset for name, preset in PRESETS.items()}


def model_folders() -> list[Path]:
    """The folders that hold bundles, first come first served.

    `LUNGCANCERDX_MODELS` where it is set; `Resources/Models` beside the library (a clone, an installed extension); the
    user's own folder.
    """
    named = os.environ.get("LUNGCANCERDX_MODELS")
    beside_library = Path(__file__).resolve().parents[2] / "Resources" / "Models"
    return [*([Path(named)] if named else []), beside_library, user_model_folder()]


def user_model_folder() -> Path:
    """Where fetched and imported models are kept for this user."""
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    return base / "LungCancerDx" / "Models"


def installed_models() -> dict[str, Path]:
    """Bundles at hand by name."""
    found: dict[str, Path] = {}
    for folder in model_folders():
        for card in sorted(folder.glob(f"*/{CARD_FILE}")):
            if not card.parent.name.startswith("."):  # what a killed run left in work
                found.setdefault(card.parent.name, card.parent)
    return found


def find_model(name: str | None = None) -> Model:
    """The model of a name or folder; without one the default model, or an untrained one where there is no default.

    Raises
    ------
    ModelError
        Where there is no such model or it is damaged.
    """
    installed = installed_models()
    if name is None:
        return load_model(installed[DEFAULT_MODEL]) if DEFAULT_MODEL in installed else untrained_model()
    if name in installed:
        return load_model(installed[name])
    if name in _UNTRAINED:
        return untrained_model(_UNTRAINED[name])
    if Path(name).expanduser().is_dir():
        return load_model(Path(name).expanduser())
    raise ModelError(
        f"No model '{name}': it is neither a folder nor one of {', '.join([*installed, *_UNTRAINED])}. "
        f"Models are looked for in {', '.join(str(folder) for folder in model_folders())}."
    )
