"""A model by its name or folder."""

from __future__ import annotations

from pathlib import Path

from ..errors import ModelError
from .bundle import Model, load_model
from .folders import DEFAULT_MODEL, UNTRAINED_PRESETS, installed_models, model_folders
from .untrained import untrained_model


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
    if name in UNTRAINED_PRESETS:
        return untrained_model(UNTRAINED_PRESETS[name])
    if Path(name).expanduser().is_dir():
        return load_model(Path(name).expanduser())
    raise ModelError(
        f"No model '{name}': it is neither a folder nor one of {', '.join([*installed, *UNTRAINED_PRESETS])}. "
        f"Models are looked for in {', '.join(str(folder) for folder in model_folders())}."
    )
