"""Brock and Mayo: what others have printed, the tables of the papers, and ranges over what is unknown."""

import math

import pytest

from LungCancerDxLib.assessment.brock import (
    BROCK_NAME,
    brock_probability,
    brock_risk,
    mayo_probability,
    mayo_risk,
    percent,
)

# (age, sex, family history, emphysema, size mm, type, upper lobe, count, spiculated) -> probability as printed, and by
# how much the last digit printed may be off. Each was printed by somebody else.
PRINTED_BROCK = [
    # The public calculator of OncoToolkit, to one decimal, as printed in the validation notes of another program.
    ((62, "m", 0, 0, 10, "solid", 0, 4, 0), 0.025, 5e-4),
    ((70, "f", 1, 1, 16, "part-solid", 1, 1, 1), 0.720, 5e-4),
    ((55, "m", 0, 0, 7, "ground-glass", 0, 2, 0), 0.008, 5e-4),
    # The same notes, by their own calculator, in percent to six decimals.
    ((62, "m", 0, 0, 10, "solid", 0, 4, 0), 0.02510027, 1e-5),
    ((70, "f", 1, 1, 16, "part-solid", 1, 1, 1), 0.72021893, 2e-5),
    ((55, "m", 0, 0, 7, "ground-glass", 0, 2, 0), 0.00758233, 1e-5),
    # The worked examples of an open calculator (`brock-nodule`), audited there against MDCalc and Radiopaedia.
    ((65, "f", 0, 1, 15, "solid", 1, 2, 1), 0.477, 5e-4),
    ((55, "m", 0, 0, 5, "solid", 0, 1, 0), 0.003, 5e-4),
    ((70, "f", 1, 1, 20, "part-solid", 1, 1, 1), 0.801, 5e-4),
    # lung-nodule-tracker, whose coefficients were read off the paper; four decimals. The last two are models 2b and 2a.
    ((70, "f", 1, 1, 10, "part-solid", 1, 3, 1), 0.4141, 5e-5),
    ((65, "f", 0, 0, 15, "solid", 1, 1, 0), 0.2537, 5e-4),
    ((65, "f", 0, 0, 15, "solid", 1, 1, None), 0.2974, 5e-5),
    # The regression examples of the iOS calculator "Lung Nodule", in percent to six decimals.
    ((55, "m", 0, 0, 4, "solid", 0, 4, 0), 0.00092011, 1e-6),
    ((68, "f", 1, 0, 10, "solid", 1, 2, 0), 0.14588653, 1e-6),
    ((80, "f", 1, 1, 30, "part-solid", 1, 1, 1), 0.91535942, 1e-6),
    ((65, "m", 0, 0, 10, "ground-glass", 0, 1, 0), 0.03065470, 1e-6),
    ((65, "m", 0, 0, 10, "solid", 0, 1, 0), 0.03468206, 1e-6),
    ((65, "m", 0, 0, 10, "part-solid", 0, 1, 0), 0.04977268, 1e-6),
    ((70, "f", 0, 0, 4, "solid", 1, 1, 0), 0.00634830, 1e-6),
    # Two programs that print the case of the table's reference patient.
    ((62, "m", 0, 0, 10, "solid", 0, 4, 0), 0.025098338800117814, 5e-6),
    ((62, "m", 0, 0, 10, "solid", 0, 1, 0), 0.0319, 1e-3),
]

# (age, smoker, earlier cancer, diameter, spiculated, upper lobe) -> probability as printed.
PRINTED_MAYO = [
    ((55, 0, 0, 20, 0, 0), 0.11, 5e-3),  # Swensen 1997, Table 3
    ((51, 1, 0, 12, 1, 1), 0.334, 5e-4),  # the same calculator's `mayo-spn`
    ((45, 0, 0, 6, 0, 0), 0.013, 5e-4),
    ((65, 1, 1, 16, 1, 1), 0.8465, 5e-5),  # lung-nodule-tracker
    ((60, 1, 0, 10, 0, 1), 0.1636, 5e-5),
    ((72, 1, 1, 18, 1, 1), 0.9035, 5e-5),
    ((74, 1, 0, 7, 0, 1), 0.187, 5e-4),  # there beside what MDCalc shows
]

