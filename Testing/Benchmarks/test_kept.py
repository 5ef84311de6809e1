"""Results of a study are found again by the same weights, code and precision, and by no other."""

from dataclasses import replace

import pytest

from Testing.Benchmarks import kept
from Testing.helpers import tiny_model


@pytest.fixture
def source(tmp_path, monkeypatch):
    path = tmp_path / "code.py"
    path.write_text("MOST_RAISED = 3.0\n")
    monkeypatch.setattr(kept, "_sources", lambda: [path])
    return path


def test_results_are_kept_by_weights_code_precision_and_what_else_is_told(source, tmp_path):
    model = replace(tiny_model(), sha256="0123456789abcdef")
    folder = kept.kept_in(tmp_path, model, "fp32", 7)
    assert folder == kept.kept_in(tmp_path, model, "fp32", 7)
    assert folder.parent == tmp_path
    others = [kept.kept_in(tmp_path, replace(model, sha256="f" * 64), "fp32", 7)]
    others += [kept.kept_in(tmp_path, model, "bf16", 7), kept.kept_in(tmp_path, model, "fp32", 8)]
    source.write_text("MOST_RAISED = 4.0\n")
    assert len({folder, *others, kept.kept_in(tmp_path, model, "fp32", 7)}) == 5


def test_what_decides_a_result_is_hashed_and_the_panel_is_not():
    names = ["/".join(path.parts[-3:]) for path in kept._sources()]
    assert "LungCancerDxLib/classification/late_fusion.py" in names
    assert "Testing/Benchmarks/held_out.py" in names
    assert not [name for name in names if "/slicer/" in name or "/cli/" in name or "/test_" in name]
