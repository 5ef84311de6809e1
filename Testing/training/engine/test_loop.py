"""The training loop: what a run leaves behind, and that neither a kill nor a stop changes how it ends."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from LungCancerDxLib.errors import Cancelled, OutputError, UsageError
from LungCancerDxLib.training.engine.loop import TrainingFailed, train
from LungCancerDxLib.training.engine.run_folder import CHECKPOINT_FILE, CONFIG_FILE, LOG_FILE, RunFolder
from Testing.helpers import ROOT, environment
from Testing.training.tiny import quiet
from Testing.training.toy import STEPS, Toy, toy_run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Weights and log of a run that nothing disturbed."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("run") / "undisturbed"
    task = Toy()
    train(task, toy_run(folder), quiet())
    return task.module.state_dict(), losses_of(folder)


def rows_of(folder):
    with (folder / LOG_FILE).open(newline="") as file:
        return list(csv.DictReader(file))


def losses_of(folder):
    return [(row["step"], row["loss"]) for row in rows_of(folder)]


def assert_identical(weights, others):
    assert weights.keys() == others.keys()
    for name, tensor in weights.items():
        assert torch.equal(tensor, others[name]), name


def stop_after(steps):
    def progress(stage, fraction):
        if fraction >= steps / STEPS:
            raise Cancelled("asked")

    return progress


def test_the_loss_falls_and_every_step_is_logged(undisturbed):
    _, losses = undisturbed
    assert [int(step) for step, _ in losses] == list(range(1, STEPS + 1))
    assert float(losses[-1][1]) < float(losses[0][1]) / 10


def test_the_log_says_what_a_step_cost(tmp_path):
    train(Toy(pause_s=0.02), toy_run(tmp_path / "run", steps=3), quiet())
    for row in rows_of(tmp_path / "run"):
        assert float(row["load_s"]) >= 0.02
        assert float(row["wait_s"]) >= 0
        assert float(row["train_s"]) > 0
        assert float(row["learning_rate"]) > 0


def test_a_run_that_was_killed_and_resumed_ends_with_the_same_weights(tmp_path, undisturbed):
    """Killed by the system at whatever it was doing: computing, logging, or writing a checkpoint."""
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "Testing.training.toy", str(folder)]
    options = {"cwd": ROOT, "env": environment(OMP_NUM_THREADS="1")}
    with subprocess.Popen(command, **options) as process:
        deadline = time.monotonic() + 200
        while not (folder / LOG_FILE).exists() or len(rows_of(folder)) < STEPS // 3:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
    assert not (folder / "weights-0.pt").exists()
    task = Toy()
    done = torch.load(folder / CHECKPOINT_FILE)["steps_done"]
    assert 0 < done < STEPS
    train(task, toy_run(folder), quiet(resume=True))
    weights, losses = undisturbed
    assert_identical(task.module.state_dict(), weights)
    assert losses_of(folder) == losses


def test_a_run_that_the_user_stopped_goes_on_where_it_was(tmp_path, undisturbed):
    folder = tmp_path / "run"
    with pytest.raises(Cancelled, match=f"Stopped after step 11 of {STEPS}; --resume"):
        train(Toy(), toy_run(folder), quiet(progress=stop_after(11)))
    assert torch.load(folder / CHECKPOINT_FILE)["steps_done"] == 11
    task = Toy()
    train(task, toy_run(folder), quiet(resume=True))
    weights, losses = undisturbed
    assert_identical(task.module.state_dict(), weights)
    assert losses_of(folder) == losses


def test_a_run_killed_before_its_first_checkpoint_starts_anew(tmp_path, undisturbed):
    folder = tmp_path / "run"
    with pytest.raises(Cancelled):
        train(Toy(), toy_run(folder), quiet(progress=stop_after(5)))
    (folder / CHECKPOINT_FILE).unlink()
    with (folder / LOG_FILE).open("a") as log:
        log.write("6,0.01")  # a row that the kill cut short
    task = Toy()
    train(task, toy_run(folder), quiet(resume=True))
    assert_identical(task.module.state_dict(), undisturbed[0])
    assert losses_of(folder) == undisturbed[1]


def test_torchs_global_random_numbers_stay_as_they_were(tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    task = Toy()
    torch.manual_seed(5)
    train(task, toy_run(tmp_path / "run", steps=2), quiet())
    assert torch.equal(torch.rand(3), expected)


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_batch(tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(TrainingFailed, match="failed at step 6: loss nan") as caught:
        train(Toy(broken_at=5), toy_run(folder), quiet(checkpoint_minutes=0))
    saved = torch.load(folder / "failed-step6-rank0.pt")
    assert str(folder / "failed-step6-rank0.pt") in str(caught.value)
    assert saved["batch"]["y"].isnan().all()
    assert saved["batch"]["x"].shape == (4, 1, 4, 4, 4)
    assert all(torch.isfinite(t).all() for t in saved["module"].values())
    assert torch.load(folder / CHECKPOINT_FILE)["steps_done"] == 5
    assert len(rows_of(folder)) == 5


def test_what_a_batch_cannot_be_made_of_is_raised(tmp_path):
    class Broken(Toy):
        def batch(self, step, numbers):
            if step == 2:
                raise UsageError("a damaged case")
            return super().batch(step, numbers)

    with pytest.raises(UsageError, match="a damaged case"):
        train(Broken(), toy_run(tmp_path / "run"), quiet())


def test_a_new_run_does_not_touch_a_folder_in_use(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"not empty.*--resume"):
        train(Toy(), toy_run(tmp_path), quiet())
    with pytest.raises(UsageError, match=f"holds no run to resume.*{CONFIG_FILE}"):
        train(Toy(), toy_run(tmp_path), quiet(resume=True))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_run_is_not_resumed_with_other_settings(tmp_path):
    folder = tmp_path / "run"
    train(Toy(), toy_run(folder, steps=2), quiet())
    assert json.loads((folder / CONFIG_FILE).read_text()) == {"task": "toy", "steps": 2}
    with pytest.raises(UsageError, match="other settings \\(steps: 2 before, 3 now\\)"):
        train(Toy(), toy_run(folder, steps=3), quiet(resume=True))


def test_settings_that_differ_are_named_one_by_one_and_briefly(tmp_path):
    recipe, many = {"batch": 4, "crop": 96}, {f"case-{n:02d}": n for n in range(40)}
    RunFolder(tmp_path / "run", {"recipe": recipe, "cases": many, "nodules": list(range(700))}).create()
    other = {"recipe": {**recipe, "batch": 8}, "cases": {**many, "case-07": 8}, "nodules": list(range(1, 700))}
    with pytest.raises(UsageError) as raised:
        RunFolder(tmp_path / "run", other).resume()
    nodules = "nodules: [0, 1, 2, 3, 4, 5, 6, 7,... before, [1, 2, 3, 4, 5, 6, 7, 8,... now"
    assert f"(cases.case-07: 7 before, 8 now, {nodules}, recipe.batch: 4 before, 8 now)" in str(raised.value)
    none = {"recipe": recipe, "cases": {}, "nodules": []}
    with pytest.raises(UsageError, match=r"cases\.case-02: 2 before, None now and 38 more") as raised:
        RunFolder(tmp_path / "run", none).resume()
    assert len(str(raised.value)) < 400


def test_a_damaged_checkpoint_is_named(tmp_path):
    folder = tmp_path / "run"
    train(Toy(), toy_run(folder, steps=2), quiet())
    (folder / CHECKPOINT_FILE).write_bytes(b"no checkpoint")
    with pytest.raises(OutputError, match=CHECKPOINT_FILE):
        train(Toy(), toy_run(folder, steps=2), quiet(resume=True))
