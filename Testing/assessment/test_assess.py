"""A case with its patient: what is assessed, what is gone through, what is said."""

import json
from dataclasses import replace

import pytest

from LungCancerDxLib.assessment.assess import DECIDES, assess, assessed, category_text
from LungCancerDxLib.assessment.brock import brock_probability
from LungCancerDxLib.assessment.patient import NoduleFacts, Patient
from LungCancerDxLib.case import Case, CaseResult, Nodule
from LungCancerDxLib.errors import UsageError

SOLID = Nodule(
    rank=1,
    source="detected",
    center_lps_mm=(0.0, 0.0, 0.0),
    box_diameter_mm=9.0,
    diameter_mm=9.0,
    longest_axial_diameter_mm=10.0,
    volume_mm3=381.7,
    mean_hu=20.0,
    type="solid",
    side="left",
    third="upper",
    distance_to_pleura_mm=12.0,
    malignancy=0.7,
    scored=True,
)
PART_SOLID = replace(SOLID, rank=2, type="part-solid", diameter_mm=12.0, longest_axial_diameter_mm=13.0)
NOT_OUTLINED = replace(
    SOLID,
    rank=3,
    center_lps_mm=(40.0, 0.0, 0.0),
    volume_mm3=None,
    type=None,
    longest_axial_diameter_mm=None,
    distance_to_pleura_mm=None,
)
RUNNER_UP = replace(SOLID, rank=4, scored=False, diameter_mm=25.0)
USERS = replace(SOLID, rank=5, source="user", scored=False, diameter_mm=5.0)
ALL_KNOWN = Patient(
    age_years=66,
    sex="female",
    family_history=False,
    emphysema=True,
    nodule_count=2,
    nodules={1: NoduleFacts(upper_lobe=True, spiculated=False)},
)


def case_of(*nodules, share=0.01, unreliable=()):
    case = Case(0.5, "suspicion of the case", "leaky-noisy-or", 0.01, 0.1, 0, None, None, len(nodules))
    lungs = {"left_volume_ml": 2000.0, "right_volume_ml": 2500.0, "smoothed_share_below_950_hu": share}
    model = {"name": "some", "sha256": "", "preset": "DEFAULT", "outcome": "readers", "trained_on": "readings"}
    return CaseResult({}, model, {}, {}, case, lungs, nodules, {}, (), tuple(unreliable))


def test_what_counts_and_what_the_user_set_is_assessed_as_far_as_it_is_outlined():
    found = assess(case_of(SOLID, NOT_OUTLINED, RUNNER_UP, USERS), Patient())
    assert [nodule.rank for nodule in found.nodules] == [1, 5]
    assert found.not_assessed == (3,)
    assert any("nodule 3" in remark for remark in found.remarks)
    assert found.of(4) is None


def test_brock_takes_the_longest_diameter_and_what_is_known():
    risk = assess(case_of(SOLID, PART_SOLID), ALL_KNOWN).of(1).brock
    expected = brock_probability(
        age_years=66,
        female=True,
        family_history=False,
        emphysema=True,
        size_mm=10.0,
        nodule_type="solid",
        upper_lobe=True,
        nodule_count=2,
        spiculated=False,
    )
    assert risk.low == risk.high == pytest.approx(expected)


def test_the_third_of_a_lung_is_no_lobe():
    """A nodule in the upper third may lie in a lower lobe: whether it does is gone through."""
    risk = assess(case_of(SOLID), replace(ALL_KNOWN, nodules={})).of(1).brock
    assert "upper lobe" in risk.unknown


def test_number_of_nodules_is_not_known_unless_it_is_told():
    unknown = assess(case_of(SOLID, PART_SOLID, NOT_OUTLINED), Patient()).of(1).brock.unknown
    assert "number of nodules (1 to 3)" in unknown
    assert not any("number" in each for each in assess(case_of(SOLID), ALL_KNOWN).of(1).brock.unknown)


