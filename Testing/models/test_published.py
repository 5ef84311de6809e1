"""The checkpoints of 2017 become a model whose outputs are those of the source tensors; all else is refused."""

import subprocess

import pytest
import torch

from LungCancerDxLib.errors import ModelError, UsageError
from LungCancerDxLib.models.bundle import load_model, save_model
from LungCancerDxLib.models.find import untrained_model
from LungCancerDxLib.models.published import PUBLISHED_IDS, git_blob_id, import_published
from LungCancerDxLib.preset import GRT123
from Testing.models.old_files import LONG_TEXT, MACHINE, old_file

DETECTOR, CLASSIFIER = "detector.ckpt", "classifier.ckpt"


@pytest.fixture(scope="module")
def source():
    """Networks of the published architecture; batch norm with statistics of its own."""
    model = untrained_model(GRT123, seed=5)
    generator = torch.Generator().manual_seed(9)
    for net in (model.detector, model.classifier):
        for name, buffer in net.named_buffers():
            if buffer.is_floating_point():
                buffer.copy_(torch.rand(buffer.shape, generator=generator) + 0.5)
            else:
                buffer.fill_(12)
            assert "running" in name or "num_batches" in name
    return model


def state(net, counters=False):
    return {k: v for k, v in net.state_dict().items() if counters or not k.endswith("num_batches_tracked")}


@pytest.fixture(scope="module")
def folder(source, tmp_path_factory):
    """Both files as of 2017: no counters, no prefix."""
    folder = tmp_path_factory.mktemp("published")
    (folder / DETECTOR).write_bytes(old_file(state(source.detector)))
    (folder / CLASSIFIER).write_bytes(old_file(state(source.classifier)))
    return folder


def imported(folder, **options):
    return import_published(folder / DETECTOR, folder / CLASSIFIER, **options)


def outputs(model):
    """Of the detector and of the classifier for a small image."""
    generator = torch.Generator().manual_seed(1)
    image, where = torch.randn((1, 1, 32, 32, 32), generator=generator), torch.zeros(1, 3, 8, 8, 8)
    with torch.inference_mode():
        boxes = model.detector.eval()(image, where)
        case = model.classifier.eval()(image[None], where[None])
    return boxes, case.probability, case.malignancy, case.leak


def equal(model, source):
    return all(torch.equal(ours, theirs) for ours, theirs in zip(outputs(model), outputs(source), strict=True))


def know(monkeypatch, folder):
    """Take the files of the folder for the published ones."""
    for role in (DETECTOR, CLASSIFIER):
        monkeypatch.setitem(PUBLISHED_IDS, role, ("0" * 40, git_blob_id((folder / role).read_bytes())))


def test_the_source_has_as_many_tensors_as_the_checkpoints_of_2017(source):
    assert [len(state(net)) for net in (source.detector, source.classifier)] == [244, 249]
    assert [len(state(net, True)) for net in (source.detector, source.classifier)] == [284, 289]


@pytest.mark.slow
def test_outputs_are_those_of_the_source_bit_for_bit(source, folder, monkeypatch, tmp_path):
    know(monkeypatch, folder)
    model, warnings = imported(folder)
    assert (model.name, model.preset, model.join, model.outcome) == ("grt123", GRT123, "leaky-noisy-or", "clinical")
    assert "Data Science Bowl 2017 and LUNA16" in model.trained_on
    assert warnings == []
    assert equal(model, source)
    assert model.sha256 == save_model(model, tmp_path / "bundle")
    assert equal(load_model(tmp_path / "bundle"), source)


@pytest.mark.slow
@pytest.mark.parametrize(("counters", "prefix"), [(True, ""), (False, "module."), (True, "module.")])
def test_counters_and_the_prefix_of_parallel_training_change_nothing(source, tmp_path, counters, prefix):
    for role, net in ((DETECTOR, source.detector), (CLASSIFIER, source.classifier)):
        (tmp_path / role).write_bytes(old_file(state(net, counters), prefix))
    assert equal(imported(tmp_path, accept_unknown=True)[0], source)


@pytest.mark.slow
def test_files_saved_anew_by_todays_torch_are_read(source, tmp_path):
    for role, net in ((DETECTOR, source.detector), (CLASSIFIER, source.classifier)):
        torch.save({"epoch": 1, "state_dict": net.state_dict(), "save_dir": LONG_TEXT}, tmp_path / role)
    assert equal(imported(tmp_path, accept_unknown=True)[0], source)


