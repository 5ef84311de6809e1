"""What TensorBoard and the curves show of a run."""

import signal
import sys

import pytest
import torch

from LungCancerDxLib.errors import OutputError, UsageError
from LungCancerDxLib.training.engine.run_folder import CONFIG_FILE, EVENTS_FOLDER, LOG_FILE, Records, RunFolder


def shown(folder):
    """Steps and values by name, as TensorBoard reads them."""
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="no tensorboard")
    events = reading.EventAccumulator(str(folder / EVENTS_FOLDER))
    events.Reload()
    return {name: [(event.step, event.value) for event in events.Scalars(name)] for name in events.Tags()["scalars"]}


def write(folder, first_step, *rows, events=True):
    records = Records(folder, first_step, events, validated=False)
    for step, loss in rows:
        records.add_check({"step": step, "loss": loss})
    records.close()


def test_the_values_of_each_check_are_shown(tmp_path):
    write(tmp_path, 0, (1, 2.0), (2, 1.5))
    assert shown(tmp_path) == {"validation/loss": [(1, 2.0), (2, 1.5)]}


def test_steps_that_a_resumed_run_does_again_are_shown_once(tmp_path):
    write(tmp_path, 0, (1, 2.0), (2, 1.5), (3, 9.0))
    write(tmp_path, 2, (3, 1.25), (4, 1.0))
    assert shown(tmp_path) == {"validation/loss": [(1, 2.0), (2, 1.5), (3, 1.25), (4, 1.0)]}


def test_no_events_are_written_where_none_are_wanted(tmp_path):
    write(tmp_path, 0, (1, 2.0), events=False)
    assert [path.name for path in tmp_path.iterdir()] == [LOG_FILE]


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit there")
def test_a_disk_that_fills_up_is_an_output_error_and_leaves_the_checkpoint_before(tmp_path):
    resource = pytest.importorskip("resource")
    run = RunFolder(tmp_path, {})
    run.save({"step": 1})
    ignored, limits = signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"checkpoint\.pt could not be written"):
            run.save({"step": 2, "weights": torch.zeros(10_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert run.load(torch.device("cpu")) == {"step": 1}


def test_a_file_in_the_place_of_a_run_is_refused(tmp_path):
    (tmp_path / "run").touch()
    run = RunFolder(tmp_path / "run", {})
    for begin in (run.create, run.resume):
        with pytest.raises(UsageError, match=r"run is a file; choose a folder"):
            begin()


@pytest.mark.parametrize("content", ["[1]", "null", "3", '"a"', "{"])
def test_a_run_whose_configuration_is_none_is_not_resumed(tmp_path, content):
    (tmp_path / CONFIG_FILE).write_text(content)
    with pytest.raises(UsageError, match=r"holds no run to resume: .*config\.json cannot be read"):
        RunFolder(tmp_path, {}).resume()


@pytest.mark.parametrize("resumed", [False, True])
def test_a_run_that_was_killed_while_it_wrote_its_settings_can_be_started_again(tmp_path, resumed):
    (tmp_path / f".{CONFIG_FILE}.0123abcd.part").write_text("{")
    run = RunFolder(tmp_path, {"seed": 1})
    run.resume() if resumed else run.create()
    assert [path.name for path in tmp_path.iterdir()] == [CONFIG_FILE]
