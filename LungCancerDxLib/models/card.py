"""What a model says of itself: its `model.json`. Read without loading what runs networks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..case import OUTCOMES
from ..errors import ModelError

SCHEMA = "lungcancerdx/model/1"
CARD_FILE = "model.json"
WEIGHTS_FILE = "weights.safetensors"


@dataclass(frozen=True)
class ModelCard:
    """What is known of a model without its weights.

    Parameters
    ----------
    preset, preset_values
        The preset's name, and its constants as they are in JSON.
    join
        How the classifier joins nodules, one of `networks.pooling.JOINS`.
    outcome
        What the malignancies were trained on, a key of `case.OUTCOMES`.
    trained_on
        Data and recipe in words.
    sha256
        Of the weights; empty for networks without training.
    """

    name: str
    preset: str
    preset_values: dict[str, Any]
    join: str
    outcome: str
    trained_on: str
    sha256: str


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
        card = ModelCard(**entries, preset_values=content["preset_values"], sha256=content["weights"]["sha256"])
        if not (all(isinstance(word, str) for word in (*entries.values(), card.sha256))):
            raise TypeError("an entry is of the wrong type")
        if not isinstance(card.preset_values, dict):
            raise TypeError("preset_values is of the wrong type")
    except FileNotFoundError:
        raise ModelError(
            f"{folder} is no model bundle: it has no {CARD_FILE}. Expected {CARD_FILE} and {WEIGHTS_FILE} in it."
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} is damaged ({error!r}); copy or download the bundle again.") from error
    if card.outcome not in OUTCOMES:
        raise ModelError(
            f"{path} names outcome '{card.outcome}'; expected one of {', '.join(OUTCOMES)}. The bundle is from another "
            "program or version."
        )
    return card
