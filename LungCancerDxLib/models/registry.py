"""The models at hand and what each says of itself in its `model.json`; nothing that runs networks is loaded."""

from __future__ import annotations

import json
import os
import sysconfig
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import ModelError
from ..names import OUTCOMES
from ..preset import PRESETS

SCHEMA = "lungcancerdx/model/1"
MODEL_FOLDER = "model"
"""The folder of a training run that holds its model."""
CARD_FILE = "model.json"
WEIGHTS_FILE = "weights.safetensors"
DEFAULT_MODEL = "Default"
LEARNED_FROM = ("cases", "nodules")
_RATED_SAID = "the readers' ratings"  # of a classifier, by recipe readers
UNTRAINED_PRESETS = {f"untrained-{name.lower()}": preset for name, preset in PRESETS.items()}
"""The presets of the networks without training, which are always at hand, by the model's name."""


@dataclass(frozen=True)
class ModelCard:
    """What is known of a model without its weights.

    Parameters
    ----------
    preset, preset_values
        The preset's name, and its constants as they are in JSON.
    join
        How the classifier joins nodules, one of `names.JOINS`.
    outcome
        What the malignancies were trained on, a key of `names.OUTCOMES`.
    trained_on
        Data and recipe.
    sha256
        Of the weights; empty for networks without training.
    bank_folds
        Parts of the nodule bank that the weights learned from: none of these can be held out from them.
    bank
        Which bank these are parts of, by its `bank_digest`; empty where that is not known.
    learned_from
        "nodules" where each malignancy was learned as if it were one, "cases" where they were through the cases' join.
    """

    name: str
    preset: str
    preset_values: dict[str, Any]
    join: str
    outcome: str
    trained_on: str
    sha256: str
    bank_folds: tuple[int, ...] = ()
    bank: str = ""
    learned_from: str = "cases"


def read_card(folder: Path) -> ModelCard:
    """What a bundle says of itself, with every entry of `model.json` there and of its type.

    Raises
    ------
    ModelError
        Where the folder is no bundle, or its card is damaged or from another version.
    """
    path = folder / CARD_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema"] != SCHEMA:
            raise ModelError(
                f"{path} has schema '{content['schema']}', expected '{SCHEMA}': use the version of LungCancerDx that "
                "made it."
            )
        entries = {key: content[key] for key in ("name", "preset", "join", "outcome", "trained_on")}
        folds = tuple(content.get("bank_folds", ()))
        # Cards from before lack it: of what learned from ratings, recipe readers did so nodule by nodule.
        is_rated = content["outcome"] == "readers" and _RATED_SAID in content["trained_on"]
        entries["learned_from"] = content.get("learned_from", "nodules" if is_rated else "cases")
        entries["bank"] = content.get("bank", "")
        preset_values, sha256 = content["preset_values"], content["weights"]["sha256"]
        card = ModelCard(**entries, preset_values=preset_values, sha256=sha256, bank_folds=folds)
        if not (all(isinstance(word, str) for word in (*entries.values(), card.sha256))):
            raise TypeError("an entry is of the wrong type")
        if not all(isinstance(fold, int) for fold in folds):
            raise TypeError("bank_folds is of the wrong type")
        if not isinstance(card.preset_values, dict):
            raise TypeError("preset_values is of the wrong type")
    except FileNotFoundError:
        raise ModelError(
            f"{folder} is no model bundle: it has no {CARD_FILE}. Expected {CARD_FILE} and {WEIGHTS_FILE} in it."
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} is damaged ({error!r}); copy or download the bundle again.") from error
    for what, value, known in (("outcome", card.outcome, OUTCOMES), ("learned_from", card.learned_from, LEARNED_FROM)):
        if value not in known:
            raise ModelError(
                f"{path} names {what} '{value}'; expected one of {', '.join(known)}. The bundle is from another "
                "program or version."
            )
    return card


def model_folders() -> list[Path]:
    """The folders that hold bundles, first come first served.

    `LUNGCANCERDX_MODELS` where it is set; `Resources/Models` beside the library (a clone, an installed extension) or
    where `pip install` puts it; the user's own folder.
    """
    named = os.environ.get("LUNGCANCERDX_MODELS")
    folders = [Path(named)] if named else []
    folders.append(Path(__file__).resolve().parents[2] / "Resources" / "Models")
    folders.append(Path(sysconfig.get_path("data")) / "share" / "LungCancerDx" / "Models")
    with suppress(ImportError):  # Slicer before its first run lacks it, and has no models of the user's yet
        folders.append(user_model_folder())
    return folders


def user_model_folder() -> Path:
    """Where fetched and imported models are kept for this user."""
    import platformdirs

    return platformdirs.user_data_path("LungCancerDx", appauthor=False) / "Models"


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
