"""The report: what it says and what it keeps to itself, as HTML and as PDF."""

import re
from dataclasses import replace
from html import unescape

import numpy as np
import pytest

from LungCancerDxLib.assessment.assess import DECIDES, assessed
from LungCancerDxLib.assessment.lung_rads import MANAGEMENT
from LungCancerDxLib.assessment.patient import NoduleFacts, Patient
from LungCancerDxLib.case import Case, CaseResult, Nodule
from LungCancerDxLib.phantom.patient import synthetic_chest
from LungCancerDxLib.report.content import report_of
from LungCancerDxLib.report.files import save_report
from LungCancerDxLib.report.html import to_html

pytest.importorskip("matplotlib")
pytest.importorskip("reportlab")

PATIENT = Patient(age_years=66, sex="female", nodules={1: NoduleFacts(upper_lobe=True, spiculated=False)})


@pytest.fixture(scope="module")
def volume():
    return replace(synthetic_chest(np.random.default_rng(1), spacing_mm_kji=(5, 2, 2)).volume, warnings=())


@pytest.fixture(scope="module")
def labels(volume):
    labels = np.zeros(volume.shape_kji, dtype=np.uint8)
    labels[10:12, 60:64, 40:44] = 1
    return labels


def nodule(rank, **figures):
    known = {
        "source": "detected",
        "center_lps_mm": (30.0, 10.0, -20.0),
        "diameter_mm": 9.0,
        "longest_axial_diameter_mm": 10.0,
        "volume_mm3": 381.7,
        "type": "solid",
        "side": "left",
        "third": "upper",
        "malignancy": 0.7,
        "scored": True,
    }
    return Nodule(rank=rank, **{**known, **figures})


def case_of(*nodules, outcome="readers", score_name="suspicion of the case", unreliable=(), warnings=()):
    case = Case(0.71, score_name, "leaky-noisy-or", 0.01, 0.1, 0, None, None, len(nodules))
    model = {"name": "some", "sha256": "ab" * 32, "preset": "DEFAULT", "outcome": outcome, "trained_on": "readings"}
    result = CaseResult(
        {"name": "LungCancerDx", "version": "9.9"},
        model,
        {"device": "cpu", "precision": "fp32"},
        {"path": "/scans/Doe^Jane/ct", "series_uid": "1.2.3", "shape_kji": [1, 1, 1], "spacing_mm_kji": [1, 1, 1]},
        case,
        {"left_volume_ml": 2000.0, "right_volume_ml": 2500.0, "smoothed_share_below_950_hu": 0.031},
        nodules,
        {},
        tuple(warnings),
        tuple(unreliable),
    )
    return assessed(result, PATIENT if nodules else replace(PATIENT, nodules={}))


def text_of(html):
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)))


def test_one_file_says_the_case_and_keeps_the_patients_name_to_itself(volume, labels):
    html = to_html(report_of(case_of(nodule(1), nodule(2, volume_mm3=None, type=None)), volume, labels))
    text = text_of(html)
    for said in (
        "0.71",
        "Suspicion of the case",
        "Lung-RADS 4A",
        "66 years, female",
        "382 mm³",
        "2.0 L",
        "3.1 % below -950 HU, smoothed",
    ):
        assert said in text
    assert "Brock risk (clinical outcomes, screening population)" in text
    assert "not outlined" in text
    assert DECIDES in text
    assert "Research use only" in text
    assert "ab" * 32 in text
    assert "Doe^Jane" not in html
    assert html.count("data:image/png;base64,") == 3  # two nodules and the lungs
    assert not re.search(r"(src|href)=['\"](?!data:)", html)


@pytest.mark.parametrize("outcome", ["readers", "synthetic", "none"])
def test_no_score_but_that_of_clinical_outcomes_is_called_a_probability(volume, labels, outcome):
    names = {"readers": "suspicion of the case", "synthetic": "model score (simulated outcomes)", "none": "no model"}
    result = case_of(nodule(1), outcome=outcome, score_name=names[outcome])
    text = text_of(to_html(report_of(result, volume, labels)))
    sentences = [each for each in re.split(r"[.:|]", text) if "probabilit" in each.lower()]
    assert all("no cancer probabilities" in each for each in sentences)
    assert ("NO TRAINED MODEL" in text) == (outcome == "none")


def test_all_that_was_told_is_in_the_report(volume, labels):
    facts = {1: NoduleFacts(upper_lobe=True, prior_diameter_mm=8.5, status="stable")}
    patient = Patient(age_years=66, high_risk=False, nodule_count=1, months_since_prior=12, nodules=facts)
    text = text_of(to_html(report_of(assessed(case_of(nodule(1)), patient), volume, labels)))
    for told in ("High risk no", "Nodules in the scan 1", "Months since the earlier scan 12"):
        assert told in text
    assert "Told of it: upper lobe yes, prior diameter mm 8.5, status stable." in text


def test_an_identified_report_names_the_patient(volume, labels):
    html = to_html(report_of(case_of(nodule(1)), volume, labels, {"Name": "Doe^Jane", "Patient ID": "<42>"}))
    assert "Doe^Jane" in html
    assert "&lt;42&gt;" in html


def test_an_unreliable_score_stands_above_all(volume, labels):
    warning = "The score is not reliable: slices are 5.0 mm apart."
    result = case_of(nodule(1), unreliable=("slices are 5.0 mm apart",), warnings=(warning,))
    text = text_of(to_html(report_of(result, volume, labels)))
    assert text.index(warning) < text.index("0.71")


