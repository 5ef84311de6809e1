"""What TensorBoard shows of a run."""

import pytest

from LungCancerDxLib.training.engine.log import Events
from LungCancerDxLib.training.engine.run_folder import EVENTS_FOLDER


def shown(folder):
    """Steps and values by name, as TensorBoard reads them."""
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="no tensorboard")
    events = reading.EventAccumulator(str(folder / EVENTS_FOLDER))
    events.Reload()
    return {name: [(event.step, event.value) for event in events.Scalars(name)] for name in events.Tags()["scalars"]}


def write(folder, first_step, *rows):
    events = Events(folder, first_step, wanted=True)
    for step, loss in rows:
        events.add({"step": step, "loss": loss}, "validation/")
    events.close()


def test_the_values_of_each_step_are_shown(tmp_path):
    write(tmp_path, 0, (1, 2.0), (2, 1.5))
    assert shown(tmp_path) == {"validation/loss": [(1, 2.0), (2, 1.5)]}


def test_steps_that_a_resumed_run_does_again_are_shown_once(tmp_path):
    write(tmp_path, 0, (1, 2.0), (2, 1.5), (3, 9.0))
    write(tmp_path, 2, (3, 1.25), (4, 1.0))
    assert shown(tmp_path) == {"validation/loss": [(1, 2.0), (2, 1.5), (3, 1.25), (4, 1.0)]}


def test_nothing_is_written_where_nothing_is_wanted(tmp_path):
    Events(tmp_path, 0, wanted=False).add({"step": 1, "loss": 2.0})
    assert list(tmp_path.iterdir()) == []
