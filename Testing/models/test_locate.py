"""Models are found in the named folder, beside the library or as installed by pip, in the user's own, by path."""

import pytest

from LungCancerDxLib.errors import ModelError
from LungCancerDxLib.models import find as locate
from LungCancerDxLib.models import registry as folders
from LungCancerDxLib.models.find import find_model
from LungCancerDxLib.models.registry import CARD_FILE, installed_models


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """The four places that are looked at, empty; loading a bundle only tells which."""
    library = tmp_path / "extension" / "LungCancerDxLib" / "models" / "folders.py"
    monkeypatch.setattr(folders, "__file__", str(library))
    monkeypatch.setattr(folders.sys, "platform", "linux")
    monkeypatch.setattr(folders.sysconfig, "get_path", lambda _name: str(tmp_path / "python"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user"))
    monkeypatch.setenv("LUNGCANCERDX_MODELS", str(tmp_path / "named"))
    monkeypatch.setattr(locate, "load_model", lambda folder: folder)
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
def test_a_model_is_found_by_its_name_in_each_place(places, place):
    folder = bundle(places[place] / "mine")
    assert find_model("mine") == folder
    assert installed_models() == {"mine": folder}


def test_the_first_place_wins_over_the_next(places):
    folders = [bundle(places[place] / "mine") for place in ("user", "package", "beside", "named")]
    assert find_model("mine") == folders[-1]


def test_without_a_name_the_default_model_is_taken_where_there_is_one(places):
    assert find_model().name == "untrained-default"
    folder = bundle(places["beside"] / "Default")
    assert find_model() == folder


def test_a_folder_without_a_card_is_no_model(places):
    (places["named"] / "mine").mkdir(parents=True)
    assert installed_models() == {}


def test_a_path_to_a_bundle_is_taken(tmp_path):
    folder = bundle(tmp_path / "elsewhere" / "mine")
    assert find_model(str(folder)) == folder


@pytest.mark.parametrize("name", ["untrained-default", "untrained-paper", "untrained-grt123"])
def test_untrained_models_have_names(name):
    assert find_model(name).name == name


def test_an_unknown_name_is_refused_with_the_known_ones_and_the_places(places):
    bundle(places["user"] / "mine")
    with pytest.raises(ModelError) as caught:
        find_model("yours")
    for word in ("No model 'yours'", "mine, untrained-paper", *map(str, places.values())):
        assert word in str(caught.value)
