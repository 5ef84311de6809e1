"""The real command in the background, on a small CT with the tiny model."""

import json

import pytest

from LungCancerDxLib.io.image_file import write_volume
from LungCancerDxLib.options import ScoreOptions
from Testing.helpers import TINY_PROGRAM, slab

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ct(tmp_path_factory):
    path = tmp_path_factory.mktemp("ct") / "ct.nrrd"
    write_volume(slab().volume, path)
    return path


@pytest.fixture
def score(start, ct, tmp_path):
    """A function that starts the command line on a small CT with the tiny model."""
    from LungCancerDxLib.slicer.panel.command import score_arguments

    def score(**options):
        return start(TINY_PROGRAM, *score_arguments(ct, tmp_path / "result", ScoreOptions(**options))[2:])

    return score


def test_a_real_run_goes_through_to_its_result(score, tmp_path):
    run = score(classify=(7,))
    outcome = run.until_end()
    assert outcome.kind == "done", outcome
    fractions = [report.fraction for report in run.reports]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    nodules = json.loads((tmp_path / "result" / "case.json").read_text())["nodules"]
    assert [nodule["rank"] for nodule in nodules if nodule["malignancy"] is not None] == [1, 2, 3, 4, 5, 7]


def test_a_real_run_that_is_cancelled_leaves_nothing(score, tmp_path):
    run = score()
    run.app.wait_until(lambda: any(report.stage == "detecting nodules" for report in run.reports), 180)
    run.run.cancel()
    outcome = run.until_end()
    assert outcome.kind == "cancelled"
    assert list(tmp_path.iterdir()) == []
    assert "nothing was written" in outcome.details
