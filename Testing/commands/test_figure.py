"""The figure of the preprocessing steps as a command."""

import pytest

from LungCancerDxLib.cli import main
from LungCancerDxLib.result_folder import write_volume
from Testing.helpers import slab

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def ct(tmp_path_factory):
    path = tmp_path_factory.mktemp("ct") / "ct.nrrd"
    write_volume(slab().volume, path)
    return str(path)


def test_the_figure_is_drawn(tmp_path, ct, capsys):
    out = tmp_path / "steps.png"
    assert main(["figure", ct, "--out", str(out), "--slices", "12"]) == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    assert f"Figure in {out}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("out", "options", "code", "words"),
    [
        ("steps.txt", [], 2, "needs a name ending in .png, .pdf or .svg"),
        ("steps.png", ["--slices", "24"], 2, "not all within the scan's 0..23"),
        ("missing/steps.png", ["--slices", "12"], 6, "cannot be written (No such file or directory)"),
    ],
)
def test_what_cannot_be_drawn_is_told(tmp_path, ct, capsys, out, options, code, words):
    assert main(["figure", ct, "--out", str(tmp_path / out), *options]) == code
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
