"""Labels and targets of a patch's anchors, and that decoding them gives the nodules back."""

import numpy as np
import pytest

from LungCancerDxLib.detection.anchors import (
    IGNORED,
    NEGATIVE,
    POOLED,
    POSITIVE,
    anchor_iou,
    cell_centers,
    decode,
    draw_pool,
    ignore_spheres,
    label_anchors,
)
from LungCancerDxLib.detection.proposals import Boxes, cube_iou

ANCHORS = (10.0, 30.0, 60.0)
CELLS = (6, 7, 8)
NONE = np.zeros((0, 4))


def labelled(targets, others=NONE, seed=0):
    draw = np.random.default_rng(seed)
    return label_anchors(Boxes.from_rows(targets), Boxes.from_rows(others), CELLS, ANCHORS, draw)


def iou_with_all(box):
    return anchor_iou(box[:3], box[3], CELLS, ANCHORS)


def overlaps(box, boxes):
    return cube_iou(box[:3], box[3], boxes[:, :3], boxes[:, 3])


def every_anchor():
    """(cell, anchor number) and box of every anchor, one after another."""
    for cell in np.ndindex(CELLS):
        for number, edge in enumerate(ANCHORS):
            yield (*cell, number), np.array([*cell_centers(np.array(cell)), edge])


def test_the_overlap_is_that_of_the_cubes():
    box = np.array([11.0, 13.7, 9.2, 12.5])
    iou = iou_with_all(box)
    for place, anchor in every_anchor():
        assert iou[place] == pytest.approx(overlaps(box, anchor[None])[0], abs=1e-12)


def test_every_label_is_what_a_plain_loop_says():
    targets = np.array([[12.0, 11.0, 13.0, 11.0], [14.0, 20.0, 25.0, 27.0]])
    others = np.array([[3.0, 3.0, 3.0, 4.0]])
    found = labelled(targets, others)
    for place, anchor in every_anchor():
        of_targets = overlaps(anchor, targets)
        if found.labels[place] == POSITIVE:
            assert (of_targets >= 0.5).any()
        elif max(of_targets.max(), overlaps(anchor, others).max()) > 0.02:
            assert found.labels[place] == IGNORED
        else:
            assert found.labels[place] == NEGATIVE
    assert (found.labels == POSITIVE).sum() == len(targets)


def test_each_candidate_is_drawn_now_and_then_and_nothing_else():
    box = np.array([11.0, 11.0, 13.0, 30.0])
    candidates = {place for place, anchor in every_anchor() if overlaps(box, anchor[None])[0] >= 0.5}
    drawn = {tuple(labelled(box, seed=seed).positives[0]) for seed in range(40 * len(candidates))}
    assert len(candidates) > 5
    assert drawn == candidates


def test_without_a_candidate_the_nearest_cell_and_the_closest_size_are_positive():
    box = [9.5, 9.5, 13.5, 17.0]  # between 10 and 30: neither overlaps by a half; cells 2, 2, 3 are centred there
    assert iou_with_all(np.array(box)).max() < 0.5
    assert labelled(box).positives.tolist() == [[2, 2, 3, 0]]
    assert labelled([*box[:3], 17.4]).positives.tolist() == [[2, 2, 3, 1]]  # the geometric mean is 17.32


def test_the_nearest_cell_lies_in_the_patch():
    assert labelled([-3.0, 30.0, 13.5, 17.0]).positives.tolist() == [[0, 6, 3, 0]]


def test_decoding_the_targets_gives_the_boxes_back():
    boxes = np.array([[12.3, 11.1, 13.9, 11.2], [14.0, 20.5, 25.5, 27.0], [5.0, 20.0, 6.0, 17.0]])
    found = labelled(boxes)
    output = np.full((*CELLS, len(ANCHORS), 5), -20.0)
    output[tuple(found.positives.T)] = np.column_stack([[3, 2, 1], found.targets])
    np.testing.assert_allclose(decode(output, ANCHORS, -3.0).rows()[:, 1:], boxes, atol=1e-5)


def test_what_is_neither_found_nor_not_has_no_positive():
    found = labelled(NONE, [[12.0, 11.0, 13.0, 11.0]])
    assert len(found.positives) == len(found.targets) == 0
    assert set(np.unique(found.labels)) == {IGNORED, NEGATIVE}


def test_cells_within_a_sphere_are_not_learned_from_unless_positive():
    found = labelled([9.5, 9.5, 13.5, 10.0])
    ignore_spheres(found.labels, np.array([[9.5, 9.5, 13.5]]), np.array([8.1]))
    for place, anchor in every_anchor():
        if np.linalg.norm(anchor[:3] - [9.5, 9.5, 13.5]) <= 8.1:
            assert found.labels[place] in (IGNORED, POSITIVE)
    assert found.labels[2, 2, 3, 0] == POSITIVE
    assert found.labels[2, 2, 6, 0] == NEGATIVE


@pytest.mark.parametrize(("asked", "drawn"), [(20, 20), (10**6, None)])
def test_the_pool_is_drawn_from_the_negatives(asked, drawn):
    labels = labelled([12.0, 11.0, 13.0, 11.0]).labels
    before = labels.copy()
    draw_pool(labels, asked, np.random.default_rng(1))
    assert (labels == POOLED).sum() == (drawn or (before == NEGATIVE).sum())
    assert (before[labels == POOLED] == NEGATIVE).all()
    assert (labels[before != NEGATIVE] == before[before != NEGATIVE]).all()
