"""The nodule list as a radiologist dictates it."""

from dataclasses import replace

from LungCancerDxLib.assessment.assess import DECIDES, assessed
from LungCancerDxLib.assessment.dictation import dictated
from LungCancerDxLib.assessment.patient import NoduleFacts, Patient
from LungCancerDxLib.names import OUTCOME_REMARKS, RESEARCH_USE_ONLY
from Testing.assessment.test_assess import ALL_KNOWN, NOT_OUTLINED, RUNNER_UP, SOLID, case_of


def test_a_sentence_a_nodule_and_the_category():
    text = dictated(assessed(case_of(SOLID, NOT_OUTLINED, RUNNER_UP), ALL_KNOWN))
    first, second, category, *notice = text.splitlines()
    assert first.startswith(
        "Nodule 1: left lung, upper third, solid, 9.0 mm (longest axial diameter 10.0 mm), 382 mm³, "
    )
    assert "12 mm from the pleura. Lung-RADS 4A. Brock risk (clinical outcomes, screening population): " in first
    assert first.endswith(" The model's suspicion: 0.70.")
    assert second.startswith("Nodule 3: left lung, upper third, about 9 mm, not outlined.")
    assert category == "Lung-RADS v2022, suggested for a screening CT: category at least 4A."
    assert notice == [DECIDES, OUTCOME_REMARKS["readers"], RESEARCH_USE_ONLY]


def test_a_nodule_at_the_pleura_and_a_case_without_any():
    assert "at the lung's edge" in dictated(case_of(replace(SOLID, distance_to_pleura_mm=0.4)))
    assert dictated(case_of()).startswith("No nodule was found that counts.\n")


def test_an_unreliable_scan_and_an_overruled_score_are_told():
    first = "The score is not reliable: slices are 5.0 mm apart."
    case = replace(case_of(SOLID, unreliable=("slices are 5.0 mm apart",)), warnings=(first,))
    lines = dictated(case.rescored([])).splitlines()
    assert lines[0] == first
    assert "Overruled by the user: without 1. The model's own score: 0.70." in lines
    lines = dictated(case).splitlines()
    assert lines[2].startswith("Lung-RADS v2022, suggested")
    assert lines[3].startswith("Lung-RADS may be 0, as the scan cannot be evaluated in full")
    assert not any("Overruled" in line for line in lines)


def test_a_range_is_said_with_what_it_is_over():
    text = dictated(assessed(case_of(SOLID), replace(ALL_KNOWN, family_history=None)))
    assert " % (over family history). The model's" in text


def test_a_nodule_has_the_type_by_which_its_category_is_given():
    told = assessed(case_of(SOLID), Patient(nodules={1: NoduleFacts(benign_calcification=True)}))
    (line,) = [line for line in dictated(told).splitlines() if line.startswith("Nodule 1")]
    assert ", calcified, " in line
    assert "Lung-RADS 1." in line