def test_the_id_is_that_of_git(tmp_path):
    assert git_blob_id(b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    (tmp_path / "file").write_bytes(b"some\0bytes")
    git = subprocess.run(["git", "hash-object", "file"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert git_blob_id(b"some\0bytes") == git.stdout.strip()


def test_the_published_files_are_known_by_these_ids():
    assert PUBLISHED_IDS[DETECTOR] == ("04215a706bf0b1621d2edfeee8c654cca986273f",)
    assert PUBLISHED_IDS[CLASSIFIER] == (
        "b9e952335c18ee4923c9103d6dd06a0b84aa21f3",
        "c3d99350b862009578960a48ba5c24c5b3b9dc0b",
    )


def refusal(folder, error=ModelError, **options):
    with pytest.raises(error) as caught:
        imported(folder, **options)
    return str(caught.value)


def test_unknown_files_are_refused_with_their_ids(folder):
    found = git_blob_id((folder / DETECTOR).read_bytes())
    said = refusal(folder)
    assert found in said
    assert PUBLISHED_IDS[DETECTOR][0] in said
    assert PUBLISHED_IDS[CLASSIFIER][0] in said
    assert "--accept-unknown" in said


@pytest.mark.slow
def test_accepted_unknown_files_have_no_outcome_unless_stated(folder):
    model, (warning,) = imported(folder, accept_unknown=True)
    assert model.outcome == "none"
    assert model.trained_on.startswith("unknown; imported from detector.ckpt (git blob ")
    assert str(folder / DETECTOR) in warning
    assert "not as published in 2017" in warning
    stated, (warning,) = imported(folder, accept_unknown=True, outcome="clinical")
    assert (stated.outcome, "'clinical'" in warning) == ("clinical", True)


@pytest.mark.slow
def test_one_unknown_file_is_enough_for_the_warning(folder, monkeypatch):
    monkeypatch.setitem(PUBLISHED_IDS, DETECTOR, (git_blob_id((folder / DETECTOR).read_bytes()),))
    model, (warning,) = imported(folder, accept_unknown=True)
    assert model.outcome == "none"
    assert "classifier.ckpt (git" in warning
    assert "detector.ckpt" not in warning


@pytest.mark.slow
def test_the_published_files_keep_their_outcome(folder, monkeypatch):
    know(monkeypatch, folder)
    assert imported(folder, accept_unknown=True)[0].outcome == "clinical"
    assert "leave the outcome out" in refusal(folder, error=UsageError, accept_unknown=True, outcome="synthetic")


def test_exchanged_files_are_recognised(folder, monkeypatch):
    know(monkeypatch, folder)
    with pytest.raises(ModelError, match="give the detector first"):
        import_published(folder / CLASSIFIER, folder / DETECTOR)
    with pytest.raises(ModelError, match="of another network than the published NNet"):
        import_published(folder / CLASSIFIER, folder / DETECTOR, accept_unknown=True)


def test_a_missing_file_a_folder_and_a_far_too_large_file_are_refused(folder, tmp_path):
    (tmp_path / DETECTOR).write_bytes(b"")
    said = refusal(tmp_path)
    assert str(tmp_path / CLASSIFIER) in said
    assert "cannot be read" in said
    (tmp_path / CLASSIFIER).mkdir()
    said = refusal(tmp_path)
    assert str(tmp_path / CLASSIFIER) in said
    assert "cannot be read" in said
    with (tmp_path / DETECTOR).open("wb") as file:
        file.truncate(2**40)
    assert "more than 64 MiB" in refusal(tmp_path, accept_unknown=True)


def spoiled(folder, tmp_path, change, **options):
    """The same files, the detector's state dict changed."""
    detector = state(untrained_model(GRT123).detector)
    change(detector)
    (tmp_path / DETECTOR).write_bytes(old_file(detector, **options))
    (tmp_path / CLASSIFIER).hardlink_to(folder / CLASSIFIER)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("path1.0.bias"), "lacks 1 tensors (path1.0.bias"),
        (lambda s: s.update(extra=torch.ones(1)), "foreign 1 tensors (extra"),
        (lambda s: s.update({"extra.num_batches_tracked": torch.tensor(1)}), "foreign 1 tensors"),
        (lambda s: s.update({"path1.0.bias": torch.ones(65)}), "expected torch.float32 (64,)"),
        (lambda s: s.update({"path1.0.bias": torch.ones(64).double()}), "as torch.float64"),
        (lambda s: s.update({"path1.0.bias": torch.full((64,), torch.nan)}), "infinite or undefined"),
    ],
)
def test_tensors_must_fit_exactly(folder, tmp_path, change, message):
    said = refusal(spoiled(folder, tmp_path, change), accept_unknown=True)
    assert str(tmp_path / DETECTOR) in said
    assert message in said


def test_an_unreadable_file_is_named(folder, tmp_path):
    (tmp_path / DETECTOR).write_bytes(b"<html>")
    (tmp_path / CLASSIFIER).hardlink_to(folder / CLASSIFIER)
    said = refusal(tmp_path, accept_unknown=True)
    assert str(tmp_path / DETECTOR) in said
    assert "it holds a pickle that is" in said
    assert "Nothing in it was run" in said


def test_the_mock_files_are_of_the_published_kind(folder):
    content = (folder / CLASSIFIER).read_bytes()
    assert b"T" + len(LONG_TEXT).to_bytes(4, "little") in content  # Python 2's text of 256 bytes and more
    assert b"cnumpy.core.multiarray\n_reconstruct" in content
    assert MACHINE["protocol_version"] == 1001
    assert 21e6 < len(content) < 22e6
