"""The study of large lesions shows the detector the lesion where it lies, and tells whole ones from parts."""

from dataclasses import replace

import numpy as np
import pytest

from LungCancerDxLib.detection.detector import Detected
from LungCancerDxLib.detection.proposals import Proposals
from LungCancerDxLib.io.tables import read_table
from LungCancerDxLib.models.find import untrained_model
from LungCancerDxLib.phantom.insertion import places_of_scan
from LungCancerDxLib.phantom.patient import synthetic_chest
from LungCancerDxLib.preprocessing import preprocess
from LungCancerDxLib.preset import DEFAULT
from LungCancerDxLib.runtime.device import Compute
from Testing.Benchmarks import large_lesions as study
from Testing.training.tiny import TINY

pytestmark = pytest.mark.slow


def test_a_lesion_is_looked_for_where_it_was_put(monkeypatch):
    ct = synthetic_chest(np.random.default_rng(1), spacing_mm_kji=(5, 2, 2)).volume
    lungs = preprocess(ct, DEFAULT).lungs.labels
    places = places_of_scan(ct, lungs)
    shown = []

    def detect(scan, net, preset, compute):
        shown.append(scan)
        size = len(scan.image)
        rows = [[3.0, *[size / 2] * 3, 30.0], [1.0, *[size / 2 + 5] * 3, 8.0], [0.9, 2.0, 2.0, 2.0, 9.0]]
        return Detected(Proposals.from_rows(np.array(rows)), (), compute)

    monkeypatch.setattr(study, "detect", detect)
    sort = study.SOLID._replace(depths=(1.0, 9.0))
    rng = np.random.default_rng(0)
    row = study.of_lesion(untrained_model(replace(TINY)), Compute(), ct, lungs, places, sort, 40.0, rng)
    (scan,) = shown
    middle = len(scan.image) // 2
    assert scan.image[(middle,) * 3] > 150  # a solid lesion
    assert scan.image.shape == scan.dilated.shape == (len(scan.image),) * 3
    assert len(scan.image) == pytest.approx(40 + 2 * study.AROUND_MM, abs=2)
    assert (row["marks"], row["logit"], row["box_diameter_mm"]) == (2, 3.0, pytest.approx(30, abs=0.5))
    assert row["away_mm"] < 3


def test_a_mark_of_less_than_seven_tenths_is_a_part(tmp_path):
    def row(logit, box):
        return {"lesion": "ground glass", "diameter_mm": 20.0, "marks": 1, "logit": logit, "box_diameter_mm": box}

    others = [row(1.0, 20.0) | {"lesion": name} for name in study.LESIONS if name != "ground glass"]
    rows = [row(4.0, 18.0), row(2.0, 13.0), row(-1.0, 20.0), row(None, None), *others]
    study.write_report(tmp_path, "some", rows)
    columns = read_table(tmp_path / "summary.csv", ("figure", "value")).columns
    figures = dict(zip(columns["figure"], map(float, columns["value"]), strict=True))
    assert figures["recall above logit 0.00, ground glass"] == 0.5
    assert figures["share of them found whole, ground glass"] == 0.5
    assert figures["median diameter over the lesion's, ground glass"] == pytest.approx(0.775)
