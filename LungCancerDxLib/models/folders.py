"""The folders that models are kept in, and what is there. Nothing here loads what runs networks."""

from __future__ import annotations

import os
import sys
import sysconfig
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from ..errors import ModelError
from ..preset import PRESETS
from .card import CARD_FILE, ModelCard, read_card

DEFAULT_MODEL = "Default"
UNTRAINED_PRESETS = {f"untrained-{name.lower()}": preset for name, preset in PRESETS.items()}
"""The presets of the networks without training, which are always at hand, by the model's name."""


def model_folders() -> list[Path]:
    """The folders that hold bundles, first come first served.

    `LUNGCANCERDX_MODELS` where it is set; `Resources/Models` beside the library (a clone, an installed extension) or
    where `pip install` puts it; the user's own folder.
    """
    named = os.environ.get("LUNGCANCERDX_MODELS")
    beside_library = Path(__file__).resolve().parents[2] / "Resources" / "Models"
    of_package = Path(sysconfig.get_path("data")) / "share" / "LungCancerDx" / "Models"
    return [*([Path(named)] if named else []), beside_library, of_package, user_model_folder()]


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


def available_models() -> dict[str, ModelCard]:
    """Cards of the models that can be asked for, by name: those installed, then the untrained, their default last.

    A bundle whose card is damaged or from another version is left out.
    """
    cards: dict[str, ModelCard] = {}
    for name, folder in installed_models().items():
        with suppress(ModelError):
            cards[name] = read_card(folder)
    for name, preset in UNTRAINED_PRESETS.items():
        card = ModelCard(name, preset.name, asdict(preset), "leaky-noisy-or", "none", "nothing", sha256="")
        cards.setdefault(name, card)
    return cards
