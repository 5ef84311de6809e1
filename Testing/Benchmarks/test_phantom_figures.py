"""The pictures of the phantom."""

from types import SimpleNamespace

import numpy as np
import pytest

from LungCancerDxLib.errors import UsageError
from LungCancerDxLib.io.image_file import write_volume
from Testing.Benchmarks import phantom_figures
from Testing.Benchmarks.phantom_figures import draw_likeness, main
from Testing.helpers import slab

pytestmark = pytest.mark.slow

pixels = pytest.importorskip("matplotlib.image")


def test_synthetic_patients_are_drawn_beside_real_ones_a_row_for_each(tmp_path, monkeypatch):
    drawn = []

    def patient(seed, index):
        drawn.append((seed, index))
        return SimpleNamespace(patient=slab())

    monkeypatch.setattr(phantom_figures, "synthetic_case", patient)
    ct, one, three = (tmp_path / name for name in ("ct.nrrd", "one.png", "three.png"))
    write_volume(slab().volume, ct)
    draw_likeness([slab().volume], [], one)
    main(["likeness", str(ct), "--patients", "2", "--seed", "5", "--out", str(three)])
    assert drawn == [(5, 0), (5, 1)]
    assert pixels.imread(three).shape[0] > pixels.imread(one).shape[0]
    assert np.std(pixels.imread(three)) > 0


def test_no_scan_at_all_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no scan to draw"):
        draw_likeness([], [], tmp_path / "none.png")


def test_the_population_is_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(phantom_figures, "PATIENTS", 60)
    main(["population", "--out", str(tmp_path / "population.png")])
    assert np.std(pixels.imread(tmp_path / "population.png")) > 0
