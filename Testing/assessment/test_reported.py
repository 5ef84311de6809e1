"""A case as it is reported: outlines that are lent, types that the user told."""

from dataclasses import replace

import numpy as np
import pytest

from LungCancerDxLib.assessment.assess import assess
from LungCancerDxLib.assessment.patient import NoduleFacts, Patient
from LungCancerDxLib.assessment.reported import as_reported, with_lent_outlines
from Testing.assessment.test_assess import SOLID, case_of

RUNNER_UP = replace(SOLID, rank=2, box_diameter_mm=8.0, malignancy=None, scored=False, logit=0.4)
POINT = replace(
    SOLID, rank=3, source="user", center_lps_mm=(3.0, 0.0, 0.0), box_diameter_mm=None, diameter_mm=None, third=None
)
POINT = replace(POINT, longest_axial_diameter_mm=None, volume_mm3=None, mean_hu=None, type=None, scored=False)


def labelled(*nodules):
    labels = np.zeros((1, 1, 4), np.uint8)
    labels[..., :2] = 2
    return replace(case_of(*nodules), nodule_labels=labels)


def test_a_point_on_a_proposal_that_does_not_count_has_its_outline_and_its_category():
    case = labelled(RUNNER_UP, POINT)
    owner, point = with_lent_outlines(case).nodules
    assert (point.rank, point.source, point.center_lps_mm) == (3, "user", (3.0, 0.0, 0.0))
    assert (point.volume_mm3, point.diameter_mm, point.type, point.third) == (381.7, 9.0, "solid", "upper")
    assert (owner.volume_mm3, owner.type, owner.diameter_mm) == (None, None, 8.0)
    assert np.unique(with_lent_outlines(case).nodule_labels).tolist() == [0, 3]
    assert np.unique(case.nodule_labels).tolist() == [0, 2]
    found = assess(case, Patient(setting="screening"))
    assert (found.scan_category, found.not_assessed) == ("4A", ())
    assert "Nodule 3 lies in another, which does not count, and has its outline." in found.remarks


def test_what_counts_keeps_its_outline():
    case = labelled(replace(RUNNER_UP, scored=True, malignancy=0.4), POINT)
    assert with_lent_outlines(case).nodules == case.nodules
    assert with_lent_outlines(case).nodule_labels is case.nodule_labels


def test_of_two_points_in_an_outline_the_second_is_a_part_of_the_first():
    found = assess(labelled(RUNNER_UP, POINT, replace(POINT, rank=4), replace(POINT, rank=5)), Patient())
    assert [nodule.rank for nodule in found.nodules] == [3]
    assert "Nodules 4, 5 lie in nodule 3 and are taken for parts of it." in found.remarks
    assert found.not_assessed == ()


@pytest.mark.parametrize("center", [(6.0, 0.0, 0.0), (0.0, 0.0, -5.0)])
def test_a_point_beside_an_outline_has_none(center):
    assert assess(labelled(RUNNER_UP, replace(POINT, center_lps_mm=center)), Patient()).not_assessed == (3,)


def test_the_type_is_the_one_that_was_told():
    told = replace(labelled(SOLID), patient=Patient(nodules={1: NoduleFacts(solid_component_mm=3.0)}).to_table())
    assert [nodule.type for nodule in as_reported(told).nodules] == ["part-solid"]
