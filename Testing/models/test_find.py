"""Models are found by name in four folders, by path, or are untrained: the same everywhere and saying so."""

import pytest
import torch

from LungCancerDxLib.errors import ModelError
from LungCancerDxLib.models import find, registry
from LungCancerDxLib.models.bundle import weights_digest
from LungCancerDxLib.models.find import find_model, untrained_model
from LungCancerDxLib.models.registry import CARD_FILE, installed_models
from LungCancerDxLib.preset import GRT123, PRESETS
from Testing.helpers import tiny_model


@pytest.fixture(autouse=True)
def locations(tmp_path, monkeypatch):
    """The four locations that are looked at, empty; loading a bundle only says which."""
    library = tmp_path / "extension" / "LungCancerDxLib" / "models" / "registry.py"
    monkeypatch.setattr(registry, "__file__", str(library))
    monkeypatch.setattr(registry.sysconfig, "get_path", lambda _name: str(tmp_path / "python"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user"))
    monkeypatch.setenv("LUNGCANCERDX_MODELS", str(tmp_path / "named"))
    monkeypatch.setattr(find, "load_model", lambda folder: folder)
    monkeypatch.chdir(tmp_path)
    return {
        "named": tmp_path / "named",
        "beside": tmp_path / "extension" / "Resources" / "Models",
        "package": tmp_path / "python" / "share" / "LungCancerDx" / "Models",
        "user": tmp_path / "user" / "LungCancerDx" / "Models",
    }


def bundle(folder):
    folder.mkdir(parents=True)
    (folder / CARD_FILE).write_text("{}")
    return folder


@pytest.mark.parametrize("place", ["named", "beside", "package", "user"])
def test_a_model_is_found_by_its_name_in_each_place(locations, place):
    folder = bundle(locations[place] / "mine")
    assert find_model("mine") == folder
    assert installed_models() == {"mine": folder}


def test_the_first_place_wins_over_the_next(locations):
    folders = [bundle(locations[place] / "mine") for place in ("user", "package", "beside", "named")]
    assert find_model("mine") == folders[-1]


def test_without_a_name_the_default_model_is_taken_where_there_is_one(locations):
    assert find_model().name == "untrained-default"
    folder = bundle(locations["beside"] / "Default")
    assert find_model() == folder


def test_a_folder_without_a_card_is_no_model(locations):
    (locations["named"] / "mine").mkdir(parents=True)
    assert installed_models() == {}


def test_a_path_to_a_bundle_is_taken(tmp_path):
    folder = bundle(tmp_path / "elsewhere" / "mine")
    assert find_model(str(folder)) == folder


@pytest.mark.slow
@pytest.mark.parametrize("name", ["untrained-default", "untrained-paper", "untrained-grt123"])
def test_untrained_models_have_names(name):
    assert find_model(name).name == name


def test_an_unknown_name_is_refused_with_the_known_ones_and_the_places(locations):
    bundle(locations["user"] / "mine")
    with pytest.raises(ModelError) as caught:
        find_model("yours")
    for word in ("No model 'yours'", "mine, untrained-paper", *map(str, locations.values())):
        assert word in str(caught.value)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    first, again, other = (tiny_model.__wrapped__(seed=seed) for seed in (5, 5, 6))
    assert first.sha256 == again.sha256 != other.sha256
    assert first.sha256 == weights_digest(first)


def test_the_global_generator_neither_matters_nor_is_touched():
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = tiny_model.__wrapped__().sha256
    torch.manual_seed(2)
    assert tiny_model.__wrapped__().sha256 == first
    torch.set_rng_state(state)


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
def test_an_untrained_model_says_what_it_is(name):
    model = untrained_model(PRESETS[name])
    assert (model.name, model.preset.name) == (f"untrained-{name.lower()}", name)
    assert (model.outcome, model.trained_on) == ("none", "nothing")


@pytest.mark.slow
def test_the_leak_starts_where_the_preset_says():
    assert untrained_model().classifier.leak.item() == pytest.approx(torch.sigmoid(torch.tensor(-4.6)).item())
    assert untrained_model(GRT123).classifier.leak.item() < 1e-12


@pytest.mark.parametrize("join", ["max-p", "noisy-or", "feature-combining"])
def test_other_joins_have_no_leak(join):
    model = tiny_model(join=join)
    assert (model.join, model.classifier.leak) == (join, None)
