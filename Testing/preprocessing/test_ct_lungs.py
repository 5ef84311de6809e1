"""Lungs on a CT's own grid: what of a scan lies in the chest they span."""

import numpy as np

from LungCancerDxLib.preprocessing import CTLungs
from LungCancerDxLib.volume import index_to_world
from Testing.helpers import affine, rotation

TO_LPS = affine(rotation(20, (1, 2, 3)) @ np.diag([0.8, 0.8, 2.0]) @ np.eye(3)[::-1], np.array([-30.0, 12, 140]))


def test_the_chest_wall_lies_beyond_the_hull_of_the_lungs_and_what_is_between_them_does_not():
    labels = np.zeros((20, 30, 40), np.uint8)
    labels[2:18, 5:25, 5:15], labels[2:18, 5:25, 25:35] = 1, 2
    lungs = CTLungs(labels, TO_LPS)
    inside = index_to_world(TO_LPS, np.array([[10.0, 15, 10], [10, 15, 20], [2.1, 5.1, 5.1]]))
    beyond = index_to_world(TO_LPS, np.array([[10.0, 15, 36], [10, 26, 20], [19, 15, 10]]))
    assert lungs.beyond_hull(inside).tolist() == [False] * 3
    assert lungs.beyond_hull(beyond).tolist() == [True] * 3


def test_without_lungs_nothing_lies_beyond_them():
    assert not CTLungs(np.zeros((4, 5, 6), np.uint8), np.eye(4)).beyond_hull(np.zeros((2, 3))).any()
