"""A point that the user set tells no size: the nodule around it is found whatever its size, or none is."""

import functools

import numpy as np
import pytest
import torch

from LungCancerDxLib.case import Nodule
from LungCancerDxLib.models.find import find_model, segmenter_of
from LungCancerDxLib.segmentation.nodules import outlined
from LungCancerDxLib.volume import CTVolume

SIDE, MIDDLE = 110, 54.5
KJI_TO_LPS = np.eye(4)[[2, 1, 0, 3]]  # 1 mm


@functools.cache
def squared_distance_mm():
    ends = np.ogrid[:SIDE, :SIDE, :SIDE]
    return sum((axis - MIDDLE) ** 2 for axis in ends)


def measured(hu, off_mm):
    """What the default segmenter measures at a point beside the middle."""
    scan = CTVolume(np.rint(hu).astype(np.int16), KJI_TO_LPS)
    point = Nodule(1, "user", (MIDDLE + off_mm, MIDDLE, MIDDLE))
    return outlined(scan, point, segmenter_of(find_model()).net, torch.device("cpu"))


@pytest.mark.slow
@pytest.mark.parametrize(("diameter_mm", "off_mm"), [(6, 0), (12, 3), (40, 0), (60, 12)])
def test_the_size_of_what_is_around_a_point_is_found(diameter_mm, off_mm):
    hu = np.random.default_rng(0).normal(-850, 15, (SIDE,) * 3)
    hu[squared_distance_mm() < (diameter_mm / 2) ** 2] = 40
    assert measured(hu, off_mm).diameter_mm == pytest.approx(diameter_mm, rel=0.12)


def test_within_soft_tissue_there_is_no_nodule():
    hu = np.random.default_rng(0).normal(40, 15, (SIDE,) * 3)
    assert measured(hu, 0).volume_mm3 is None
