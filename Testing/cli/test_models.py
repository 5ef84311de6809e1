"""`lungcancerdx models`: from the files of 2017 to a model that `score` finds, and away again."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import expit

from LungCancerDxLib.classification.late_fusion import LateFusion
from LungCancerDxLib.cli import main
from LungCancerDxLib.evaluation.fusion import COLUMNS as FUSION_COLUMNS
from LungCancerDxLib.evaluation.ratings import COLUMNS
from LungCancerDxLib.io.tables import read_table, write_table
from LungCancerDxLib.models import published, registry
from LungCancerDxLib.models.bundle import save_model
from LungCancerDxLib.models.find import find_model, untrained_model
from LungCancerDxLib.models.published import PUBLISHED_IDS, git_blob_id
from LungCancerDxLib.models.registry import CARD_FILE, WEIGHTS_FILE
from LungCancerDxLib.preset import GRT123
from Testing.models.http_folder import http_folder
from Testing.models.old_files import old_file

pytestmark = pytest.mark.slow

DETECTOR, CLASSIFIER = "detector.ckpt", "classifier.ckpt"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with mock files, as published in 2017."""
    folder, source = tmp_path_factory.mktemp("files"), untrained_model(GRT123)
    for name, net in ((DETECTOR, source.detector), (CLASSIFIER, source.classifier)):
        state = {key: value for key, value in net.state_dict().items() if not key.endswith("num_batches_tracked")}
        (folder / name).write_bytes(old_file(state))
    return folder


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A small bundle to copy."""
    folder = tmp_path_factory.mktemp("saved") / "bundle"
    save_model(untrained_model(), folder)
    return folder


@pytest.fixture
def known(files, monkeypatch):
    """The mock files are taken for the published ones."""
    for role in (DETECTOR, CLASSIFIER):
        monkeypatch.setitem(PUBLISHED_IDS, role, (git_blob_id((files / role).read_bytes()),))


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch):
    """The user's own folder of models, empty, as all other places for models; a cache of this test."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LUNGCANCERDX_MODELS", str(tmp_path / "named"))
    file = tmp_path / "extension" / "LungCancerDxLib" / "models" / "registry.py"
    monkeypatch.setattr(registry, "__file__", str(file))
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data" / "LungCancerDx" / "Models"


@pytest.fixture
def say(capsys):
    """A function that runs `lungcancerdx models ...`: exit code, standard output, standard error."""

    def run(*arguments):
        code = main(["models", *map(str, arguments)])
        return code, *capsys.readouterr()

    return run


def test_import_list_info_find_and_remove(say, files, known, own):
    code, out, _ = say("import", files / DETECTOR, files / CLASSIFIER)
    assert code == 0
    assert "clinical (cancer probability)" in out
    model = find_model("grt123")
    assert (model.name, model.preset, model.outcome) == ("grt123", GRT123, "clinical")

    header, row = say("list")[1].splitlines()
    assert header.split() == ["NAME", "PRESET", "OUTCOME", "SHA256", "SIZE", "WHERE"]
    assert row.split() == ["grt123", "GRT123", "clinical", model.sha256[:12], "43.2", "MB", str(own / "grt123")]

    for asked in ("grt123", own / "grt123"):
        code, out, _ = say("info", asked)
        assert code == 0
        for message in ("grt123", "GRT123", "Data Science Bowl 2017", "leaky-noisy-or", "10,775,568", model.sha256):
            assert message in out
        assert str(own / "grt123") in out

    code, out, _ = say("remove", "grt123")
    assert code == 0
    assert "43.2 MB freed" in out
    assert list(own.iterdir()) == []
    assert say("info", "grt123")[0] == 4


def test_fetch_downloads_and_installs(say, files, known, own):
    with http_folder({name: (files / name).read_bytes() for name in (DETECTOR, CLASSIFIER)}) as server:
        code, out, _ = say("fetch", "grt123", "--from", server.address, "--progress", "json")
    assert code == 0
    reports = [json.loads(line) for line in out.splitlines()]
    assert {report["stage"] for report in reports} == {f"fetching {DETECTOR}", f"fetching {CLASSIFIER}"}
    assert reports[-1]["fraction"] == 1.0
    assert find_model("grt123").outcome == "clinical"


def test_fetch_takes_a_local_folder(say, files, known, own):
    assert say("fetch", "--from", files)[0] == 0
    assert find_model("grt123").preset == GRT123


def test_fetch_that_fails_leaves_nothing(say, own):
    with http_folder({}) as server:
        code, _, error = say("fetch", "--from", server.address)
    assert code == 4
    assert "404" in error
    assert "lungcancerdx models import" in error
    assert not own.exists()


