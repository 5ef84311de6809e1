"""The folders of models and the cards in them, known without loading what runs networks."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from LungCancerDxLib.errors import ModelError
from LungCancerDxLib.models import registry
from LungCancerDxLib.models.find import untrained_model
from LungCancerDxLib.models.registry import (
    CARD_FILE,
    SCHEMA,
    available_models,
    model_folders,
    read_card,
    user_model_folder,
)
from LungCancerDxLib.preset import PRESETS
from Testing.helpers import environment

HEAVY = "torch scipy skimage SimpleITK pydicom safetensors pooch tqdm requests"
UNTRAINED = ["untrained-paper", "untrained-grt123", "untrained-default"]


@pytest.fixture
def locations(tmp_path, monkeypatch):
    """The four locations that are looked at, empty."""
    monkeypatch.setattr(
        registry, "__file__", str(tmp_path / "extension" / "LungCancerDxLib" / "models" / "registry.py")
    )
    monkeypatch.setattr(registry.sysconfig, "get_path", lambda _name: str(tmp_path / "python"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user"))
    monkeypatch.setenv("LUNGCANCERDX_MODELS", str(tmp_path / "named"))
    return {
        "named": tmp_path / "named",
        "beside": tmp_path / "extension" / "Resources" / "Models",
        "package": tmp_path / "python" / "share" / "LungCancerDx" / "Models",
        "user": tmp_path / "user" / "LungCancerDx" / "Models",
    }


def bundle(folder, **changed):
    """The card of a bundle, without weights."""
    card = {
        "schema": SCHEMA,
        "name": folder.name,
        "preset": "GRT123",
        "preset_values": {},
        "join": "max-p",
        "outcome": "clinical",
        "trained_on": "many cases",
        "weights": {"sha256": "abc"},
    }
    folder.mkdir(parents=True)
    (folder / CARD_FILE).write_text(json.dumps({**card, **changed}))
    return folder


def test_the_folders_of_models_and_their_cards_need_nothing_heavy(tmp_path):
    bundle(tmp_path / "named" / "mine")
    code = (
        "import sys; from LungCancerDxLib.models.registry import available_models; print(list(available_models())[0]); "
        f"print('heavy:', sorted(set('{HEAVY}'.split()) & set(sys.modules)))"
    )
    where = environment(LUNGCANCERDX_MODELS=str(tmp_path / "named"))
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=where, check=True)
    assert process.stdout.split("\n")[:2] == ["mine", "heavy: []"]


def test_a_card_is_read_from_its_folder(tmp_path):
    card = read_card(bundle(tmp_path / "mine"))
    assert (card.name, card.preset, card.outcome, card.trained_on) == ("mine", "GRT123", "clinical", "many cases")
    assert (card.join, card.sha256) == ("max-p", "abc")


@pytest.mark.parametrize("changed", [{"name": 5}, {"outcome": "certain"}, {"schema": "other"}, {"weights": None}])
def test_a_damaged_card_is_refused_with_its_file(tmp_path, changed):
    folder = bundle(tmp_path / "mine", **changed)
    with pytest.raises(ModelError, match=CARD_FILE):
        read_card(folder)


def test_available_are_the_installed_and_then_the_untrained_with_their_default_last(locations):
    bundle(locations["user"] / "theirs")
    bundle(locations["named"] / "mine", name="called otherwise")
    cards = available_models()
    assert list(cards) == ["mine", "theirs", *UNTRAINED]
    assert cards["mine"].name == "called otherwise"


def test_a_damaged_model_is_not_available(locations):
    bundle(locations["named"] / "mine", preset=None)
    assert list(available_models()) == UNTRAINED


@pytest.mark.slow
@pytest.mark.parametrize("name", UNTRAINED)
def test_the_card_of_an_untrained_model_says_what_the_model_is(locations, name):
    card = available_models()[name]
    model = untrained_model(PRESETS[card.preset])
    assert (card.name, card.outcome, card.trained_on) == (model.name, model.outcome, model.trained_on)
    assert (card.join, card.preset_values) == (model.join, asdict(model.preset))


def test_without_the_variable_the_other_places_are_looked_at(locations, monkeypatch):
    monkeypatch.delenv("LUNGCANCERDX_MODELS")
    assert model_folders() == [locations["beside"], locations["package"], locations["user"]]


def test_without_platformdirs_as_in_slicer_before_its_first_run_the_users_folder_is_left_out(locations, monkeypatch):
    monkeypatch.setitem(sys.modules, "platformdirs", None)
    assert model_folders() == [locations["named"], locations["beside"], locations["package"]]


@pytest.mark.skipif(sys.platform != "linux", reason="platformdirs looks at the system once")
@pytest.mark.parametrize(("variable", "folder"), [(None, ".local/share"), ("", ".local/share"), ("/data", "/data")])
def test_the_users_folder_is_where_the_system_keeps_such_things(monkeypatch, variable, folder):
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    if variable is not None:
        monkeypatch.setenv("XDG_DATA_HOME", variable)
    assert user_model_folder() == Path.home() / folder / "LungCancerDx" / "Models"
