"""The rendered picture of a case."""

import numpy as np
import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed")
import SimpleITK as sitk

from LungCancerDxLib.slicer.scene import files as render
from LungCancerDxLib.slicer.scene.build import show_case
from LungCancerDxLib.slicer.scene.ct import volume_node
from LungCancerDxLib.slicer.scene.files import render_views
from Testing.slicer.scene import reading
from Testing.slicer.scene.made_case import made_case


@pytest.fixture
def case_shown(scene):
    made = made_case()
    return show_case(scene, made.result, volume_node(scene, made.volume, "CT"))


@pytest.mark.slow
def test_the_picture_shows_ct_and_surfaces_and_leaves_the_scene_as_it_was(scene, case_shown, tmp_path, capfd):
    pytest.importorskip("trame_slicer", reason="trame-slicer is not installed")
    before = reading.node_ids(scene)
    warning = render_views(scene, case_shown, tmp_path / "views.png")
    if warning is not None:
        pytest.skip(warning)
    assert reading.node_ids(scene) == before
    picture = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "views.png")))[..., :3].astype(int)
    half = picture.shape[0] // 2
    axial, surfaces = picture[:half, :half], picture[:half, half + 4 :]
    colourful = np.ptp(surfaces, axis=-1)
    assert (axial.min(axis=-1) > 200).mean() > 0.2  # soft tissue in lung window
    assert (colourful > 80).mean() > 0.005  # nodules
    assert ((colourful > 8) & (colourful < 60)).mean() > 0.05  # lungs, transparent
    foot = picture[half - 90 : half, half + 4 :]
    assert (foot.min(axis=-1) > 200).mean() > 0.01  # what the model learned from, in white
    assert capfd.readouterr() == ("", "")


def test_without_opengl_a_warning_says_what_is_left_out(scene, case_shown, tmp_path, monkeypatch):
    pytest.importorskip("trame_slicer", reason="trame-slicer is not installed")
    monkeypatch.setattr(render, "_PROBE", "import os; os.abort()")
    assert "no OpenGL" in str(render_views(scene, case_shown, tmp_path / "views.png"))
    assert not (tmp_path / "views.png").exists()


def test_without_trame_slicer_a_warning_says_what_is_left_out(scene, case_shown, tmp_path, monkeypatch):
    monkeypatch.setattr(render, "find_spec", lambda name: None)
    assert "trame-slicer is not installed" in str(render_views(scene, case_shown, tmp_path / "views.png"))