def test_unknown_files_need_a_flag_and_have_no_outcome(say, files, own):
    code, _, error = say("import", files / DETECTOR, files / CLASSIFIER)
    assert (code, "git blob id" in error, own.exists()) == (4, True, False)
    code, out, _ = say("import", files / DETECTOR, files / CLASSIFIER, "--accept-unknown", "--name", "mine")
    assert code == 0
    assert "Warning: " in out
    assert "none (no trained model, scores mean nothing)" in out
    assert find_model("mine").outcome == "none"


def test_a_stated_outcome_is_only_for_unknown_files(say, files, own):
    code, _, error = say("import", files / DETECTOR, files / CLASSIFIER, "--outcome", "clinical")
    assert (code, "--accept-unknown" in error) == (2, True)


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "-x.", "x" * 65, "a b", "untrained-paper", "C:x"])
def test_names_that_are_none_are_refused(say, files, name, own):
    code, _, error = say("import", files / DETECTOR, files / CLASSIFIER, f"--name={name}")
    assert code == 2
    assert "name" in error.lower()
    if not name.startswith("untrained"):
        assert say("remove", "--", name)[0] == 2


def test_a_taken_name_is_refused_before_any_work(say, saved, own, tmp_path, monkeypatch):
    monkeypatch.setattr(published, "import_published", lambda *_: pytest.fail("the files were read"))
    monkeypatch.setattr(published, "fetch_checkpoints", lambda *_: pytest.fail("something was fetched"))
    for place in (own, tmp_path / "named"):
        shutil.copytree(saved, place / "grt123")
        for command in (("import", "x", "y"), ("fetch",)):
            code, _, error = say(*command)
            assert (code, str(place / "grt123") in error, "already" in error) == (2, True, True)
        shutil.rmtree(place)


def test_list_tells_damaged_bundles_and_passes_over_unfinished_ones(say, saved, own):
    shutil.copytree(saved, own / "good")
    shutil.copytree(saved, own / ".good.1234")
    (own / "bad").mkdir()
    (own / "bad" / CARD_FILE).write_text("{")
    rows = [line.split()[:3] for line in say("list")[1].splitlines()[1:]]
    assert rows == [["bad", "damaged", "-"], ["good", "DEFAULT", "none"]]
    assert say("remove", "bad")[0] == 0


def test_without_models_list_says_how_to_get_one(say):
    code, out, _ = say("list")
    assert (code, "lungcancerdx models fetch grt123" in out) == (0, True)


def test_info_knows_untrained_models_too(say):
    code, out, _ = say("info", "untrained-grt123")
    assert code == 0
    assert "none (no trained model, scores mean nothing)" in out


def test_only_ones_own_models_are_removed(say, saved, own, tmp_path):
    shutil.copytree(saved, tmp_path / "named" / "theirs")
    code, _, error = say("remove", "theirs")
    assert (code, str(tmp_path / "named" / "theirs") in error) == (2, True)
    assert (tmp_path / "named" / "theirs" / WEIGHTS_FILE).exists()
    (own / "notes").mkdir(parents=True)
    (own / "notes" / "diary.txt").write_text("dear")
    assert say("remove", "notes")[0] == 4
    assert (own / "notes" / "diary.txt").exists()
    assert say("remove", "nothing")[0] == 4


def test_of_a_linked_model_only_the_link_is_removed(say, saved, own):
    own.mkdir(parents=True)
    (own / "linked").symlink_to(saved)
    code, out, _ = say("remove", "linked")
    assert (code, "0.0 MB freed" in out) == (0, True)
    assert list(own.iterdir()) == []
    assert (saved / WEIGHTS_FILE).exists()


def test_without_an_action_the_usage_is_shown(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["models"])
    assert caught.value.code == 2
    assert "ACTION" in capsys.readouterr().err


def held_out(path, steepness, rng):
    """A table of suspicions that are too sure or too timid by a factor of their logits."""
    logit = rng.normal(-1, 2, 1500)
    rating = np.where(rng.random(1500) < expit(logit), 5, 2)
    rows = [(n, n, rating[n], 8.0, expit(steepness * logit[n])) for n in range(1500)]
    write_table(path, COLUMNS, rows)
    return path


