"""Runs that end in another way than with a result: one clear message at most, and a scene as it was."""

import os
import time

import pytest

from Testing.slicer.panel.conftest import (
    cases,
    choose,
    instead_of_the_command,
    node_ids,
    run,
    start_held,
    wait,
    with_runs,
)
from Testing.slicer.panel.processes import is_alive
from Testing.slicer.panel.stand_in_runs import CANCELLED

pytestmark = pytest.mark.slow

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

HANGS = "import os, pathlib, sys, time; pathlib.Path({pid!r}).write_text(str(os.getpid())); time.sleep(60)"
FAILURES = {
    "rubbish": (
        "import sys; print('not json {', '\\x00'); print('{}'); sys.stderr.write('KeyError: boo\\n'); sys.exit(1)",
        "The computation ended with exit code 1. KeyError: boo",
    ),
    "signal": (
        "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
        "The computation crashed (Segmentation fault)",
    ),
    "full disk": (
        """print('{"error": "The result could not be written.", "exit_code": 6}'); raise SystemExit(6)""",
        "The result could not be written.",
    ),
    "no answer": ("", "case.json cannot be read"),
    "interpreter gone": (None, "could not be started"),
}


@pytest.fixture
def hanging(monkeypatch, tmp_path):
    """Runs that never end by themselves; the value is a function that waits for one and gives its process."""
    instead_of_the_command(monkeypatch, HANGS.format(pid=str(tmp_path / "pid")))

    def process(app):
        app.wait_until(lambda: (tmp_path / "pid").is_file() and (tmp_path / "pid").read_text(), 30)
        return int((tmp_path / "pid").read_text())

    return process


def workspace_folders(app):
    return [name for name in os.listdir(app.slicer_app.temporaryPath) if name.startswith("LungCancerDx-")]


def test_cancel_ends_the_real_run_at_once_and_says_nothing(app, widget, ct, tiny_runs):
    choose(app, widget, ct)
    ids = node_ids(app)
    widget.ui.detectButton.click()
    app.wait_until(lambda: "Finding" in widget.ui.statusLabel.text or "Reading" in widget.ui.statusLabel.text, 60)
    process = widget.panel._runs._run._process._process.processId()
    assert is_alive(process)
    start = time.monotonic()
    widget.ui.cancelButton.click()
    assert widget.ui.statusLabel.text == "Stopping"
    wait(app, widget, 10)
    assert time.monotonic() - start < 5  # a second is promised; a busy machine may take longer
    assert not is_alive(process)
    assert node_ids(app) == ids
    assert widget.ui.statusLabel.text == ""
    assert widget.ui.detectButton.enabled
    assert app.displayed == []


@pytest.mark.parametrize("failure", FAILURES)
def test_a_run_that_fails_ends_in_one_message_and_an_unchanged_scene(app, widget, ct, monkeypatch, failure):
    program, words = FAILURES[failure]
    if program is None:
        from LungCancerDxLib.slicer.panel import background

        monkeypatch.setattr(background, "python_executable", lambda: "/no/such/python")
    else:
        instead_of_the_command(monkeypatch, program)
    choose(app, widget, ct)
    ids = node_ids(app)
    run(app, widget)
    assert [message.kind for message in app.displayed] == ["error"]
    assert words in app.displayed[0].text
    assert widget.ui.statusLabel.text == app.displayed[0].text.splitlines()[0]
    assert node_ids(app) == ids
    assert cases(app) == []
    assert widget.ui.detectButton.enabled


@pytest.mark.parametrize("damage", ["case.json", "no text", "lungs.nrrd", "nodules.nrrd", "another grid"])
def test_a_damaged_answer_ends_in_one_message_and_an_unchanged_scene(app, quick, ct, runs, damage):
    write = runs.write_answer

    def write_damaged(arguments):
        from pathlib import Path

        import SimpleITK

        write(arguments)
        out = Path(arguments[arguments.index("--out") + 1])
        if damage == "no text":
            (out / "case.json").write_bytes(b"\xff\xfe\x00")
        elif damage == "another grid":
            SimpleITK.WriteImage(SimpleITK.Image(4, 5, 6, SimpleITK.sitkUInt8), str(out / "lungs.nrrd"))
        else:
            (out / damage).write_bytes((out / damage).read_bytes()[:100])

    runs.write_answer = write_damaged
    choose(app, quick, ct)
    ids = node_ids(app)
    run(app, quick)
    assert [message.kind for message in app.displayed] == ["error"]
    assert node_ids(app) == ids
    assert quick.ui.detectButton.enabled


def test_a_ct_that_was_removed_meanwhile_gets_no_result(app, quick, ct, runs):
    choose(app, quick, ct)
    start_held(app, quick, runs)
    app.scene.RemoveNode(ct)
    app.process_events()
    ids = node_ids(app)
    runs.runs[-1].deliver()
    wait(app, quick)
    (message,) = app.displayed
    assert "removed from the scene" in message.text
    assert node_ids(app) == ids
    assert quick.ui.detectButton.toolTip == "Choose a CT first."


@pytest.mark.parametrize("change", ["moved", "cropped", "emptied", "bent"])
def test_a_ct_that_was_changed_meanwhile_gets_no_result(app, quick, ct, runs, change):
    import numpy as np

    choose(app, quick, ct)
    start_held(app, quick, runs)
    if change == "moved":
        ct.SetOrigin(1, 2, 3)
    elif change == "cropped":
        slicer.util.updateVolumeFromArray(ct, np.zeros((3, 4, 5), np.int16))
    elif change == "emptied":
        ct.SetAndObserveImageData(None)
    else:
        ct.SetAndObserveTransformNodeID(app.scene.AddNewNodeByClass("vtkMRMLBSplineTransformNode").GetID())
    ids = node_ids(app)
    runs.runs[-1].deliver()
    wait(app, quick)
    assert [message.kind for message in app.displayed] == ["error"]
    assert node_ids(app) == ids


def test_a_scene_closed_mid_run_ends_the_run_and_leaves_a_panel_that_works(app, widget, ct, hanging, monkeypatch, runs):
    from Testing.slicer.panel.conftest import add_ct, coarse_slab

    choose(app, widget, ct)
    widget.ui.detectButton.click()
    process = hanging(app)
    assert workspace_folders(app)
    app.close_scene()
    assert not is_alive(process)
    assert workspace_folders(app) == []
    assert not widget.ui.cancelButton.enabled
    assert widget.ui.statusLabel.text == "Choose a CT first."
    assert widget.ui.noduleTable.rowCount == 0
    assert app.displayed == []

    with_runs(monkeypatch, widget, runs)
    choose(app, widget, add_ct(app, coarse_slab().volume))
    run(app, widget)
    assert len(cases(app)) == 1


def test_the_end_of_the_application_ends_the_run_and_removes_its_files(start_app, hanging):
    from Testing.slicer.panel.conftest import MODULE, add_ct, coarse_slab

    app = start_app(main_window=True)
    widget = app.load_module(MODULE)
    choose(app, widget, add_ct(app, coarse_slab().volume))
    widget.ui.detectButton.click()
    process = hanging(app)
    widget.cleanup()
    assert not is_alive(process)
    assert workspace_folders(app) == []
    app.process_events()
    assert app.displayed == []


def test_a_cancelled_second_run_leaves_the_first_result(app, quick, ct, runs):
    choose(app, quick, ct)
    run(app, quick)
    ids, score = node_ids(app), quick.ui.scoreLabel.text
    runs.outcome = CANCELLED
    run(app, quick)
    assert node_ids(app) == ids
    assert quick.ui.scoreLabel.text == score
