"""Choosing a model, and fetching the published one."""

import json
from types import SimpleNamespace

import pytest

from LungCancerDxLib.names import OUTCOME_REMARKS
from Testing.slicer.panel.conftest import choose, run, start_held, wait
from Testing.slicer.panel.stand_in_runs import CANCELLED, Outcome

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")


@pytest.fixture(autouse=True)
def no_models(monkeypatch, tmp_path):
    """Only what a test installs is at hand, whatever this machine has."""
    from LungCancerDxLib.models import registry as folders

    monkeypatch.setattr(folders, "model_folders", lambda: [tmp_path / "installed"])


def install(folder, outcome="clinical", name="Hospital's"):
    from dataclasses import asdict

    from LungCancerDxLib.preset import GRT123

    folder.mkdir(parents=True)
    card = {"schema": "lungcancerdx/model/1", "name": name, "preset": "GRT123", "join": "leaky-noisy-or"}
    card |= {"outcome": outcome, "trained_on": "our patients", "preset_values": asdict(GRT123)}
    (folder / "model.json").write_text(json.dumps({**card, "weights": {"sha256": "1" * 64}}))
    return folder


def choose_model(app, widget, text):
    """As a user does: what is chosen in the box is told by `activated`."""
    box = widget.ui.modelComboBox
    index = next(n for n in range(box.count) if text in box.itemText(n))
    box.setCurrentIndex(index)
    box.activated.emit(index)
    app.process_events()


def chosen_folder(monkeypatch, folder):
    """What the user chooses in the dialog; empty where it is closed."""
    from LungCancerDxLib.slicer.panel import models as model_choice

    dialog = SimpleNamespace(getExistingDirectory=lambda *_arguments: str(folder))
    monkeypatch.setattr(model_choice, "qt", SimpleNamespace(QFileDialog=dialog))


def test_the_models_at_hand_are_listed_and_told_to_the_run(app, tmp_path, quick, ct, runs):
    install(tmp_path / "installed" / "hospital")
    choose(app, quick, ct)
    quick.panel._show_models()
    assert quick.ui.modelComboBox.currentText == "untrained-default (DEFAULT)"
    assert "mean nothing" in quick.ui.modelLabel.text
    choose_model(app, quick, "Hospital's")
    assert quick.ui.modelLabel.text == OUTCOME_REMARKS["clinical"]
    assert quick.ui.presetLabel.text == "GRT123"
    run(app, quick)
    assert runs.asked[0][runs.asked[0].index("--model") + 1] == "hospital"


def test_a_model_in_a_folder_is_chosen_by_its_folder(app, quick, ct, runs, tmp_path, monkeypatch):
    folder = install(tmp_path / "elsewhere")
    chosen_folder(monkeypatch, folder)
    choose(app, quick, ct)
    choose_model(app, quick, "Model in a folder")
    assert quick.ui.modelComboBox.currentText == "Hospital's (GRT123)"
    run(app, quick)
    assert runs.asked[0][runs.asked[0].index("--model") + 1] == str(folder)


@pytest.mark.parametrize("chosen", ["damaged", "empty", "closed"])
def test_a_damaged_folder_leaves_the_model_as_it_was(app, quick, tmp_path, monkeypatch, chosen):
    choose_model(app, quick, "untrained-paper")
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    if chosen == "damaged":
        (folder / "model.json").write_text("{")
    chosen_folder(monkeypatch, "" if chosen == "closed" else folder)
    choose_model(app, quick, "Model in a folder")
    assert quick.ui.modelComboBox.currentText == "untrained-paper (PAPER)"
    assert quick._parameterNode.model == "untrained-paper"
    words = {"damaged": "damaged", "empty": "no model bundle", "closed": ""}[chosen]
    assert (words or "Choose a CT first.") in quick.ui.statusLabel.text


def test_a_model_that_this_computer_has_not_gives_way_to_the_default_in_words(app, quick, ct, runs, tmp_path):
    choose(app, quick, ct)
    quick._parameterNode.model = str(tmp_path / "of another computer")
    app.save_scene(tmp_path / "case.mrb")
    app.open_scene(tmp_path / "case.mrb")
    assert "of another computer" in quick.ui.statusLabel.text
    assert quick.ui.modelComboBox.currentText == "untrained-default (DEFAULT)"
    run(app, quick)
    assert "--model" not in runs.asked[0]


def test_the_published_weights_are_fetched_and_chosen(app, quick, runs, tmp_path):
    runs.holding = True
    choose_model(app, quick, "download")
    assert runs.asked[0][2:4] == ["models", "fetch"]
    assert quick.ui.cancelButton.enabled
    assert not quick.ui.modelComboBox.enabled
    assert quick.ui.modelComboBox.currentText == "untrained-default (DEFAULT)"
    install(tmp_path / "installed" / "grt123", name="grt123")
    runs.runs[0].deliver()
    wait(app, quick)
    assert quick.ui.modelComboBox.currentText == "grt123 (GRT123)"
    assert quick._parameterNode.model == "grt123"
    box = quick.ui.modelComboBox
    assert not any("download" in box.itemText(n) for n in range(box.count))
    assert app.displayed == []


@pytest.mark.parametrize("outcome", [Outcome("failed", "No route to the server."), CANCELLED])
def test_a_fetch_that_fails_or_is_cancelled_leaves_the_model_as_it_was(app, quick, runs, outcome):
    choose_model(app, quick, "untrained-paper")
    runs.outcome = outcome
    choose_model(app, quick, "download")
    wait(app, quick)
    assert [message.text for message in app.displayed] == ([outcome.message] if outcome.message else [])
    assert quick.ui.modelComboBox.currentText == "untrained-paper (PAPER)"
    assert quick._parameterNode.model == "untrained-paper"
    assert quick.ui.modelComboBox.enabled


def test_a_scene_closed_while_weights_are_fetched_ends_that(app, quick, runs):
    runs.holding = True
    choose_model(app, quick, "download")
    app.close_scene()
    assert runs.runs[0].closed
    runs.runs[0].deliver()
    assert not quick.ui.cancelButton.enabled
    assert app.displayed == []


def test_weights_can_be_fetched_without_a_ct_but_not_during_a_run(app, quick, ct, runs):
    choose(app, quick, ct)
    start_held(app, quick, runs)
    choose_model(app, quick, "download")
    assert len(runs.asked) == 1
    runs.runs[0].deliver()
    wait(app, quick)
