"""The models that the user can choose from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt

from ...errors import ModelError
from ...models.registry import DEFAULT_MODEL, ModelCard, available_models, read_card
from ...names import OUTCOME_REMARKS

PUBLISHED = "grt123"
_UNTRAINED = "untrained-default"
_FETCH, _FOLDER = "fetch", "folder"


class ModelChoice:
    """The model selector: the models at hand, a folder, and the published weights where they are not here yet.

    Parameters
    ----------
    on_chosen
        Called with the name or folder of the model that the user chose.
    on_fetch
        Called where the user asks for the published weights.
    say
        Called with a message where a model cannot be had.
    """

    def __init__(
        self,
        ui: Any,
        on_chosen: Callable[[str], None],
        on_fetch: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        self._ui = ui
        self._on_chosen = on_chosen
        self._on_fetch = on_fetch
        self._say = say
        self._chosen = ""
        self._models: dict[str, ModelCard] = {}
        ui.modelComboBox.activated.connect(self._activated)

    def show(self, chosen: str) -> bool:
        """List the models and choose one by name or folder; False, and the default model, where that is not there."""
        self._models = available_models()
        if chosen and chosen not in self._models:
            try:
                self._models[chosen] = read_card(Path(chosen))
            except ModelError as error:
                self._say(str(error))
        box = self._ui.modelComboBox
        box.clear()
        for name, card in self._models.items():
            box.addItem(f"{card.name} ({card.preset})", name)
        if PUBLISHED not in self._models:
            box.addItem("Published 2017 weights: download…", _FETCH)
        box.addItem("Model in a folder…", _FOLDER)
        default = DEFAULT_MODEL if DEFAULT_MODEL in self._models else _UNTRAINED
        self._choose(chosen if chosen in self._models else default)
        return not chosen or chosen in self._models

    def _activated(self, *_index: object) -> None:
        choice = self._ui.modelComboBox.itemData(self._ui.modelComboBox.currentIndex)
        if choice == _FOLDER:
            before = self._chosen
            folder = qt.QFileDialog.getExistingDirectory(None, "Folder of a model (with model.json)")
            if not self.show(folder or before):
                self.show(before)
            self._on_chosen(self._chosen)
        elif choice == _FETCH:
            self._choose(self._chosen)
            self._on_fetch()
        else:
            self._choose(choice)
            self._on_chosen(choice)

    def _choose(self, name: str) -> None:
        self._chosen = name
        card = self._models[name]
        self._ui.modelComboBox.setCurrentIndex(list(self._models).index(name))
        self._ui.modelLabel.text = OUTCOME_REMARKS[card.outcome]
        self._ui.modelLabel.toolTip = f"Trained on: {card.trained_on}"
        self._ui.presetLabel.text = card.preset
