"""The figures of the preprocessing as a command."""

import shutil

import numpy as np
import pytest

from LungCancerDxLib.cli import main
from LungCancerDxLib.io.image_file import write_volume
from Testing.helpers import slab

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def ct(tmp_path_factory):
    path = tmp_path_factory.mktemp("ct") / "ct.nrrd"
    write_volume(slab().volume, path)
    return str(path)


@pytest.mark.slow
def test_the_figure_is_drawn(tmp_path, ct, capsys):
    out = tmp_path / "steps.png"
    assert main(["figure", "steps", ct, "--out", str(out), "--slices", "12"]) == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    assert f"Figure in {out}" in capsys.readouterr().out


@pytest.mark.slow
def test_the_masks_of_several_scans_are_drawn(tmp_path, ct):
    from matplotlib.image import imread

    one, two = tmp_path / "one.png", tmp_path / "two.png"
    assert main(["figure", "masks", ct, "--out", str(one)]) == 0
    other = tmp_path / "other" / "ct.nrrd"  # of the same name
    other.parent.mkdir()
    shutil.copy(ct, other)
    assert main(["figure", "masks", ct, str(other), "--out", str(two)]) == 0
    assert imread(two).shape[0] > 1.9 * imread(one).shape[0]  # a row for each scan
    red, green, blue = np.moveaxis(imread(one)[..., :3], -1, 0)
    assert ((red > green + 0.1) & (green > blue + 0.1)).mean() > 0.005  # the left lung, orange
    assert ((blue > green + 0.1) & (green > red + 0.1)).mean() > 0.005  # the right lung, blue


@pytest.mark.slow
@pytest.mark.parametrize(
    ("out", "options", "code", "message"),
    [
        ("steps.txt", [], 2, "needs a name ending in .png, .pdf or .svg"),
        ("steps.png", ["--slices", "24"], 2, "not all within the scan's 0..23"),
        ("file/steps.png", ["--slices", "12"], 6, "steps.png could not be written (File exists)"),
    ],
)
def test_what_cannot_be_drawn_is_said(tmp_path, ct, capsys, out, options, code, message):
    (tmp_path / "file").touch()
    assert main(["figure", "steps", ct, "--out", str(tmp_path / out), *options]) == code
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
