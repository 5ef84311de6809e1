"""A second request about a scan is met from the cache, and only from what belongs to it."""

import functools
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from LungCancerDxLib import cache, pipeline
from LungCancerDxLib.detection.detector import Detected
from LungCancerDxLib.detection.proposals import Proposals
from LungCancerDxLib.pipeline import detect_and_score
from LungCancerDxLib.preprocessing import preprocess
from LungCancerDxLib.runtime.device import Compute
from Testing.helpers import affine, slab, tiny_model

AFFINE = np.eye(4)
pytestmark = pytest.mark.usefixtures("no_outlines")


@functools.cache
def preprocessed(voxels, kji_to_lps, preset):
    """What `preprocess` makes of the slab with these bytes, worked out once for all tests."""
    volume = slab().volume
    shaped = [np.frombuffer(b, a.dtype).reshape(a.shape) for b, a in ((voxels, volume.voxels), (kji_to_lps, AFFINE))]
    return preprocess(replace(volume, voxels=shaped[0], kji_to_lps=shaped[1]), preset)


@pytest.fixture
def calls(monkeypatch):
    """How often the two slow steps were asked for; the detector finds what it finds at once."""
    counts = {"preprocess": 0, "detect": 0}

    def counted(name, work):
        def run(*arguments):
            counts[name] += 1
            return work(*arguments)

        return run

    def detect(scan, net, preset, compute, *_):
        return Detected(Proposals.from_rows([[1.5, 10.25, 20, 30, 4], [0.5, 9, 30, 60, 3]]), (), compute)

    def remembered(volume, preset, *_):
        return preprocessed(volume.voxels.tobytes(), volume.kji_to_lps.tobytes(), preset)

    monkeypatch.setattr(pipeline, "preprocess", counted("preprocess", remembered))
    monkeypatch.setattr(pipeline, "detect", counted("detect", detect))
    return counts


def ask(folder, model=None, **options):
    return detect_and_score(slab().volume, model or tiny_model(), cache=folder, **options)


@pytest.mark.slow
def test_the_second_request_neither_preprocesses_nor_detects_and_has_the_same_result(tmp_path, calls):
    first = ask(tmp_path)
    second = ask(tmp_path)
    assert calls == {"preprocess": 1, "detect": 1}
    assert replace(second, timing_s={}) == replace(first, timing_s={})
    np.testing.assert_array_equal(second.lung_labels, first.lung_labels)
    assert any("cut off" in warning for warning in second.warnings)


def test_proposals_of_a_fallback_are_not_kept_and_the_result_says_how_it_ran(tmp_path, calls, monkeypatch):
    fallback = Detected(Proposals.from_rows([]), ("the detector ran in float32",), Compute())
    monkeypatch.setattr(pipeline, "detect", lambda *_: fallback)
    first = ask(tmp_path, compute=Compute(dtype=torch.bfloat16))
    assert first.run["precision"] == "fp32"
    assert "the detector ran in float32" in first.warnings
    monkeypatch.setattr(pipeline, "detect", lambda *_: fallback._replace(warnings=()))
    assert "the detector ran in float32" not in ask(tmp_path, compute=Compute(dtype=torch.bfloat16)).warnings


def test_a_model_that_was_never_saved_or_loaded_leaves_no_proposals(tmp_path, calls):
    nameless = replace(tiny_model(), sha256="")
    ask(tmp_path, nameless)
    ask(tmp_path, nameless)
    assert calls == {"preprocess": 1, "detect": 2}


def test_the_second_request_may_be_another(tmp_path, calls):
    ask(tmp_path)
    second = ask(tmp_path, points_lps_mm=[(80.0, 10.0, -30.0)])
    assert calls == {"preprocess": 1, "detect": 1}
    assert second.nodules[-1].source == "user"


def test_another_model_uses_the_scan_but_not_the_proposals(tmp_path, calls):
    ask(tmp_path)
    ask(tmp_path, tiny_model(seed=1))
    assert calls == {"preprocess": 1, "detect": 2}