# Odds ratios of McWilliams 2013 (Table 2, model 2b) and Swensen 1997 as printed: of a case with and without something.
PRINTED_BROCK_ODDS_RATIOS = [
    ((62, "f", 0, 0, 10, "solid", 0, 4, 0), 1.82),
    ((62, "m", 1, 0, 10, "solid", 0, 4, 0), 1.34),
    ((62, "m", 0, 1, 10, "solid", 0, 4, 0), 1.34),
    ((62, "m", 0, 0, 10, "solid", 1, 4, 0), 1.93),
    ((62, "m", 0, 0, 10, "solid", 0, 4, 1), 2.17),
    ((62, "m", 0, 0, 10, "part-solid", 0, 4, 0), 1.46),
]
PRINTED_MAYO_ODDS_RATIOS = [
    ((60, 1, 0, 10, 0, 0), 2.21),
    ((60, 0, 1, 10, 0, 0), 3.81),
    ((60, 0, 0, 10, 1, 0), 2.83),
    ((60, 0, 0, 10, 0, 1), 2.19),
]


def brock(age, sex, family, emphysema, size, kind, upper, count, spiculated):
    return brock_probability(
        age_years=age,
        female=sex == "f",
        family_history=bool(family),
        emphysema=bool(emphysema),
        size_mm=size,
        nodule_type=kind,
        upper_lobe=bool(upper),
        nodule_count=count,
        spiculated=None if spiculated is None else bool(spiculated),
    )


def mayo(age, smoker, cancer, diameter, spiculated, upper):
    return mayo_probability(
        age_years=age,
        smoker=bool(smoker),
        earlier_cancer=bool(cancer),
        diameter_mm=diameter,
        spiculated=bool(spiculated),
        upper_lobe=bool(upper),
    )


@pytest.mark.parametrize(("case", "printed", "tolerance"), PRINTED_BROCK)
def test_brock_is_what_others_print(case, printed, tolerance):
    assert brock(*case) == pytest.approx(printed, abs=tolerance)


@pytest.mark.parametrize(("case", "printed", "tolerance"), PRINTED_MAYO)
def test_mayo_is_what_others_print(case, printed, tolerance):
    assert mayo(*case) == pytest.approx(printed, abs=tolerance)


def odds(probability):
    return probability / (1 - probability)


@pytest.mark.parametrize(("case", "printed"), PRINTED_BROCK_ODDS_RATIOS)
def test_brock_odds_ratios_are_those_printed(case, printed):
    plain = brock(62, "m", 0, 0, 10, "solid", 0, 4, 0)
    assert round(odds(brock(*case)) / odds(plain), 2) == printed


@pytest.mark.parametrize(("case", "printed"), PRINTED_MAYO_ODDS_RATIOS)
def test_mayo_odds_ratios_are_those_printed(case, printed):
    assert round(odds(mayo(*case)) / odds(mayo(60, 0, 0, 10, 0, 0)), 2) == printed


def test_uncentred_form_of_another_paper():
    """Eur Radiol 2019;29:5367 (PMC6717521), Table 2, prints model 2b without its centres: intercept 0.2761."""
    for age, size, count in ((50, 4, 1), (62, 10, 4), (75, 25, 9)):
        x = 0.2761 + 0.0287 * age - 5.3854 * (size / 10) ** -0.5 - 0.0824 * count + 0.6011 + 0.7729
        assert brock(age, "f", 0, 0, size, "solid", 0, count, 1) == pytest.approx(1 / (1 + math.exp(-x)), abs=1e-5)


