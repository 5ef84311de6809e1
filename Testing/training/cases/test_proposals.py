"""Proposals in training cases: found once and kept, and which of them show a nodule."""

from dataclasses import replace

import numpy as np
import pytest

from LungCancerDxLib.detection.detector import Detected
from LungCancerDxLib.detection.proposals import Proposals
from LungCancerDxLib.errors import Cancelled
from LungCancerDxLib.runtime.device import Compute
from LungCancerDxLib.training.cases import proposals
from LungCancerDxLib.training.cases.proposals import false_alarms, find_proposals, of_nodules
from LungCancerDxLib.training.cases.store import CaseStore, write_case
from Testing.training.classifier_tiny import labelled_store
from Testing.training.tiny import TINY, ball_case


@pytest.fixture
def detections(monkeypatch):
    """A detector that notes which scans it saw."""
    seen = []

    def detect(scan, net, preset, compute, progress):
        progress("detecting", 0.5)
        seen.append(int(scan.image.sum()))
        return Detected(Proposals.from_rows([[2.0, 1, 2, 3, float(len(seen))]]), (), compute)

    monkeypatch.setattr(proposals, "detect", detect)
    return seen


def find(store, sha256="abc", preset=TINY, **options):
    return find_proposals(store, None, sha256, preset, Compute(), **options)


def test_a_false_alarm_shows_no_described_nodule_and_lies_where_everything_is_described():
    case = replace(ball_case("a", [(20.0, 20, 20, 10.0)]), exclusion_regions=np.array([[40.0, 40, 40, 8.0]]))
    rows = [[2.0, 21, 20, 20, 9.0], [1.0, 42, 40, 40, 5.0], [0.5, 20, 40, 20, 6.0]]
    np.testing.assert_array_equal(false_alarms(case, Proposals.from_rows(rows)).rows(), [[0.5, 20, 40, 20, 6]])
    nowhere = replace(case, exclusion_regions=np.zeros((0, 4)))
    assert len(false_alarms(nowhere, Proposals.from_rows(rows))) == 2
    assert len(false_alarms(case, Proposals.from_rows(rows)[:0])) == 0


def test_proposals_are_found_once_and_again_for_another_way_of_detecting_or_a_new_case(tmp_path, detections):
    store = labelled_store(tmp_path)
    first = find(store)
    assert [found.diameter[0] for found in first] == [1, 2, 3]
    for again, found in zip(find(CaseStore(tmp_path)), first, strict=True):
        np.testing.assert_array_equal(again.rows(), found.rows())
    assert len(detections) == 3
    find(store, sha256="other")
    assert len(detections) == 6
    write_case(tmp_path, ball_case("case-1", [(22.0, 20, 40, 12.0)]), "DEFAULT")
    again = find(CaseStore(tmp_path))
    assert [found.diameter[0] for found in again] == [1, 7, 3]
    find(CaseStore(tmp_path), preset=replace(TINY, inference_weights="float32"))
    assert len(detections) == 10


def test_a_stopped_search_goes_on_where_it_was_and_a_damaged_file_is_made_anew(tmp_path, detections):
    store = labelled_store(tmp_path)

    def stop(message, fraction):
        if fraction > 0.4:
            raise Cancelled("asked")

    with pytest.raises(Cancelled):
        find(store, progress=stop)
    assert len(detections) == 1
    (kept,) = tmp_path.glob("proposals-*/*")
    assert kept.name == "case-0.npz"
    kept.write_bytes(kept.read_bytes()[:50])
    assert len(find(store)) == 3
    assert len(detections) == 4


def test_a_proposal_shows_a_nodule_that_it_overlaps():
    nodules = np.array([[10.0, 10, 10, 8]])
    three = Proposals.from_rows([[0.0, 11, 10, 9, 8], [0.0, 17.5, 10, 10, 8], [0.0, 30, 10, 10, 8]])
    np.testing.assert_array_equal(of_nodules(three, nodules), [True, False, False])
    np.testing.assert_array_equal(of_nodules(three, nodules[:0]), [False] * 3)
