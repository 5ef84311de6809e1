"""The overview shows the nodules that count, outlined, with the case's score under its honest name."""

from dataclasses import replace

import numpy as np
import pytest

from LungCancerDxLib.case import Case, CaseResult, Nodule
from LungCancerDxLib.phantom.patient import synthetic_chest
from LungCancerDxLib.report import overview
from LungCancerDxLib.volume import index_to_world

pytest.importorskip("matplotlib")
ORANGE = np.array([255, 176, 0]) / 255


@pytest.fixture(scope="module")
def patient():
    return synthetic_chest(np.random.default_rng(1), spacing_mm_kji=(5, 2, 2))


@pytest.fixture(scope="module")
def labels(patient):
    grid = np.stack(np.indices(patient.volume.shape_kji), axis=-1)
    first = patient.nodules[0]
    distance = np.linalg.norm(index_to_world(patient.volume.kji_to_lps, grid) - first.center_lps_mm, axis=-1)
    return (distance < first.diameter_mm / 2).astype(np.uint8)


def case_of(nodules):
    scored = sum(nodule.scored for nodule in nodules)
    case = Case(0.5, "model score (simulated outcomes)", "leaky-noisy-or", 0.01, 0.1, 0, None, None, scored)
    model = {"name": "some", "sha256": "", "preset": "DEFAULT", "outcome": "synthetic", "trained_on": "phantoms"}
    return CaseResult({}, model, {}, {}, case, {}, tuple(nodules), {}, ())


def drawn(result, patient, labels, path):
    from matplotlib.image import imread

    overview.save_overview(result, patient.volume, labels, path)
    return imread(path)[..., :3]


def orange_share(picture):
    return (np.abs(picture - ORANGE).max(axis=-1) < 0.1).mean()


@pytest.mark.slow
def test_a_nodule_with_a_mask_is_outlined_and_one_without_is_not(patient, labels, tmp_path):
    center = patient.nodules[0].center_lps_mm
    nodule = Nodule(1, "detected", center, diameter_mm=18.0, malignancy=0.4, contribution=0.9, scored=True)
    with_mask = drawn(case_of([nodule]), patient, labels, tmp_path / "with.png")
    without = drawn(case_of([nodule]), patient, 0 * labels, tmp_path / "without.png")
    assert orange_share(with_mask) > 2 * orange_share(without)


@pytest.mark.slow
def test_there_is_a_row_for_each_nodule_that_counts(patient, labels, tmp_path):
    nodules = [Nodule(rank, "detected", patient.nodules[0].center_lps_mm, scored=True) for rank in (1, 2, 3)]
    three = drawn(case_of(nodules), patient, labels, tmp_path / "three.png")
    two = drawn(case_of([*nodules[:2], replace(nodules[2], scored=False)]), patient, labels, tmp_path / "two.png")
    assert three.shape[0] > two.shape[0]


def test_a_case_without_nodules_has_its_picture_too(patient, labels, tmp_path):
    assert drawn(case_of([]), patient, labels, tmp_path / "none.png").std() > 0.05


def test_the_score_stands_under_the_name_that_the_outcome_allows(patient, labels, tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    written = []
    text = Figure.text

    def write(self, x, y, s, **options):
        written.append(s)
        return text(self, x, y, s, **options)

    monkeypatch.setattr(Figure, "text", write)
    drawn(case_of([]), patient, labels, tmp_path / "none.png")
    message = " ".join(written)
    assert "0.50   model score (simulated outcomes)" in message
    assert "Research use only" in message
    assert "cancer probability" not in message


@pytest.mark.parametrize(("diameter_mm", "width_mm"), [(None, 60), (10.0, 60), (80.0, 120)])
def test_a_nodule_is_shown_whole_in_a_square_of_60_mm_or_more(patient, diameter_mm, width_mm):
    from matplotlib.figure import Figure

    center = patient.nodules[0].center_lps_mm
    grid = np.stack(np.indices(patient.volume.shape_kji), axis=-1)
    distance = np.linalg.norm(index_to_world(patient.volume.kji_to_lps, grid) - center, axis=-1)
    axes = Figure().add_subplot()
    nodule = Nodule(1, "detected", center, diameter_mm=diameter_mm)
    overview.draw_plane(axes, patient.volume, distance < (diameter_mm or 8) / 2, nodule, overview.PLANES["axial"])
    (image,), (bar,) = axes.get_images(), axes.get_lines()
    size = len(image.get_array())
    assert np.ptp(bar.get_xdata()) * width_mm == pytest.approx(10 * (size - 1))
    outline = axes.collections[0].get_paths()[0].vertices
    assert outline.min() > 0
    assert outline.max() < size - 1
    assert np.ptp(outline, axis=0) == pytest.approx((diameter_mm or 8) / width_mm * (size - 1), abs=5)