@pytest.mark.parametrize(
    ("seen", "share", "known"),
    [(None, 0.08, True), (None, 0.02, None), (False, 0.08, False), (True, 0.0, True), (None, None, None)],
)
def test_emphysema_is_what_was_seen_else_what_is_measured_in_plenty(seen, share, known):
    found = assess(case_of(SOLID, share=share), Patient(emphysema=seen))
    assert found.emphysema is known
    assert any("taken as present" in remark for remark in found.remarks) == (seen is None and known is True)


def test_the_share_of_an_older_case_was_not_smoothed_and_says_nothing_of_emphysema():
    found = assess(replace(case_of(SOLID), lungs={"share_below_950_hu": 0.2}), Patient())
    assert (found.emphysema, found.emphysema_share) == (None, None)
    assert not any("mphysema" in remark for remark in found.remarks)


def test_unknown_solid_part_gives_all_categories_that_it_allows():
    found = assess(case_of(PART_SOLID), Patient()).of(2)
    assert category_text(found.lung_rads) == "3 to 4B"
    assert any("solid part" in remark for remark in found.remarks)
    small = replace(PART_SOLID, diameter_mm=7.0)
    assert category_text(assess(case_of(small), Patient()).of(2).lung_rads) == "3 to 4A"  # no solid part of 8 mm in it
    told = Patient(nodules={2: NoduleFacts(solid_component_mm=4.0)})
    assert category_text(assess(case_of(PART_SOLID), told).of(2).lung_rads) == "3"


def test_scan_is_as_its_highest_nodule():
    assert category_text(assess(case_of(SOLID, USERS), Patient()).lung_rads) == "4A"
    assert category_text(assess(case_of(SOLID, PART_SOLID), Patient()).lung_rads) == "4A to 4B"


def test_that_nothing_was_found_is_no_category_1():
    found = assess(case_of(), Patient())
    assert found.scan_category == "-"
    assert any("does not show that there is none" in remark for remark in found.remarks)


def test_a_nodule_without_a_category_leaves_the_scans_open():
    """A category 1 or 2 because the one nodule could not be outlined would claim more than was measured."""
    assert assess(case_of(NOT_OUTLINED), Patient()).scan_category == "-"
    assert assess(case_of(USERS, NOT_OUTLINED), Patient()).scan_category == "at least 2"
    assert assess(case_of(SOLID, NOT_OUTLINED), Patient()).scan_category == "at least 4A"
    large = replace(SOLID, diameter_mm=20.0)
    assert assess(case_of(large, NOT_OUTLINED), Patient()).scan_category == "4B"


def test_a_point_in_an_outlined_nodule_is_no_other_nodule():
    """It neither opens the scan's category nor makes two nodules of one."""
    point = replace(NOT_OUTLINED, rank=6, source="user", scored=False, center_lps_mm=(3.0, 3.0, 0.0))
    found, alone = assess(case_of(SOLID, point), Patient()), assess(case_of(SOLID), Patient())
    assert found.scan_category == alone.scan_category == "4A"
    assert (found.nodules, found.not_assessed) == (alone.nodules, ())
    assert "Nodule 6 lies in nodule 1 and is taken for a part of it." in found.remarks
    outside = replace(point, center_lps_mm=(4.0, 4.0, 0.0))
    assert assess(case_of(SOLID, outside), Patient()).not_assessed == (6,)


def test_follow_up_by_the_earlier_diameter():
    stable = Patient(months_since_prior=6, nodules={1: NoduleFacts(prior_diameter_mm=9.0)})
    growing = Patient(months_since_prior=6, nodules={1: NoduleFacts(prior_diameter_mm=7.0)})
    new = Patient(months_since_prior=12, nodules={1: NoduleFacts(prior_diameter_mm=0.0)})
    for patient, category in ((stable, "3"), (growing, "4B"), (new, "4B")):
        assert category_text(assess(case_of(SOLID), patient).of(1).lung_rads) == category
    untold = assess(case_of(SOLID), Patient(months_since_prior=6)).of(1)
    assert category_text(untold.lung_rads) == "4A"
    assert any("earlier size" in remark for remark in untold.remarks)


