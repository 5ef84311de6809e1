"""What the classifier's tests share: a small preset, a store of cases of known outcome, proposals, recipes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from LungCancerDxLib.detection.proposals import Proposals
from LungCancerDxLib.models.find import untrained_model
from LungCancerDxLib.training.cases.store import read_outcomes, write_outcomes
from LungCancerDxLib.training.classifier.items import KnownCases
from LungCancerDxLib.training.classifier.recipe import CPU, PAPER
from Testing.training.tiny import SMALL, TINY, ball_case, store_of

SMALLEST = replace(TINY, crop_size=16, scored_nodules=2)
"""Crops of 16 voxels, the best two proposals."""

FEW = replace(PAPER, name="FEW", batch=2, steps=1, detector=replace(SMALL, patch=16, batch=2))
"""A recipe of single steps."""

FEATURES = replace(CPU, name="FEATURES", batch=4, steps=3, cached_crops=2, cached_proposals=3)

BOXES = [[(30.0, 28.0, 32.0, 10.0)], [(20.0, 20.0, 40.0, 12.0), (40.0, 30.0, 20.0, 8.0)], [(25.0, 30.0, 30.0, 9.0)]]
LABELS = {"case-0": True, "case-1": False, "case-2": True}


def labelled_store(folder):
    """Three cases of bright balls, two of them with cancer."""
    store = store_of(folder, *(ball_case(f"case-{n}", boxes) for n, boxes in enumerate(BOXES)))
    write_outcomes(folder, LABELS)
    return store


def proposals_of(store):
    """Each nodule with a logit of 2, and a false alarm with one of 0."""
    false = np.array([[0.0, 12.0, 12.0, 12.0, 7.0]])
    rows = [np.concatenate([np.insert(boxes, 0, 2.0, axis=1), false]) for boxes in store.nodules]
    return [Proposals.from_rows(of_case) for of_case in rows]


def known_cases(store):
    return KnownCases(store, read_outcomes(store.folder, store.names), proposals_of(store))


def tiny_detector(preset=SMALLEST):
    return untrained_model(preset)
