"""The model that ships with the extension: what it says of itself, and that it finds nodules."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from LungCancerDxLib.detection.detector import detect
from LungCancerDxLib.models.bundle import load_model
from LungCancerDxLib.models.registry import DEFAULT_MODEL, read_card
from LungCancerDxLib.preprocessing import preprocess
from LungCancerDxLib.runtime.device import Compute
from LungCancerDxLib.volume import index_to_world
from Testing.helpers import ROOT, SLAB, chest, slab

pytestmark = pytest.mark.slow

FOLDER = ROOT / "Resources" / "Models" / DEFAULT_MODEL


@pytest.fixture(scope="module")
def model():
    return load_model(FOLDER)


def test_it_says_what_it_learned_from():
    card = read_card(FOLDER)
    assert (card.name, card.preset, card.join, card.outcome) == ("Default", "DEFAULT", "leaky-noisy-or", "readers")
    for message in (
        "suspicion of outlined nodules fitted to 147 nodules",
        "suspicion calibrated on",
        "nodules of LIDC-IDRI and the readers' ratings",
        "detector: 4 scans",
        "seed",
    ):
        assert message in card.trained_on


def test_it_has_at_most_24_megabytes():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 24e6


def test_its_classifier_has_a_backbone_of_its_own_but_for_what_stayed_as_it_was(model):
    own, detector = model.classifier.NoduleNet.state_dict(), model.detector.state_dict()
    same = {name for name, weight in own.items() if torch.equal(weight, detector[name])}
    assert {name for name in own if name.startswith("preBlock") or "running" in name} <= same
    assert "back2.0.conv1.weight" not in same


def test_what_outlines_measure_weighs_in_its_suspicion(model):
    assert model.fusion is not None
    assert model.fusion.network > 0
    assert model.fusion.doubling > 0 > model.fusion.calcified


def test_its_card_is_for_people_too():
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    for message in (read_card(FOLDER).sha256, "Research use only", "CC BY", "LIDC-IDRI-0314", "models fetch grt123"):
        assert message in card


def test_its_detector_finds_the_nodule_of_a_thin_patient_first(model):
    nodule = replace(slab().nodules[0], center_lps_mm=(-95.0, 15.0, -30.0), diameter_mm=14.0, place="isolated")
    scan = preprocess(chest(**SLAB, nodules=(nodule,)).volume, model.preset).working
    found = detect(scan, model.detector, model.preset, Compute()).proposals
    assert found.logit[0] > 0
    center_mm = index_to_world(scan.kji_to_lps, found.center_kji[:1])[0]
    assert np.linalg.norm(center_mm - nodule.center_lps_mm) < nodule.diameter_mm / 4
