"""Places in the slab, in LPS mm and in working voxels, and what tests ask of its cases."""

import numpy as np

from LungCancerDxLib.pipeline import detect_and_score
from Testing.helpers import slab

IN_THE_LEFT_LUNG = (80.25, 10.125, -30.0625)
OUTSIDE_THE_LUNGS = (0.0, 90.0, -30.0)
PLACES_KJI = [(9.0, 22.0, 19.0), (8.0, 21.0, 52.0), (7.0, 25.0, 15.0), (8.0, 19.0, 45.0), (6.0, 22.0, 22.0)]


def scored(model):
    return detect_and_score(slab().volume, model)


def shares(result):
    parts = [*(nodule.contribution for nodule in result.nodules), result.case.leak_share, result.case.blank_share]
    return [share for share in parts if share is not None]


def noisy_or(*probabilities):
    return 1 - np.prod([1 - p for p in probabilities])
