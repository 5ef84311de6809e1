"""Several processes that train together stay the same, and are one larger batch."""

import subprocess
import sys

import pytest
import torch

from LungCancerDxLib.errors import UsageError
from LungCancerDxLib.training.engine.distributed import Ranks
from LungCancerDxLib.training.engine.loop import train
from LungCancerDxLib.training.engine.run_folder import LOG_FILE, VALIDATION_FILE, read_log
from Testing.helpers import ROOT, environment
from Testing.training.classifier_tiny import labelled_store, tiny_detector
from Testing.training.tiny import quiet
from Testing.training.toy import Toy, checked_run

pytestmark = pytest.mark.slow


def torchrun(module, *arguments):
    """Run a module of the tests as two processes."""
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*start, "-m", module, *map(str, arguments)]
    subprocess.run(command, cwd=ROOT, env=environment(OMP_NUM_THREADS="1"), check=True, timeout=280)


def test_two_processes_end_with_the_same_weights_as_one_with_the_whole_batch(tmp_path):
    folder = tmp_path / "run"
    torchrun("Testing.training.toy", folder, "--plain")
    first, second = (torch.load(folder / f"weights-{rank}.pt") for rank in range(2))
    alone = Toy(plain=True)
    before = {name: weight.clone() for name, weight in alone.module.state_dict().items()}
    train(alone, checked_run(tmp_path / "alone"), quiet())
    for name, weight in alone.module.state_dict().items():
        assert torch.equal(first[name], second[name]), name
        torch.testing.assert_close(first[name], weight, rtol=1e-3, atol=1e-4)
        assert not torch.allclose(weight, before[name], atol=1e-2), name
    checks, expected = (read_log(run / VALIDATION_FILE) for run in (folder, tmp_path / "alone"))
    assert [row["step"] for row in checks] == [row["step"] for row in expected]
    losses = [float(row["loss"]) for row in expected]
    assert [float(row["loss"]) for row in checks] == pytest.approx(losses, rel=1e-2, abs=1e-4)


def test_two_processes_keep_one_set_of_weights_where_both_networks_learn_in_turn(tmp_path):
    store = labelled_store(tmp_path / "store")
    torchrun("Testing.training.several_processes", store.folder, tmp_path / "run")
    first, second = (torch.load(f"{tmp_path / 'run'}-weights-{rank}.pt") for rank in range(2))
    before = tiny_detector().detector.state_dict()
    rows = read_log(tmp_path / "run" / "2-E" / LOG_FILE)
    assert {row["cross_entropy"] == "nan" for row in rows} == {True, False}
    for name, weight in first.items():
        assert torch.equal(weight, second[name]), name
    moved = [name for name, weight in before.items() if not torch.equal(weight, first[f"NoduleNet.{name}"])]
    assert {"preBlock.0.weight", "output.0.weight", "output.2.weight"} <= set(moved)


def test_items_are_shared_out_evenly():
    assert [list(Ranks(rank, 3).share(6)) for rank in range(3)] == [[0, 1], [2, 3], [4, 5]]
    with pytest.raises(UsageError, match="a batch of 4 cannot be shared out evenly among 3 processes"):
        Ranks(0, 3).share(4)
