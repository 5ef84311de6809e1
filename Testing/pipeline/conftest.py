"""Cases of the slab with the tiny model, made once, and nodules where a test wants them."""

import numpy as np
import pytest

from LungCancerDxLib import pipeline
from LungCancerDxLib.detection.detector import Detected
from LungCancerDxLib.detection.proposals import Proposals
from LungCancerDxLib.pipeline import detect_and_score
from LungCancerDxLib.runtime.device import Compute
from LungCancerDxLib.segmentation.nodules import SegmentedNodules
from Testing.helpers import slab, tiny_model
from Testing.pipeline.cases import IN_THE_LEFT_LUNG, OUTSIDE_THE_LUNGS, PLACES_KJI


@pytest.fixture(scope="session")
def result():
    return detect_and_score(slab().volume, tiny_model())


@pytest.fixture(scope="session")
def with_points():
    """Every nodule and two points classified, none outlined."""
    points = [IN_THE_LEFT_LUNG, OUTSIDE_THE_LUNGS]

    def unmeasured(volume, lungs, nodules, progress):
        return SegmentedNodules(np.zeros(volume.shape_kji, np.uint8), tuple(nodules), ())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "segment_nodules", unmeasured)
        return detect_and_score(slab().volume, tiny_model(), points_lps_mm=points, classify_all=True)


@pytest.fixture
def detected(monkeypatch):
    """A function that makes the detector find nodules of the given logits."""

    def find(*logits):
        found = [(logit, *place, 2.0) for logit, place in zip(logits, PLACES_KJI, strict=False)]
        monkeypatch.setattr(pipeline, "detect", lambda *rest: Detected(Proposals.from_rows(found), (), Compute()))

    return find