SLOW, OPEN = "It has grown, but not within 12 months", "Whether its solid part has grown is not known"
LARGER = replace(SOLID, diameter_mm=14.0)
DENSER = replace(PART_SOLID, rank=1, diameter_mm=13.0, solid_component_mm=5.5)


@pytest.mark.parametrize(
    ("nodule", "facts", "months", "category", "remarked"),
    [
        (LARGER, {"prior_diameter_mm": 8.0}, 60, "4A to 4B", [SLOW]),
        (replace(SOLID, diameter_mm=7.9), {"prior_diameter_mm": 6.0}, 24, "3 to 4B", [SLOW]),
        (replace(SOLID, diameter_mm=7.5), {"prior_diameter_mm": 6.0}, 24, "2", []),  # by no more than 1.5 mm
        (LARGER, {"prior_diameter_mm": 8.0, "status": "slowly-growing"}, 60, "4B", []),
        (LARGER, {"prior_diameter_mm": 8.0, "status": "stable"}, 60, "4A", []),
        (DENSER, {"prior_diameter_mm": 12.0, "prior_solid_component_mm": 2.0}, 36, "3 to 4B", [SLOW]),
        (DENSER, {"prior_diameter_mm": 10.0, "prior_solid_component_mm": 5.5}, 36, "3 to 4B", [SLOW]),
        (DENSER, {"prior_diameter_mm": 10.0}, 36, "3 to 4B", [SLOW, OPEN]),
        (DENSER, {"prior_diameter_mm": 12.0, "prior_solid_component_mm": 4.0}, 36, "2", []),
    ],
)
def test_what_has_grown_but_not_within_a_year_may_be_slowly_growing(nodule, facts, months, category, remarked):
    patient = Patient(months_since_prior=months, nodules={1: NoduleFacts(**facts)})
    found = assess(case_of(nodule), patient)
    assert found.scan_category == category_text(found.of(1).lung_rads) == category
    assert [said for said in (SLOW, OPEN) if any(said in remark for remark in found.of(1).remarks)] == remarked


@pytest.mark.parametrize(
    ("facts", "is_remarked"),
    [({"prior_diameter_mm": 3.0}, True), ({"prior_diameter_mm": 0.0}, False), ({"status": "stable"}, False)],
)
def test_an_earlier_size_without_its_time_is_remarked_unless_nothing_depends_on_it(facts, is_remarked):
    found = assess(case_of(SOLID), Patient(nodules={1: NoduleFacts(**facts)})).of(1)
    assert any("months_since_prior" in remark for remark in found.remarks) == is_remarked


def test_facts_on_a_nodule_that_is_not_there_are_refused_with_the_ranks_that_are():
    with pytest.raises(UsageError, match=r"rank 99; the case has those of 1, 2\."):
        assessed(case_of(SOLID, PART_SOLID), Patient(nodules={99: NoduleFacts(spiculated=True)}))
    with pytest.raises(UsageError, match=r"rank 1; the case has none"):
        assessed(case_of(), ALL_KNOWN)


def test_spiculation_makes_4x():
    spiculated = Patient(nodules={1: NoduleFacts(spiculated=True)})
    assert category_text(assess(case_of(SOLID), spiculated).of(1).lung_rads) == "4X"


def test_setting_tells_which_guideline_holds():
    both = assess(case_of(SOLID), Patient())
    screening, incidental = (assess(case_of(SOLID), Patient(setting=s)) for s in ("screening", "incidental"))
    assert both.lung_rads
    assert both.of(1).fleischner
    assert any("setting is not given" in remark for remark in both.remarks)
    assert screening.lung_rads
    assert not screening.of(1).fleischner
    assert not incidental.lung_rads
    assert not incidental.of(1).lung_rads
    assert incidental.of(1).fleischner


def test_fleischner_over_what_is_not_known():
    low = assess(case_of(SOLID), Patient(high_risk=False)).of(1).fleischner
    assert [each.rule for each in low] == ["Single solid, more than 250 mm³"]
    either = assess(case_of(SOLID, USERS), Patient()).of(1).fleischner
    assert len(either) == 3  # if single, for any risk; if multiple, by the risk
    young = assess(case_of(SOLID), Patient(age_years=30))
    assert not young.of(1).fleischner
    assert any("35 years" in remark for remark in young.remarks)