def test_a_calibrated_model_scales_every_nodules_logit(tmp_path, capsys):
    model = replace(untrained_model(), outcome="readers")
    save_model(model, tmp_path / "model", half_precision=True)
    table = held_out(tmp_path / "held-out.csv", 2.0, np.random.default_rng(0))
    out = tmp_path / "calibrated"
    assert main(["models", "calibrate", str(tmp_path / "model"), str(table), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    made, hidden = find_model(str(out)), torch.rand(50, 64, generator=torch.Generator().manual_seed(0))
    assert "outcome:    readers" in said
    assert f"sha256:     {made.sha256}" in said
    slope, before, after = (
        0.5,
        *(one.classifier.fc2(hidden).detach() for one in (find_model(str(tmp_path / "model")), made)),
    )
    line = np.polyfit(before[:, 0].numpy(), after[:, 0].numpy(), 1)
    assert line[0] == pytest.approx(slope, abs=0.06)
    assert line[1] == pytest.approx(0, abs=0.25)
    assert "suspicion calibrated on 1500 nodules of 1500 patients" in made.trained_on
    assert made.classifier.leak == model.classifier.leak


def test_outlines_give_a_model_a_late_fusion(tmp_path, capsys):
    pytest.importorskip("sklearn")
    save_model(replace(untrained_model(), outcome="readers"), tmp_path / "model", half_precision=True)
    rng, table, own = np.random.default_rng(0), tmp_path / "ratings.csv", tmp_path / "cross-validated.csv"
    network, mm = rng.uniform(0.05, 0.95, 2000), rng.uniform(4, 30, 2000)
    true = LateFusion(1.0, 2.0, 0.0, -2.0).malignancy(network, mm, np.zeros(2000))
    rating = np.where(rng.random(2000) < true, 5, 2)
    rows = [(n, n, rating[n], 8.0, 0.5, network[n], mm[n], 0) for n in range(2000)]
    write_table(table, (*COLUMNS, *FUSION_COLUMNS), rows)

    def calibrate(name="model", to="other", *options):
        return main(["models", "calibrate", str(tmp_path / name), str(table), "--out", str(tmp_path / to), *options])

    assert calibrate("model", "fused", "--cross-validated", str(own)) == 0
    assert "weighs its diameter and calcification, too" in capsys.readouterr().out
    made, before = find_model(str(tmp_path / "fused")), find_model(str(tmp_path / "model"))
    assert made.fusion is not None
    slope = (made.classifier.fc2.weight / before.classifier.fc2.weight).median().item()
    assert slope * made.fusion.network == pytest.approx(1.0, abs=0.4)
    assert made.fusion.doubling == pytest.approx(2.0, abs=0.4)
    assert "suspicion calibrated on 2000 nodules" in made.trained_on
    assert "fitted to 2000 nodules of 2000 patients" in made.trained_on
    shown = read_table(own, COLUMNS)
    assert shown.texts("id") == [str(n) for n in range(2000)]
    assert np.array_equal(shown.numbers("malignancy"), rating)
    assert np.abs(shown.numbers("suspicion") - true).mean() < 0.05
    assert calibrate("model", "again", "--cross-validated", str(own)) == 2  # it is there
    assert str(own) in capsys.readouterr().err
    assert not (tmp_path / "again").exists()
    save_model(replace(untrained_model(join="feature-combining"), outcome="readers"), tmp_path / "whole")
    assert calibrate("whole") == 2
    assert "its nodules have no suspicion" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()
    write_table(table, COLUMNS, [(*row[:4], network[row[0]]) for row in rows])
    assert calibrate("fused", "bare") == 0
    assert "Its late fusion, which was fitted to the logits before, is gone" in capsys.readouterr().out
    assert find_model(str(tmp_path / "bare")).fusion is None


@pytest.mark.slow
def test_combine_writes_a_model_of_two(tmp_path, capsys):
    for n in (1, 2):
        save_model(replace(untrained_model(seed=n), trained_on=f"classifier: {n}; detector: {n}"), tmp_path / str(n))
    assert main(["models", "combine", str(tmp_path / "1"), str(tmp_path / "2"), "--out", str(tmp_path / "made")]) == 0
    said = capsys.readouterr().out
    made, detector, classifier = (find_model(str(tmp_path / name)) for name in ("made", "1", "2"))
    assert "classifier: 2; detector: 1" in said
    assert f"sha256:     {made.sha256}" in said
    assert torch.equal(made.detector.output[-1].weight, detector.detector.output[-1].weight.half().float())
    assert torch.equal(made.classifier.fc2.weight, classifier.classifier.fc2.weight.half().float())
    assert made.name == "made"


def test_only_ratings_calibrate_and_only_their_own_model(tmp_path, saved, capsys):
    rng = np.random.default_rng(0)
    table, opposite = held_out(tmp_path / "held-out.csv", 1.0, rng), held_out(tmp_path / "other.csv", -1.0, rng)
    assert main(["models", "calibrate", str(saved), str(table), "--out", str(tmp_path / "out")]) == 2
    assert "is of outcome none" in capsys.readouterr().err
    save_model(replace(untrained_model(), outcome="readers"), tmp_path / "model")
    assert main(["models", "calibrate", str(tmp_path / "model"), str(opposite), "--out", str(tmp_path / "out")]) == 2
    assert "rated lower" in capsys.readouterr().err
    write_table(table, COLUMNS, [(n, n, 5 if n < 20 else 2, 8.0, 0.9 if n < 20 else 0.1) for n in range(40)])
    assert main(["models", "calibrate", str(tmp_path / "model"), str(table), "--out", str(tmp_path / "out")]) == 2
    assert "no finite slope" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
