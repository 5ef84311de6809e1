"""Panels show the scored nodules of chosen cases, in the paper's groups where labels are known."""

import json

import numpy as np
import pytest

from LungCancerDxLib.case import Case, CaseResult, Nodule
from LungCancerDxLib.io.image_file import write_volume
from Testing.Benchmarks.case_panels import PanelCase, draw_case_panels, main
from Testing.evaluation.tables_by_hand import write
from Testing.helpers import slab

pytest.importorskip("matplotlib")
BLANK_GREY = 102 / 255


def case_of(score=0.7, malignancies=(0.2, 0.6), blanks=0, ct="ct.nrrd"):
    places = [(80.0, 10.0, -30.0), (-80.0, 10.0, -30.0), (60.0, 20.0, -20.0)]
    nodules = [
        Nodule(rank, "detected", place, malignancy=p, scored=True)
        for rank, (place, p) in enumerate(zip(places, malignancies, strict=False), 1)
    ]
    name = "model score (simulated outcomes)"
    case = Case(score, name, "leaky-noisy-or", 0.01, 0.1, blanks, 0.05 if blanks else None, None, len(nodules))
    model = {"name": "some", "sha256": "", "preset": "DEFAULT", "outcome": "synthetic", "trained_on": "invented"}
    return CaseResult({}, model, {}, {"path": str(ct)}, case, {}, tuple(nodules), {}, ())


@pytest.fixture
def written(monkeypatch):
    """What stands in the next pictures, in their order."""
    from matplotlib.axes import Axes

    texts = []
    text, title = Axes.text, Axes.set_title

    def write(self, x, y, s, **options):
        texts.append(s)
        return text(self, x, y, s, **options)

    def write_title(self, s, **options):
        texts.append(s)
        return title(self, s, **options)

    monkeypatch.setattr(Axes, "text", write)
    monkeypatch.setattr(Axes, "set_title", write_title)
    return texts


def drawn(path, *cases):
    from matplotlib.image import imread

    draw_case_panels(cases, lambda _: slab().volume, path)
    return imread(path)[..., :3]


def test_every_nodule_that_counts_is_drawn_the_most_malignant_first(tmp_path, written):
    picture = drawn(tmp_path / "one.png", PanelCase("p1", case_of(), tmp_path))
    assert picture.std() > 0.1
    titles = [text for text in written if text.startswith("nodule")]
    assert titles == ["nodule 2: 0.600", "nodule 1: 0.200"]
    assert "p1\ncase: 0.700\nmodel score\n(simulated outcomes)" in written


def test_cases_with_labels_come_in_the_order_of_the_paper(tmp_path, written):
    cases = [
        PanelCase(f"p{number}", case_of(score), tmp_path, cancer)
        for number, (score, cancer) in enumerate([(0.1, False), (0.9, False), (0.1, True), (0.9, True)])
    ]
    drawn(tmp_path / "four.png", *cases)
    groups = [text.splitlines()[-1] for text in written if "label:" in text]
    expected = ("true positive", "false negative", "false positive", "true negative")
    assert groups == [f"{kind} at 0.5" for kind in expected]


def test_blanks_that_count_are_shown_as_blank_squares(tmp_path, written):
    with_blanks = drawn(tmp_path / "blanks.png", PanelCase("p", case_of(blanks=3), tmp_path))
    assert (np.abs(with_blanks - BLANK_GREY).max(axis=-1) < 0.01).mean() > 0.2
    assert written.count("blank: 0.050") == 3


def test_a_case_without_nodules_says_so_and_needs_no_scan(tmp_path, written):
    def read(_):
        raise AssertionError

    draw_case_panels([PanelCase("p", case_of(malignancies=()), tmp_path)], read, tmp_path / "none.png")
    assert any(text.endswith("no nodule that counts") for text in written)


@pytest.fixture
def folders(tmp_path):
    ct = tmp_path / "ct.nrrd"
    write_volume(slab().volume, ct, compressed=False)
    for name, score in (("one", 0.9), ("two", 0.1)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "case.json").write_text(case_of(score, ct=ct).to_json())
    return tmp_path


def draw(*arguments):
    main([str(argument) for argument in arguments])


def test_the_program_draws_result_folders(folders, written, capsys):
    labels = write(folders / "labels.csv", "id,cancer", "one,0", "two,0")
    out = folders / "panels.png"
    draw(folders / "two", folders / "one", "--labels", labels, "--out", out)
    assert capsys.readouterr().out == f"Figure in {out}\n"
    assert out.read_bytes().startswith(b"\x89PNG")
    groups = [text.splitlines()[-1] for text in written if "label:" in text]
    assert groups == ["false positive at 0.5", "true negative at 0.5"]


def test_what_cannot_be_drawn_is_said(folders):
    out = folders / "panels.png"
    labels = write(folders / "labels.csv", "id,cancer", "one,1")
    (folders / "bad").mkdir()
    (folders / "bad" / "case.json").write_text(json.dumps({"schema": "other"}))
    for arguments, message in [
        ((folders / "none", "--out", out), "holds no readable case.json"),
        ((folders / "bad", "--out", out), "no case of schema"),
        ((folders / "two", "--labels", labels, "--out", out), "The labels have no case two"),
    ]:
        with pytest.raises(SystemExit, match=message):
            draw(*arguments)
    (folders / "ct.nrrd").unlink()
    with pytest.raises(SystemExit, match=r"The CT of .*one is not where case.json says it is"):
        draw(folders / "one", "--out", out)
    assert not out.exists()
