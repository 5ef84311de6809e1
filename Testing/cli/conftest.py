"""What the tests of the command share."""

import pytest

from LungCancerDxLib import pipeline
from LungCancerDxLib.io.image_file import write_volume
from Testing.helpers import slab, tiny_model


@pytest.fixture
def tiny_preset(monkeypatch):
    """Trainings of the smallest networks and crops, on one thread, without curves."""
    import torch

    from LungCancerDxLib.preset import PRESETS
    from LungCancerDxLib.training.engine import loop
    from Testing.training.classifier_tiny import SMALLEST
    from Testing.training.tiny import quiet

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setitem(PRESETS, "DEFAULT", SMALLEST)
    monkeypatch.setattr(loop, "RunOptions", quiet)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="module")
def ct(folder):
    path = folder / "ct.nrrd"
    write_volume(slab().volume, path)
    return str(path)


@pytest.fixture
def tiny_default(monkeypatch):
    """The tiny model, whatever model is asked for."""
    monkeypatch.setattr(pipeline, "find_model", lambda name: tiny_model())


@pytest.fixture
def no_work(monkeypatch):
    """Fail where the work begins although the request should have been refused before."""
    monkeypatch.setattr(pipeline, "read_ct", lambda path: pytest.fail("the CT was read before the request was refused"))
