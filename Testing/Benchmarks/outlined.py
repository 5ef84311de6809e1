"""Marks of the detector outlined in the networks' 1 mm, where studies have no CT, and rated as a case's nodules are."""

import numpy as np
import torch
from scipy.special import expit

from LungCancerDxLib.case import Nodule
from LungCancerDxLib.classification.late_fusion import rated_by_outline
from LungCancerDxLib.detection.proposals import Proposals
from LungCancerDxLib.models.bundle import Model
from LungCancerDxLib.models.find import segmenter_of
from LungCancerDxLib.preprocessing import WorkingScan
from LungCancerDxLib.preprocessing.working_grid import from_grey
from LungCancerDxLib.preset import Preset
from LungCancerDxLib.segmentation.nodules import measured, outline
from LungCancerDxLib.volume import CTVolume, index_to_world


def working_ct(scan: WorkingScan, preset: Preset) -> CTVolume:
    """The working image as a CT, in HU as far as it keeps them."""
    return CTVolume(np.rint(from_grey(scan.image, preset)).astype(np.int16), scan.kji_to_lps)


def rated_marks(
    model: Model, ct: CTVolume, scan: WorkingScan, marks: Proposals, malignancy: list[float]
) -> list[Nodule]:
    """The nodules of some marks and of the network's malignancies, each with what its outline makes of it.

    Outlined in `working_ct`, without the test for ribs and for marks on one nodule.
    """
    segmenter, nodules = segmenter_of(model), []
    for center, (logit, *_, diameter), p in zip(
        index_to_world(scan.kji_to_lps, marks.center_kji).tolist(), marks.rows(), malignancy, strict=True
    ):
        box_mm = float(diameter * scan.spacing_mm)
        nodule = Nodule(1, "detected", tuple(center), box_mm, logit=logit, confidence=float(expit(logit)), malignancy=p)
        masks = None if segmenter is None else outline(ct, nodule, segmenter.net, torch.device("cpu"))
        nodules.append(rated_by_outline(nodule if masks is None else measured(ct, nodule, masks), model.fusion))
    return nodules