@pytest.mark.parametrize(("benign", "category", "follow_up"), [(None, "1 to 4A", 2), (True, "1", 1), (False, "4A", 1)])
def test_a_calcified_nodule_is_category_1_where_its_pattern_is_benign(benign, category, follow_up):
    facts = {1: NoduleFacts(benign_calcification=benign)}
    patient = replace(ALL_KNOWN, setting=None, high_risk=False, nodules=facts)
    found = assess(case_of(replace(SOLID, type="calcified")), patient).of(1)
    assert category_text(found.lung_rads) == category
    assert len(found.fleischner) == follow_up
    assert found.brock.low is None
    assert any("pattern is not measured" in remark for remark in found.remarks) == (benign is None)


def test_a_nodule_at_the_pleura_may_be_juxtapleural():
    found = assess(case_of(replace(SOLID, distance_to_pleura_mm=0.2)), Patient()).of(1)
    assert category_text(found.lung_rads) == "2 to 4A"
    assert any("category 2" in remark for remark in found.remarks)
    told = Patient(nodules={1: NoduleFacts(place="parenchyma")})
    large = replace(SOLID, distance_to_pleura_mm=0.2, diameter_mm=12.0)
    assert category_text(assess(case_of(replace(SOLID, distance_to_pleura_mm=0.2)), told).of(1).lung_rads) == "4A"
    assert category_text(assess(case_of(large), Patient()).of(1).lung_rads) == "4A"


@pytest.mark.parametrize("facts", [{"spiculated": True}, {"suspicious": True}])
@pytest.mark.parametrize("place", [None, "juxtapleural"])
@pytest.mark.parametrize(("kind", "category"), [("solid", "4X"), ("calcified", "1 to 4X")])
def test_a_nodule_at_the_pleura_that_is_told_suspicious_is_of_no_benign_shape(facts, place, kind, category):
    patient = Patient(nodules={1: NoduleFacts(place=place, **facts)})
    found = assess(case_of(replace(SOLID, type=kind, distance_to_pleura_mm=0.2)), patient)
    assert found.scan_category == category_text(found.of(1).lung_rads) == category
    assert not any("category 2" in remark for remark in found.of(1).remarks)


def test_an_airway_nodule_without_a_row_gets_no_category():
    facts = NoduleFacts(place="airway-subsegmental", status="growing")
    found = assess(case_of(SOLID), Patient(nodules={1: facts})).of(1)
    assert found.lung_rads == ()
    assert any("no row" in remark for remark in found.remarks)


def test_mayo_only_where_it_may_be_used():
    patient = replace(ALL_KNOWN, smoker=True, earlier_cancer=False)
    assert assess(case_of(SOLID), ALL_KNOWN).of(1).mayo is None
    assert 0 < assess(case_of(SOLID), patient).of(1).mayo.low < 1
    assert assess(case_of(SOLID), replace(patient, known_cancer=True)).of(1).mayo is None


def test_a_radiologist_decides_and_limits_are_told():
    remarks = assess(case_of(SOLID, unreliable=("slices are 5.0 mm apart",)), Patient()).remarks
    assert remarks[0] == DECIDES
    assert any("Lung-RADS may be 0" in remark and "5.0 mm" in remark for remark in remarks)
    assert any("cysts" in remark for remark in remarks)


def test_case_keeps_patient_and_assessment_in_its_json():
    result = assessed(case_of(SOLID, PART_SOLID), ALL_KNOWN)
    content = json.loads(result.to_json())
    assert content["patient"] == ALL_KNOWN.to_table()
    assert content["assessment"]["lung_rads"][-1]["name"] == "4B"
    again = CaseResult.from_json(result.to_json())
    assert assess(again) == assess(result, ALL_KNOWN)
    assert CaseResult.from_json(case_of(SOLID).to_json()).assessment == {}


PRIOR = {"prior_diameter_mm": 12.0}