AT_PLEURA = {"distance_to_pleura_mm": 0.2}
BENIGN = "Juxtapleural solid nodule of less than 10 mm, smooth, oval, lentiform or triangular"
BY_SIZE = "Solid nodule of 8 to less than 15 mm at baseline"


@pytest.mark.parametrize(
    ("figures", "not_outlined", "category", "about"),
    [
        (AT_PLEURA, True, "at least 2", f"{BENIGN}; may be 4A: {BY_SIZE}; other nodules have no category."),
        ({}, True, "at least 4A", f"{BY_SIZE}; other nodules have no category."),
        (AT_PLEURA, False, "2 to 4A", f"{BY_SIZE}; for 4A: {MANAGEMENT['4A']}."),
        ({}, False, "4A", f"{BY_SIZE}: {MANAGEMENT['4A']}."),
    ],
)
def test_the_headline_gives_the_rule_of_the_scans_category_and_what_follows_where_all_nodules_have_one(
    volume, labels, figures, not_outlined, category, about
):
    others = [nodule(2, center_lps_mm=(80.0, 10.0, -20.0), volume_mm3=None, type=None)] * not_outlined
    headline = dict(report_of(case_of(nodule(1, **figures), *others), volume, labels).headline)
    assert headline[f"Lung-RADS {category}"] == f"If this is a screening CT: {about} {DECIDES}"


def test_an_overruled_score_is_said_to_be_and_how_a_score_is_made(volume, labels):
    result = case_of(nodule(1), nodule(2, malignancy=0.2))
    text = text_of(to_html(report_of(result.rescored([2]), volume, labels)))
    assert "Overruled by the user: without 1. The model's own score: 0.76." in text
    text = text_of(to_html(report_of(result, volume, labels)))
    assert "Overruled" not in text
    assert "The case's: joined from 2 of 2 listed nodules by leaky-noisy-or." in text


def test_what_outlines_made_of_the_networks_scores_is_said(volume, labels):
    result = case_of(nodule(1, network_malignancy=0.35), nodule(2, malignancy=0.2))
    said = "Outlined diameter and calcification weigh in the nodules'; by the network alone 1: 0.35."
    assert said in text_of(to_html(report_of(result, volume, labels)))
    assert "by the network alone" not in text_of(to_html(report_of(case_of(nodule(1)), volume, labels)))


def test_what_risks_range_over_is_said_and_why_there_is_none(volume, labels):
    known = replace(PATIENT, smoker=True, earlier_cancer=False, nodules={2: NoduleFacts(upper_lobe=True)})
    large = nodule(2, diameter_mm=33.0, longest_axial_diameter_mm=34.0)
    result = assessed(case_of(nodule(1), large, nodule(3)), replace(known, nodules={}))
    text = text_of(to_html(report_of(result, volume, labels)))
    assert "Mayo risks are ranges over spiculation, upper lobe." in text
    assert "34.0 mm lies outside the model (4 to 30 mm)" in text
    text = text_of(to_html(report_of(assessed(case_of(nodule(1), nodule(2)), known), volume, labels)))
    assert "Mayo risks are ranges over spiculation." in text
    assert text.count(" %, also over upper lobe.") == 1


def test_the_three_outlined_nodules_that_weigh_most_are_pictured(volume, labels):
    nodules = (
        nodule(1, malignancy=0.5, confidence=0.9),
        nodule(2, malignancy=0.8, confidence=0.25),
        nodule(3, malignancy=0.9, confidence=0.1),
        nodule(4, malignancy=0.9, confidence=0.9, volume_mm3=None),
        nodule(5, malignancy=0.3, source="user", scored=False),
    )
    captions = [picture.caption for picture in report_of(case_of(*nodules), volume, labels).pictures]
    assert [caption.partition(":")[0] for caption in captions] == ["Nodule 1", "Nodule 5", "Nodule 2"]


def test_a_case_without_nodules(volume, labels):
    report = report_of(case_of(), volume, labels)
    assert not report.nodules
    assert not report.pictures
    assert "No nodule was found that counts." in text_of(to_html(report))
    assert "No Lung-RADS category" in text_of(to_html(report))


@pytest.mark.slow
@pytest.mark.parametrize("nodules", [0, 1, 5, 6])
def test_the_pdf_has_a_page_for_the_case_and_one_for_the_method(volume, labels, tmp_path, nodules):
    result = replace(case_of(*(nodule(rank) for rank in range(1, nodules + 1))), nodule_labels=labels)
    html, pdf = save_report(result, volume, tmp_path, {"Name": "Δ Ü Й"})
    assert len(re.findall(rb"/Type /Page\b", pdf.read_bytes())) == 2
    assert html.stat().st_size > 10_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.pdf"]


def test_as_many_points_as_a_user_may_set_do_not_break_the_pdf(volume, labels, tmp_path):
    pytest.importorskip("reportlab")
    point = {"source": "user", "scored": False, "volume_mm3": None, "diameter_mm": None, "type": None}
    points = [nodule(rank, **point, network_malignancy=0.35) for rank in range(2, 236)]
    result = case_of(nodule(1), *points, warnings=["Left out slices: 1 (Sch\udce4del.dcm)."])
    html, pdf = save_report(replace(result, nodule_labels=labels), volume, tmp_path)
    assert pdf.stat().st_size > 1000
    assert r"(Sch\udce4del.dcm)" in html.read_text(encoding="utf-8")
