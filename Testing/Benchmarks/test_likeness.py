"""The picture of synthetic beside real scans."""

import pytest

from LungCancerDxLib.errors import UsageError
from Testing.Benchmarks.phantom_figures import draw_likeness
from Testing.helpers import slab


def test_a_picture_of_a_row_for_each_scan_is_written(tmp_path):
    pixels = pytest.importorskip("matplotlib.image")
    draw_likeness([slab().volume], [], tmp_path / "one.png")
    draw_likeness([slab().volume], [slab().volume], tmp_path / "two.png")
    one, two = (pixels.imread(tmp_path / name) for name in ("one.png", "two.png"))
    assert two.shape[0] > one.shape[0]
    assert two.std() > 0


def test_no_scan_at_all_is_refused(tmp_path):
    pytest.importorskip("matplotlib")
    with pytest.raises(UsageError, match="no scan to draw"):
        draw_likeness([], [], tmp_path / "none.png")