@pytest.mark.parametrize(
    ("facts", "category", "is_remarked"),
    [
        (PRIOR, "2 to 4B", True),
        ({**PRIOR, "prior_solid_component_mm": 5.0}, "2", False),
        ({**PRIOR, "prior_solid_component_mm": 1.0}, "4B", False),
        ({**PRIOR, "prior_solid_component_mm": 0.0}, "4B", False),
        ({"prior_solid_component_mm": 1.0}, "4B", False),  # whatever the whole was
        ({"prior_solid_component_mm": 5.0}, "3", False),
        ({"status": "stable"}, "2", False),
    ],
)
def test_a_part_solid_nodule_of_the_same_size_may_have_grown_in_its_solid_part(facts, category, is_remarked):
    nodule = replace(PART_SOLID, solid_component_mm=5.0)
    found = assess(case_of(nodule), Patient(months_since_prior=6, nodules={2: NoduleFacts(**facts)})).of(2)
    assert category_text(found.lung_rads) == category
    assert any("prior_solid_component_mm" in remark for remark in found.remarks) == is_remarked


def test_a_solid_part_that_crosses_a_size_without_what_counts_as_growth_does_not_step_down():
    nodule = replace(PART_SOLID, solid_component_mm=6.3)
    facts = {2: NoduleFacts(prior_diameter_mm=12.0, prior_solid_component_mm=5.5)}
    assert category_text(assess(case_of(nodule), Patient(months_since_prior=6, nodules=facts)).of(2).lung_rads) == "4A"


@pytest.mark.parametrize(("prior_solid_mm", "is_remarked"), [(None, True), (5.0, True), (1.0, False)])
def test_growth_of_the_whole_is_remarked_unless_the_solid_part_has_grown(prior_solid_mm, is_remarked):
    nodule = replace(PART_SOLID, solid_component_mm=5.0)
    facts = {2: NoduleFacts(prior_diameter_mm=9.0, prior_solid_component_mm=prior_solid_mm)}
    found = assess(case_of(nodule), Patient(months_since_prior=12, nodules=facts)).of(2)
    assert category_text(found.lung_rads) == "4B"
    assert any("Growth is that of the whole" in remark for remark in found.remarks) == is_remarked


def test_a_category_that_several_rules_lead_to_is_one():
    at_pleura = replace(SOLID, diameter_mm=5.0, distance_to_pleura_mm=0.2)
    found = assess(case_of(at_pleura), Patient())
    assert [category.name for category in found.of(1).lung_rads] == ["2"]
    assert found.of(1).lung_rads[0].rule == "Solid nodule of less than 6 mm at baseline"
    assert not any("lies at the lung's edge" in remark for remark in found.of(1).remarks)
    assert [category.name for category in found.lung_rads] == ["2"]


@pytest.mark.parametrize(
    ("measured", "facts", "category", "taken"),
    [
        ("ground-glass", {"solid_component_mm": 6.5}, "4A", "part-solid"),
        ("solid", {"solid_component_mm": 6.5}, "4A", "part-solid"),
        ("part-solid", {"solid_component_mm": 0.0}, "2", "ground-glass"),
        ("solid", {"benign_calcification": True}, "1", "calcified"),
        ("part-solid", {"solid_component_mm": 6.5}, "4A", None),
        ("solid", {"benign_calcification": False}, "4A", None),
    ],
)
def test_what_is_told_of_solid_part_and_calcification_goes_before_the_measured_type(measured, facts, category, taken):
    patient = replace(ALL_KNOWN, nodules={1: NoduleFacts(**facts)})
    found = assess(case_of(replace(SOLID, type=measured, diameter_mm=12.0)), patient).of(1)
    assert category_text(found.lung_rads) == category
    said = [remark for remark in found.remarks if remark.startswith("Taken as")]
    assert said == ([f"Taken as {taken}, as told; {measured} was measured."] if taken else [])
    of_type = assess(case_of(replace(SOLID, type=taken or measured, diameter_mm=12.0)), patient).of(1)
    assert (found.brock, found.fleischner) == (of_type.brock, of_type.fleischner)