KNOWN = {
    "age_years": 65,
    "sex": "female",
    "family_history": False,
    "emphysema": True,
    "size_mm": 15,
    "nodule_type": "solid",
    "upper_lobe": True,
    "nodule_counts": (2, 2),
    "spiculated": True,
}


def test_what_is_all_known_is_a_number():
    risk = brock_risk(**KNOWN)
    assert risk.low == risk.high == pytest.approx(0.477, abs=5e-4)
    assert (risk.unknown, risk.text, risk.name) == ((), "47.7 %", BROCK_NAME)
    assert "2b" in risk.model


@pytest.mark.parametrize(
    ("unknown", "said"),
    [
        ({"age_years": None}, "age (50 to 75)"),
        ({"sex": None}, "sex"),
        ({"family_history": None}, "family history"),
        ({"emphysema": None}, "emphysema"),
        ({"upper_lobe": None}, "upper lobe"),
        ({"nodule_type": None}, "type"),
        ({"nodule_counts": (1, 6)}, "number of nodules (1 to 6)"),
    ],
)
def test_what_is_unknown_is_a_range_that_holds_the_known(unknown, said):
    known, risk = brock_risk(**KNOWN), brock_risk(**{**KNOWN, **unknown})
    assert risk.unknown == (said,)
    assert risk.low <= known.low <= risk.high
    assert risk.low < risk.high
    assert " to " in risk.text


def test_ends_of_the_range_are_the_least_and_the_most():
    """Worked out here by hand from the signs of the coefficients, not by looking at all combinations."""
    nothing = {**KNOWN, **dict.fromkeys(("age_years", "sex", "family_history", "emphysema", "upper_lobe"), None)}
    risk = brock_risk(**{**nothing, "nodule_counts": (1, 9)})
    assert risk.low == pytest.approx(brock(50, "m", 0, 0, 15, "solid", 0, 9, 1))
    assert risk.high == pytest.approx(brock(75, "f", 1, 1, 15, "solid", 1, 1, 1))


def test_unknown_spiculation_takes_the_model_without_it():
    risk = brock_risk(**{**KNOWN, "spiculated": None})
    assert risk.low == pytest.approx(brock(65, "f", 0, 1, 15, "solid", 1, 2, None))
    assert "2a" in risk.model
    assert any("piculation" in remark for remark in risk.remarks)


@pytest.mark.parametrize("outside", [{"size_mm": None}, {"size_mm": 34.0}, {"nodule_type": "calcified"}])
def test_outside_the_model_there_is_a_reason_and_no_number(outside):
    risk = brock_risk(**{**KNOWN, **outside})
    assert risk.low is risk.high is None
    assert risk.remarks
    assert risk.text == "-"


def test_ages_beyond_the_study_are_told():
    assert "50 to 75" in brock_risk(**{**KNOWN, "age_years": 41}).remarks[0]


def test_mayo_needs_age_smoking_and_history():
    known = {
        "age_years": 74.0,
        "smoker": True,
        "earlier_cancer": False,
        "diameter_mm": 7.0,
        "nodule_type": "solid",
        "spiculated": False,
        "upper_lobe": True,
    }
    assert mayo_risk(**known).low == pytest.approx(0.187, abs=5e-4)
    for name in ("age_years", "smoker", "earlier_cancer"):
        assert mayo_risk(**{**known, name: None}) is None
    unknown = mayo_risk(**{**known, "spiculated": None, "upper_lobe": None})
    assert unknown.unknown == ("spiculation", "upper lobe")
    assert unknown.low < 0.187 < unknown.high
    assert mayo_risk(**{**known, "diameter_mm": 3.0}).low is None
    calcified = mayo_risk(**{**known, "nodule_type": "calcified"})
    assert (calcified.low, calcified.text) == (None, "-")
    assert "calcified" in calcified.remarks[0]


def test_small_risks_keep_their_digits():
    assert [percent(p) for p in (0.00092, 0.0099, 0.00996, 0.1, 0.9999)] == ["0.09", "0.99", "1.0", "10.0", "100.0"]
