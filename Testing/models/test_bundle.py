"""A bundle comes back bit for bit, and whatever is wrong with one is said with the file and the cure."""

import copy
import hashlib
import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save, save_file

from LungCancerDxLib.classification.late_fusion import LateFusion
from LungCancerDxLib.errors import ModelError, UsageError
from LungCancerDxLib.models.bundle import (
    calibrated,
    combined,
    load_model,
    save_model,
    weights_digest,
    with_fusion,
    without_fusion,
)
from LungCancerDxLib.models.find import untrained_model
from LungCancerDxLib.models.registry import CARD_FILE, WEIGHTS_FILE
from LungCancerDxLib.preset import DEFAULT, GRT123


@pytest.fixture(scope="module")
def model():
    trained = untrained_model()
    return replace(
        trained,
        name="some model",
        outcome="synthetic",
        trained_on="synthetic scans",
        bank_folds=(0, 2),
        bank="some bank",
    )


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "bundle"
    save_model(model, folder)
    return folder


@pytest.fixture
def bundle(saved, tmp_path):
    """A copy to damage; the weights are linked, so write them only by replacing the file."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / CARD_FILE).write_bytes((saved / CARD_FILE).read_bytes())
    (folder / WEIGHTS_FILE).hardlink_to(saved / WEIGHTS_FILE)
    return folder


def replace_weights(folder, content, fit_card=True):
    (folder / WEIGHTS_FILE).unlink()
    (folder / WEIGHTS_FILE).write_bytes(content)
    if fit_card:
        change_card(folder, weights={"file": WEIGHTS_FILE, "sha256": hashlib.sha256(content).hexdigest()})


def change_card(folder, **entries):
    card = json.loads((folder / CARD_FILE).read_text())
    (folder / CARD_FILE).write_text(json.dumps({**card, **entries}))


def test_a_detector_and_a_classifier_of_two_models_are_combined(model):
    one = replace(model, trained_on="classifier: A; detector: B", outcome="readers", bank_folds=(1, 4))
    one = replace(one, learned_from="nodules", bank="one bank")
    other = replace(untrained_model(seed=1), trained_on="detector: C; started from D (classifier: E; detector: F)")
    other = replace(other, bank_folds=(0, 1))
    made = combined(other, one)
    assert made.detector is other.detector
    assert made.classifier is one.classifier
    assert (made.outcome, made.sha256, made.bank_folds, made.learned_from) == ("readers", "", (0, 1, 4), "nodules")
    assert made.trained_on == "classifier: A; detector: C; started from D (classifier: E; detector: F)"
    assert made.bank == "one bank"
    assert combined(replace(other, bank="another"), one).bank not in ("one bank", "another", "")
    bare = replace(other, name="bare", trained_on="nothing")
    assert combined(one, bare).trained_on == "nothing; detector: B"
    assert combined(bare, one).trained_on == "classifier: A; detector of bare: nothing"
    assert combined(other, replace(one, trained_on="detector: B")).trained_on == other.trained_on
    with pytest.raises(ModelError, match="different presets"):
        combined(replace(other, preset=GRT123), one)


def test_a_late_fusion_is_part_of_the_weights_and_goes_with_the_classifier(model, tmp_path):
    fusion = LateFusion(0.5, 1.25, -2.0, -0.75)
    fused = with_fusion(model, fusion, "12 nodules")
    weights = "0.500 z +1.250 log2(d / 8 mm) -2.000 if calcified -0.750"
    assert fused.trained_on == f"suspicion of outlined nodules fitted to 12 nodules: {weights}; synthetic scans"
    sha256 = save_model(fused, tmp_path / "fused", half_precision=True)
    assert load_model(tmp_path / "fused").fusion == fusion
    assert weights_digest(fused) != weights_digest(model)
    assert sha256 != save_model(model, tmp_path / "bare", half_precision=True)
    assert load_model(tmp_path / "bare").fusion is None
    assert combined(model, fused).fusion == fusion
    assert combined(fused, model).fusion is None
    again = with_fusion(fused, replace(fusion, network=1.0), "13 nodules")
    assert again.trained_on.startswith("suspicion of outlined nodules fitted to 13 nodules: 1.000 z")
    assert again.trained_on.endswith("-0.750; synthetic scans")
    nested = f"detector: A; started from B ({fused.trained_on})"
    assert without_fusion(nested) == "detector: A; started from B (synthetic scans)"
    scaled = calibrated(fused, 2.0, -1.0, "14 nodules")
    assert scaled.fusion is None  # it was fitted to other logits
    assert scaled.trained_on == "suspicion calibrated on 14 nodules: 2.000 z -1.000; synthetic scans"


def test_a_fusion_of_other_weights_is_refused(bundle):
    tensors = load_file(bundle / WEIGHTS_FILE)
    replace_weights(bundle, save({**tensors, "fusion": torch.ones(5)}))
    with pytest.raises(ModelError, match="late fusion of other weights"):
        load_model(bundle)


@pytest.mark.slow
def test_a_saved_model_comes_back_bit_for_bit(model, saved):
    again = load_model(saved)
    assert (again.name, again.preset, again.join) == (model.name, model.preset, model.join)
    assert (again.outcome, again.trained_on, again.bank_folds) == ("synthetic", "synthetic scans", (0, 2))
    assert (again.bank, again.learned_from) == (model.bank, model.learned_from) == ("some bank", "cases")
    image = torch.randn((1, 1, 32, 32, 32), generator=torch.Generator().manual_seed(1))
    where = torch.zeros(1, 3, 8, 8, 8)
    with torch.inference_mode():
        for net in ("detector", "classifier"):
            before, after = (getattr(m, net).eval() for m in (model, again))
            call = (lambda n: n(image, where)) if net == "detector" else (lambda n: n.nodule_features(image, where))
            assert torch.equal(call(before), call(after))
    assert torch.equal(again.classifier.leak, model.classifier.leak)


@pytest.mark.slow
def test_the_cards_sha256_is_that_of_the_file_and_of_the_model(model, saved):
    card = json.loads((saved / CARD_FILE).read_text())
    digest = hashlib.sha256((saved / WEIGHTS_FILE).read_bytes()).hexdigest()
    assert card["weights"] == {"file": WEIGHTS_FILE, "sha256": digest}
    assert digest == load_model(saved).sha256 == weights_digest(model)


def test_the_card_says_what_the_model_is(saved):
    card = json.loads((saved / CARD_FILE).read_text())
    assert card["schema"] == "lungcancerdx/model/1"
    assert (card["preset"], card["join"], card["outcome"]) == ("DEFAULT", "leaky-noisy-or", "synthetic")
    assert card["preset_values"]["anchors_mm"] == [10.0, 30.0, 60.0]


def test_a_bundle_is_never_written_over_another(saved, model):
    with pytest.raises(UsageError, match="not empty"):
        save_model(model, saved)


def refusal(folder):
    with pytest.raises(ModelError) as caught:
        load_model(folder)
    assert caught.value.exit_code == 4
    return str(caught.value)


def test_a_folder_without_a_card_is_no_bundle(tmp_path):
    said = refusal(tmp_path)
    assert str(tmp_path) in said
    assert "is no model bundle" in said
    assert "model.json and weights.safetensors" in said


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"schema": "lungcancerdx/model/1"}'])
def test_a_card_that_is_no_card_is_damaged(bundle, content):
    (bundle / CARD_FILE).write_bytes(content)
    said = refusal(bundle)
    assert str(bundle / CARD_FILE) in said
    assert "is damaged" in said
    assert "copy or download the bundle again" in said


@pytest.mark.parametrize(
    ("outcome", "said", "weighted"),
    [
        ("readers", None, False),  # a card from before, of what learned ratings through cases
        ("readers: nodules of LIDC-IDRI and the readers' ratings", None, True),  # and of recipe readers
        ("readers", "cases", False),
        ("readers", "nodules", True),
        ("synthetic", None, False),
        ("synthetic", "cases", False),
    ],
)
def test_confidence_weighs_where_nodules_were_learned_one_by_one(bundle, outcome, said, weighted):
    outcome, _, trained_on = outcome.partition(": ")
    card = json.loads((bundle / CARD_FILE).read_text()) | {"outcome": outcome, "trained_on": trained_on}
    del card["learned_from"]
    (bundle / CARD_FILE).write_text(json.dumps(card | ({"learned_from": said} if said else {})))
    assert load_model(bundle).weighted_by_confidence == weighted


def test_a_card_with_a_word_of_another_version_is_refused(bundle):
    change_card(bundle, learned_from="voxels")
    assert "names learned_from 'voxels'; expected one of cases, nodules" in refusal(bundle)


@pytest.mark.parametrize(
    "entries",
    [
        {"name": None},
        {"learned_from": 2},
        {"preset": ["DEFAULT"]},
        {"preset_values": []},
        {"join": {}},
        {"outcome": 1},
        {"weights": "x"},
        {"weights": {"sha256": 5}},
        {"bank_folds": 3},
        {"bank_folds": ["all"]},
    ],
)
def test_a_card_with_an_entry_of_the_wrong_type_is_damaged(bundle, entries):
    change_card(bundle, **entries)
    said = refusal(bundle)
    assert str(bundle / CARD_FILE) in said
    assert "is damaged" in said
    assert "copy or download the bundle again" in said


@pytest.mark.parametrize("key", ["name", "preset", "preset_values", "join", "outcome", "trained_on", "weights"])
def test_a_card_without_an_entry_is_damaged(bundle, key):
    card = json.loads((bundle / CARD_FILE).read_text())
    del card[key]
    (bundle / CARD_FILE).write_text(json.dumps(card))
    said = refusal(bundle)
    assert str(bundle / CARD_FILE) in said
    assert "is damaged" in said
    assert key in said


def test_another_schema_is_from_another_version(bundle):
    change_card(bundle, schema="lungcancerdx/model/99")
    said = refusal(bundle)
    assert str(bundle / CARD_FILE) in said
    assert "lungcancerdx/model/99" in said
    assert "use the version of LungCancerDx that made it" in said


@pytest.mark.parametrize(
    ("entries", "word"),
    [({"preset": "NEXT"}, "'NEXT'"), ({"join": "sum"}, "'sum'"), ({"outcome": "certain"}, "'certain'")],
)
def test_an_unknown_preset_join_or_outcome_is_foreign(bundle, entries, word):
    change_card(bundle, **entries)
    said = refusal(bundle)
    assert str(bundle / CARD_FILE) in said
    assert word in said
    assert "version" in said


def test_other_constants_than_this_versions_are_named(bundle):
    values = json.loads((bundle / CARD_FILE).read_text())["preset_values"]
    change_card(bundle, preset_values={**values, "tissue_value": 0, "anchors_mm": [5.0, 10.0, 20.0]})
    said = refusal(bundle)
    assert str(bundle / CARD_FILE) in said
    assert "tissue_value" in said
    assert "anchors_mm" in said
    assert "Use the version of LungCancerDx" in said


def test_a_bundle_from_before_a_constant_was_there_is_read(bundle):
    values = json.loads((bundle / CARD_FILE).read_text())["preset_values"]
    del values["mirrored_crops"]
    change_card(bundle, preset_values=values)
    assert load_model(bundle).preset.mirrored_crops
    change_card(bundle, preset_values={**values, "of_a_later_version": 1})
    assert "of_a_later_version" in refusal(bundle)


def test_weights_that_are_missing_are_named(bundle):
    (bundle / WEIGHTS_FILE).unlink()
    said = refusal(bundle)
    assert str(bundle / WEIGHTS_FILE) in said
    assert "cannot be read" in said
    assert "copy or download the bundle again" in said


@pytest.mark.slow
def test_a_single_changed_byte_of_the_weights_is_noticed(bundle):
    content = bytearray((bundle / WEIGHTS_FILE).read_bytes())
    content[-1] ^= 1
    replace_weights(bundle, bytes(content), fit_card=False)
    said = refusal(bundle)
    assert str(bundle / WEIGHTS_FILE) in said
    assert "sha256" in said
    assert "damaged or was exchanged" in said
    assert "Copy or download" in said


def test_another_kind_of_file_is_no_weights_file(bundle):
    replace_weights(bundle, b"\x80\x02}q\x00.")
    said = refusal(bundle)
    assert str(bundle / WEIGHTS_FILE) in said
    assert "is not a safetensors file" in said
    assert "copy or download the bundle again" in said


@pytest.mark.slow
def test_weights_of_another_architecture_do_not_fit(bundle, tmp_path):
    save_model(untrained_model(GRT123), tmp_path / "other")
    replace_weights(bundle, (tmp_path / "other" / WEIGHTS_FILE).read_bytes())
    said = refusal(bundle)
    assert str(bundle / WEIGHTS_FILE) in said
    assert "does not fit the networks of preset DEFAULT" in said
    assert "Use the bundle" in said


@pytest.mark.slow
def test_weights_with_a_tensor_missing_do_not_fit(bundle, tmp_path):
    tensors = load_file(bundle / WEIGHTS_FILE)
    del tensors["classifier.fc2.weight"]
    save_file(tensors, tmp_path / "fewer")
    replace_weights(bundle, (tmp_path / "fewer").read_bytes())
    assert "does not fit" in refusal(bundle)


@pytest.mark.slow
def test_half_precision_weights_are_read_as_float32(bundle, tmp_path):
    tensors = {key: value.half() for key, value in load_file(bundle / WEIGHTS_FILE).items()}
    save_file(tensors, tmp_path / "half")
    replace_weights(bundle, (tmp_path / "half").read_bytes())
    assert {p.dtype for p in load_model(bundle).detector.parameters()} == {torch.float32}


@pytest.mark.slow
def test_the_presets_of_this_version_fit_their_own_bundles(saved):
    assert load_model(saved).preset is DEFAULT


@pytest.mark.slow
@pytest.mark.parametrize("key", ["classifier.fc2.bias", "classifier.baseline", "detector.preBlock.0.weight"])
def test_weights_that_are_not_finite_are_refused_at_once(bundle, key):
    tensors = load_file(bundle / WEIGHTS_FILE)
    tensors[key] = torch.full_like(tensors[key], torch.nan)
    replace_weights(bundle, save(tensors))
    with pytest.raises(ModelError, match=f"not finite, in {key}"):
        load_model(bundle)


def with_one_backbone(model):
    classifier = copy.deepcopy(model.classifier)
    classifier.NoduleNet.load_state_dict(model.detector.state_dict())
    return replace(model, classifier=classifier)


@pytest.mark.slow
def test_a_backbone_that_both_networks_have_is_stored_once(model, tmp_path):
    shared = with_one_backbone(model)
    save_model(shared, tmp_path / "shared")
    stored = load_file(tmp_path / "shared" / WEIGHTS_FILE)
    assert not any(key.startswith("classifier.NoduleNet.") for key in stored)
    again = load_model(tmp_path / "shared")
    for name, tensor in shared.classifier.state_dict().items():
        assert torch.equal(again.classifier.state_dict()[name], tensor), name
    assert again.sha256 == weights_digest(shared) == weights_digest(again)


@pytest.mark.slow
def test_in_half_precision_kernels_are_halved_and_batch_norm_is_kept(model, tmp_path):
    save_model(model, tmp_path / "half", half_precision=True)
    again = load_model(tmp_path / "half").detector.state_dict()
    for name, tensor in model.detector.state_dict().items():
        kept = tensor.half().float() if tensor.ndim > 1 else tensor
        assert torch.equal(again[name], kept), name


def test_weights_too_large_for_half_precision_are_refused(model, tmp_path):
    broken = replace(model, detector=copy.deepcopy(model.detector))
    with torch.no_grad():
        broken.detector.preBlock[0].weight[0] = 1e6
    with pytest.raises(ModelError, match=r"detector\.preBlock\.0\.weight do not fit into half precision"):
        save_model(broken, tmp_path / "half", half_precision=True)
    assert not (tmp_path / "half").exists()
