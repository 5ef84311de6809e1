"""How the way from a CT to a scored case runs: in any storage order, memory and stage by stage."""

from dataclasses import replace

import numpy as np
import pytest

from LungCancerDxLib.errors import Cancelled
from LungCancerDxLib.io.image_file import write_volume
from LungCancerDxLib.options import ScoreOptions
from LungCancerDxLib.pipeline import detect_and_score, score_file
from LungCancerDxLib.runtime.device import Compute
from LungCancerDxLib.runtime.memory import resident_gb
from LungCancerDxLib.volume import CTVolume
from Testing.helpers import reoriented, slab, tiny_model

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def result():
    return detect_and_score(slab().volume, tiny_model(), Compute(memory_gb=64))  # the tests before may have taken much


@pytest.mark.parametrize(
    ("axes", "flipped"),
    [
        ((0, 1, 2), (True, False, False)),
        ((0, 1, 2), (False, True, True)),
        ((2, 1, 0), (False, False, False)),
        ((1, 2, 0), (True, False, True)),
    ],
)
def test_the_same_patient_stored_another_way_gets_the_same_nodules_and_score(result, axes, flipped):
    stored = reoriented(slab().volume, axes, flipped)
    again = detect_and_score(stored, tiny_model())
    centers = [np.array([nodule.center_lps_mm for nodule in r.nodules]) for r in (again, result)]
    np.testing.assert_allclose(*centers, atol=0.05)
    assert again.case.score == pytest.approx(result.case.score, abs=1e-3)
    assert again.lungs == pytest.approx(result.lungs)
    labels = CTVolume(result.lung_labels.astype(np.int16), slab().volume.kji_to_lps)
    np.testing.assert_array_equal(again.lung_labels, reoriented(labels, axes, flipped).voxels)


@pytest.mark.usefixtures("no_outlines")
def test_the_score_does_not_depend_on_the_memory_allowed(result):
    again = detect_and_score(slab().volume, tiny_model(), Compute(memory_gb=0.01))
    assert again.case.score == pytest.approx(result.case.score, abs=1e-4)
    assert [n.logit for n in again.nodules] == pytest.approx([n.logit for n in result.nodules], abs=1e-4)


@pytest.mark.usefixtures("no_outlines")
def test_memory_beyond_what_is_allowed_is_warned_of(result):
    if resident_gb() is None:
        pytest.skip("this system does not tell the memory of a process")
    again = detect_and_score(slab().volume, tiny_model(), Compute(memory_gb=0.2))
    (warning,) = set(again.warnings) - set(result.warnings)
    assert warning.endswith(" GB of memory at its peak; 0.2 GB were allowed.")
    assert not any("of memory" in message for message in result.warnings)


def test_progress_goes_through_every_stage_and_never_back():
    reports, model = [], tiny_model()
    few = replace(model, preset=replace(model.preset, listed_nodules=2))
    detect_and_score(slab().volume, few, progress=lambda *report: reports.append(report))
    stages, fractions = zip(*reports, strict=True)
    assert list(dict.fromkeys(stages)) == [
        "finding the lungs",
        "masking",
        "resampling",
        "preprocessing done",
        "detecting nodules",
        "classifying nodules",
        "outlining nodules",
        "drawing the lungs",
        "nodules outlined",
    ]
    assert list(fractions) == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0, pytest.approx(1))


@pytest.mark.parametrize(
    "stage", ["finding the lungs", "detecting nodules", "classifying nodules", "outlining nodules"]
)
def test_cancelling_stops_at_that_stage(stage):
    seen = []

    def cancel(current, fraction):
        seen.append(current)
        if current == stage:
            raise Cancelled("enough")

    with pytest.raises(Cancelled, match="enough"):
        detect_and_score(slab().volume, tiny_model(), progress=cancel)
    assert seen.count(stage) == 1
    assert seen[-1] == stage


@pytest.mark.usefixtures("no_outlines")
def test_a_file_is_read_and_scored_and_an_observer_runs_every_stage(tmp_path):
    stages = []

    def observe(stage, work):
        stages.append(stage)
        return work()

    write_volume(slab().volume, tmp_path / "slab.nrrd")
    options = ScoreOptions(precision="fp32")
    scored_file = score_file(tmp_path / "slab.nrrd", options, model=tiny_model(), observe=observe)
    assert stages == ["reading", "preprocessing", "detection", "classification", "segmentation"]
    assert list(scored_file.timing_s) == [*stages, "total"]
    assert scored_file.input["path"] == str(tmp_path / "slab.nrrd")
    assert scored_file.case.score == pytest.approx(detect_and_score(slab().volume, tiny_model()).case.score, abs=1e-3)
