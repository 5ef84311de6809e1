"""Marks of the detector outlined in the networks' 1 mm, where studies have no CT, and rated as a case's nodules are."""

import torch
from scipy.special import expit

from LungCancerDxLib.case import Nodule
from LungCancerDxLib.classification.late_fusion import rated_by_outline
from LungCancerDxLib.detection.proposals import Proposals
from LungCancerDxLib.models.bundle import Model
from LungCancerDxLib.models.find import segmenter_of
from LungCancerDxLib.preprocessing import WorkingScan
from LungCancerDxLib.segmentation.nodules import outlined
from LungCancerDxLib.volume import CTVolume, index_to_world


def rated_marks(
    model: Model, ct: CTVolume, scan: WorkingScan, marks: Proposals, malignancy: list[float]
) -> list[Nodule]:
    """The nodules of some marks and of the network's malignancies, each with what its outline makes of it.

    Outlined in `ct`, the scan's `grey_ct`, without the test for ribs and for marks on one nodule.
    """
    segmenter, nodules = segmenter_of(model), []
    for center, (logit, *_, diameter), p in zip(
        index_to_world(scan.kji_to_lps, marks.center_kji).tolist(), marks.rows(), malignancy, strict=True
    ):
        box_mm = float(diameter * scan.spacing_mm)
        nodule = Nodule(1, "detected", tuple(center), box_mm, logit=logit, confidence=float(expit(logit)), malignancy=p)
        if segmenter is not None:
            nodule = outlined(ct, nodule, segmenter.net, torch.device("cpu"))
        nodules.append(rated_by_outline(nodule, model.fusion))
    return nodules