def test_another_precision_does_not_reuse_the_proposals(tmp_path, calls, monkeypatch):
    in_float32 = pipeline.score_case  # bfloat16 takes a minute where the processor has none

    def score_case(*arguments, **options):
        return in_float32(*(Compute() if isinstance(one, Compute) else one for one in arguments), **options)

    monkeypatch.setattr(pipeline, "score_case", score_case)
    ask(tmp_path)
    ask(tmp_path, compute=Compute(dtype=torch.bfloat16))
    assert calls == {"preprocess": 1, "detect": 2}


@pytest.mark.slow
def test_a_preset_with_another_constant_reuses_nothing(tmp_path, calls):
    ask(tmp_path)
    model = tiny_model()
    ask(tmp_path, replace(model, preset=replace(model.preset, crop_margin_low=9)))
    assert calls == {"preprocess": 2, "detect": 2}


@pytest.mark.slow
def test_a_scan_at_another_place_or_with_another_voxel_reuses_nothing(tmp_path, calls):
    volume = slab().volume
    moved = replace(volume, kji_to_lps=affine(np.eye(3), np.array([0, 0, 1])) @ volume.kji_to_lps)
    changed = replace(volume, voxels=volume.voxels.copy())
    changed.voxels[0, 0, 0] += 1
    for scan in (volume, moved, changed):
        detect_and_score(scan, tiny_model(), cache=tmp_path)
    assert calls == {"preprocess": 3, "detect": 3}


@pytest.mark.slow
@pytest.mark.parametrize("damage", [lambda b: b"", lambda b: b"hello", lambda b: b[: len(b) // 2]])
def test_a_damaged_entry_is_made_anew(tmp_path, calls, damage):
    first = ask(tmp_path)
    for entry in tmp_path.iterdir():
        entry.write_bytes(damage(entry.read_bytes()))
    second = ask(tmp_path)
    assert calls == {"preprocess": 2, "detect": 2}
    assert second.case == first.case
    ask(tmp_path)
    assert calls == {"preprocess": 2, "detect": 2}


def test_an_entry_with_foreign_arrays_is_made_anew(tmp_path, calls):
    ask(tmp_path)
    for entry in tmp_path.iterdir():
        np.savez(entry.open("wb"), something=np.zeros(3))
    ask(tmp_path)
    assert calls == {"preprocess": 2, "detect": 2}


def test_nothing_but_entries_is_left_in_the_cache(tmp_path, calls):
    ask(tmp_path / "new" / "folder")
    names = sorted(path.name for path in (tmp_path / "new" / "folder").iterdir())
    assert [name.split(".", 1)[1] for name in names] == [f"{tiny_model().sha256[:16]}.cpu.fp32.npz", "scan.npz"]


def check_told_and_the_same(result, why):
    """A result without a cache, but for a warning that says why nothing was kept."""
    without = ask(None)
    (warning,) = set(result.warnings) - set(without.warnings)
    assert re.search(rf"^Nothing was kept for a second request, which will take as long: .*{why}", warning)
    assert replace(result, timing_s={}, warnings=without.warnings) == replace(without, timing_s={})


@pytest.mark.parametrize("folder", ["file", "file/below"])
def test_a_cache_that_cannot_be_written_is_told_and_changes_nothing_else(tmp_path, calls, folder):
    (tmp_path / "file").write_text("")
    check_told_and_the_same(ask(tmp_path / folder), r"file.* could not be written \(.*choose another folder")
    assert (tmp_path / "file").read_text() == ""


def test_a_disk_that_fills_up_leaves_no_part_of_an_entry(tmp_path, calls, monkeypatch):
    def fill_up(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", fill_up)
    check_told_and_the_same(ask(tmp_path), "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_scan_that_lies_elsewhere_by_rounding_is_the_same_scan(tmp_path, calls):
    ask(tmp_path)
    moved = slab().volume.kji_to_lps + 1e-7
    detect_and_score(replace(slab().volume, kji_to_lps=moved), tiny_model(), cache=tmp_path)
    assert len(list(tmp_path.glob("*.scan.npz"))) == 1


@pytest.mark.slow
def test_what_other_code_kept_is_not_used(tmp_path, calls, monkeypatch):
    ask(tmp_path)
    monkeypatch.setattr(cache, "_code_digest", lambda: "of another version")
    ask(tmp_path)
    assert calls == {"preprocess": 2, "detect": 2}
