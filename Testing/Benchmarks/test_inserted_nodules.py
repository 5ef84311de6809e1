"""The study of inserted nodules puts each where it says, and counts what is marked there and elsewhere."""

from dataclasses import replace

import numpy as np
import pytest

from LungCancerDxLib.detection.proposals import Proposals
from LungCancerDxLib.evaluation.fusion import read_outlined_nodules
from LungCancerDxLib.io.tables import read_table
from LungCancerDxLib.models.find import untrained_model
from LungCancerDxLib.runtime.device import choose_compute
from LungCancerDxLib.training.classifier.rated_crops import Background
from Testing.Benchmarks import inserted_nodules as study
from Testing.training.tiny import TINY, ball_case, store_of

pytestmark = pytest.mark.slow

FAR = (12.0, 12.0, 12.0)


@pytest.fixture(scope="module")
def model():
    return untrained_model(replace(TINY, crop_size=32))


@pytest.fixture(scope="module")
def background(model):
    case = ball_case("lung", boxes=[], shape=(84, 84, 84), exclusion_regions=[(70.0, 70, 70, 6)])
    return Background.of(case, np.zeros((0, 3)), model.preset)


def test_a_fold_goes_into_the_scan_of_its_number_and_its_cubes_after_it(bank, tmp_path):
    synthetic = replace(ball_case("patient", boxes=[]), synthetic=True)
    store = store_of(tmp_path, ball_case("zero", boxes=[]), synthetic, ball_case("one", boxes=[]))
    held = study.jobs(store, bank, 1, seed=0)
    assert [(job.name, job.scan, [n.id for n in job.nodules]) for job in held] == [
        ("as-it-is-2", 2, []),
        ("scan-0", 2, ["a-2"]),
        ("cube-c", 2, ["c"]),
    ]
    assert sorted(n.id for n in study.jobs(store, bank, None, seed=0)[1].nodules) == ["a-1", "a-2"]


def test_marks_are_right_on_nodules_wrong_elsewhere_and_neither_in_regions(model, background, bank, monkeypatch):
    job, compute = study.Job("scan-0", 0, [bank[0]], [0, 0]), choose_compute("cpu", "fp32")
    placed = study.place_apart(np.random.default_rng(job.seed), job.nodules, background.places)
    (center,) = study.world_to_index(background.case.scan.kji_to_lps, np.array([placed[0].center_lps_mm]))
    on, beside = center + 1, center + np.array([0, 0, 8])
    rows = [[2.0, *on, 8.0], [1.0, *beside, 5.0], [0.5, *FAR, 6.0], [0.1, 68, 70, 70, 6.0]]
    images = []

    def marks_of(_model, _compute, scan):
        images.append(scan.image)
        return Proposals.from_rows(np.array(rows))

    monkeypatch.setattr(study, "marks_of", marks_of)
    found = study.in_scan(model, compute, background, job)
    k, j, i = np.rint(center).astype(int)
    assert images[0][k, j, i] > 150
    assert background.case.scan.image[k, j, i] < 60
    (nodule,) = found["nodules"]
    assert (nodule["id"], nodule["logit"], nodule["malignancy"]) == ("a-1", 2.0, 2)
    assert nodule["away_mm"] == pytest.approx(np.sqrt(3))
    assert 0 < nodule["suspicion"] < 1
    assert [mark["logit"] for mark in found["false positives"]] == [0.5]
    rows[0][0] = -1.0
    assert study.in_scan(model, compute, background, job)["nodules"][0]["suspicion"] is None
    plain = study.Job("as-it-is-0", 0, [], [0])
    marked = plain.show(model, compute, background, plain)
    assert np.array_equal(images[-1], background.case.scan.image)
    assert [mark["logit"] for mark in marked[study.PLAIN_FALSE_POSITIVES]] == [-1.0, 1.0, 0.5]
    assert len(marked[study.PLAIN_SCANS]) == 1
    assert all(0 < mark["network_suspicion"] < 1 for mark in marked[study.PLAIN_FALSE_POSITIVES])


def test_a_cube_lies_in_the_middle_of_an_image_of_its_own(model, background, bank, monkeypatch):
    seen = []

    def marks_of(_model, _compute, scan):
        seen.append(scan)
        return Proposals.from_rows(np.array([[1.0, 31, 32, 33, 9.0]]))

    monkeypatch.setattr(study, "marks_of", marks_of)
    job = study.Job("cube-c", 0, [bank[2]], [0, 0, 1])
    (cube,) = study.of_cube(model, choose_compute("cpu", "fp32"), background, job)["cubes"]
    assert seen[0].image[30:34, 30:34, 30:34].min() > 150
    assert cube["logit"] == 1.0
    assert cube["away_mm"] < 2


@pytest.mark.filterwarnings("ignore:An input array is constant")  # in bootstrap samples of so few
def test_the_report_gives_recalls_false_positives_and_a_table_of_ratings(tmp_path):
    def nodule(number, diameter_mm, logit, malignancy):
        known = {"id": f"n{number}", "patient": f"P{number}", "malignancy": malignancy, "diameter_mm": diameter_mm}
        rest = {"texture": 5, "attached": False, "scan": "lung", "logit": logit, "away_mm": 1.0, "box_diameter_mm": 6.0}
        suspicion = None if logit is None or logit < 0 else malignancy / 6
        return known | rest | dict(zip(study.SUSPICIONS, (suspicion, suspicion, diameter_mm, 0), strict=True))

    nodules = [nodule(0, 9.0, 3.0, 5), nodule(1, 8.0, None, 4), nodule(2, 5.0, 1.0, 1), nodule(3, 5.0, -1.0, 2)]
    unknown = dict.fromkeys(study.SUSPICIONS)
    wrong = [{"scan": "lung", "logit": logit, **unknown} for logit in (2.0, 1.5, -2.0)]
    wrong[1] |= dict(zip(study.SUSPICIONS, (0.3, 0.2, None, 0), strict=True))
    part = {"nodules": nodules, "not placed": [], "false positives": wrong, "scans": [{"scan": "lung"}]}
    plain: study.Rows = {study.PLAIN_FALSE_POSITIVES: wrong[1:], study.PLAIN_SCANS: [{"scan": "lung"}]}
    study.write_report(tmp_path, "model", [part, plain])
    table = read_table(tmp_path / "summary.csv")
    figures = dict(zip(table.texts("figure"), table.numbers("value"), strict=True))
    assert figures["recall above logit 0.00, 6 mm and more"] == 0.5
    assert figures["recall above logit 0.00, 4 to 6 mm"] == 0.5
    assert figures["false positives a scan above logit 0, scans with nodules"] == 2
    assert figures["false positives a scan above logit 0, scans as they are"] == 1
    assert figures["logit above which there is one false positive a scan"] == 1.5
    assert figures["recall above logit 1.50, all"] == 0.25
    rated = read_outlined_nodules([tmp_path / "ratings.csv"])
    assert rated.rated.rating.tolist() == [5, 1, 0]
    assert rated.there.tolist() == [True, True, False]
