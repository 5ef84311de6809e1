"""The model that ships with the extension: what it says of itself, and that it finds nodules."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from LungCancerDxLib.models.bundle import load_model
from LungCancerDxLib.models.registry import DEFAULT_MODEL, read_card
from LungCancerDxLib.pipeline import detect_and_score
from LungCancerDxLib.runtime.device import Compute
from Testing.helpers import ROOT, SLAB, chest, slab

pytestmark = pytest.mark.slow

FOLDER = ROOT / "Resources" / "Models" / DEFAULT_MODEL


@pytest.fixture(scope="module")
def model():
    return load_model(FOLDER)


def test_it_says_what_it_learned_from():
    card = read_card(FOLDER)
    assert (card.name, card.preset, card.join, card.outcome) == ("Default", "DEFAULT", "leaky-noisy-or", "synthetic")
    for message in ("classifier: ", "detector: ", "3 scans and", "invented patients with inserted nodules", "seed"):
        assert message in card.trained_on


def test_it_has_at_most_12_megabytes():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 12e6


def test_it_has_one_backbone_for_both_networks(model):
    for name, weight in model.classifier.NoduleNet.state_dict().items():
        assert torch.equal(weight, model.detector.state_dict()[name]), name


def test_its_card_is_for_people_too():
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    for message in (read_card(FOLDER).sha256, "Research use only", "CC BY", "LIDC-IDRI-0314", "models fetch grt123"):
        assert message in card


def test_it_finds_the_nodule_of_a_thin_patient_first(model):
    nodule = replace(slab().nodules[0], center_lps_mm=(-95.0, 15.0, -30.0), diameter_mm=14.0, place="isolated")
    first, *_ = detect_and_score(chest(**SLAB, nodules=(nodule,)).volume, model, Compute()).nodules
    assert first.logit > 0
    assert np.linalg.norm(np.subtract(first.center_lps_mm, nodule.center_lps_mm)) < nodule.diameter_mm / 4
