"""Boxes, their targets, and back."""

import numpy as np
import pytest

from LungCancerDxLib.detection.anchors import cell_centers, decode, encode
from LungCancerDxLib.detection.proposals import Boxes

ANCHORS = (10.0, 30.0, 60.0)


def _output(planted, shape=(4, 5, 6)):
    """An output without proposals but those planted: {(z, y, x, anchor): (logit, dz, dy, dx, log ratio)}."""
    output = np.zeros((*shape, 3, 5), dtype=np.float32)
    output[..., 0] = -20
    for place, fields in planted.items():
        output[place] = fields
    return output


def test_cell_n_is_centred_at_one_and_a_half_plus_four_n():
    assert cell_centers(np.array([[0, 1, 10]])).tolist() == [[1.5, 5.5, 41.5]]


@pytest.mark.parametrize(
    ("place", "fields", "box"),
    [
        ((0, 0, 0, 0), (1.0, 0.0, 0.0, 0.0, 0.0), (1.5, 1.5, 1.5, 10.0)),
        ((3, 4, 5, 0), (1.0, 0.5, -0.25, 0.125, 0.0), (13.5 + 5, 17.5 - 2.5, 21.5 + 1.25, 10.0)),
        ((1, 2, 3, 1), (1.0, 0.5, -0.25, 0.125, np.log(1.5)), (5.5 + 15, 9.5 - 7.5, 13.5 + 3.75, 45.0)),
        ((1, 2, 3, 2), (1.0, -1.0, 1.0, 0.0, np.log(0.5)), (5.5 - 60, 9.5 + 60, 13.5, 30.0)),
    ],
)
def test_a_box_is_the_cell_shifted_by_parts_of_the_anchor_and_the_anchor_scaled(place, fields, box):
    (proposal,) = decode(_output({place: fields}), ANCHORS, -3.0).rows()
    np.testing.assert_allclose(proposal, [fields[0], *box], rtol=1e-6)


def test_encoding_by_hand():
    targets = encode(Boxes.from_rows([[20.5, 2.0, 17.25, 45.0]]), np.array([[1, 2, 3]]), np.array([30.0]))
    np.testing.assert_allclose(targets, [[0.5, -0.25, 0.125, np.log(1.5)]], atol=1e-12)


def test_decoding_undoes_encoding():
    draw = np.random.default_rng(3)
    cells = np.array([(z, y, x) for z in range(4) for y in range(5) for x in range(6)])
    which = draw.integers(0, 3, len(cells))
    boxes = np.column_stack([draw.uniform(-5, 30, (len(cells), 3)), draw.uniform(3, 80, len(cells))])
    targets = encode(Boxes.from_rows(boxes), cells, np.array(ANCHORS)[which])
    fields = np.column_stack([-np.arange(len(cells)) / 10, targets])  # logits keep the order
    output = _output({(*cell, a): row for cell, a, row in zip(cells, which, fields, strict=True)})
    np.testing.assert_allclose(decode(output, ANCHORS, -15.0).rows()[:, 1:], boxes, atol=1e-4)


def test_the_threshold_itself_is_not_above_the_threshold():
    planted = {(0, 0, n, 0): (logit, 0, 0, 0, 0) for n, logit in enumerate((-3.0, -2.999, -3.001))}
    assert decode(_output(planted), ANCHORS, -3.0).logit == pytest.approx([-2.999])


def test_the_best_comes_first_and_ties_keep_the_order_of_the_cells():
    logits = {(0, 0, 0, 1): 1.0, (0, 0, 1, 0): 3.0, (0, 1, 0, 2): 1.0, (2, 0, 0, 0): 2.0, (3, 4, 5, 0): 1.0}
    proposals = decode(_output({place: (logit, 0, 0, 0, 0) for place, logit in logits.items()}), ANCHORS, -3.0)
    assert proposals.logit.tolist() == [3, 2, 1, 1, 1]
    assert proposals.diameter[2:].tolist() == [30, 60, 10]


def test_no_cell_above_the_threshold_gives_no_proposals():
    assert len(decode(_output({}), ANCHORS, -3.0)) == 0
