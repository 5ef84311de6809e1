"""Content that must be refused, and how a test says so."""

import io
import sys
import time
import tracemalloc

import pytest

from LungCancerDxLib.errors import ModelError
from LungCancerDxLib.models.legacy_checkpoint import read_state_dict
from LungCancerDxLib.models.legacy_pickle import read_pickle
from Testing.models.old_files import Raw, checkpoint, container

HOSTILE_MODULE = "hostile_module_for_this_test"
GIB = 2**30


@pytest.fixture
def watched(tmp_path, monkeypatch):
    """Whatever a test reads: no sentinel file appears, no module is imported, two seconds and 32 MiB are plenty."""
    (tmp_path / f"{HOSTILE_MODULE}.py").write_text("open('sentinel', 'w').close()")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    tracemalloc.start()
    start = time.process_time()
    yield
    taken, (_, most) = time.process_time() - start, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert not (tmp_path / "sentinel").exists(), "something was run"
    assert HOSTILE_MODULE not in sys.modules
    assert taken < 2
    assert most < 2**25


def refusal(content):
    """Why a bare pickle is refused; it must be too as an entry of a whole checkpoint and in its state dict."""
    said = refusal_alone(content)
    if content.startswith(b"\x80\x02"):
        inner = Raw(content[2:-1])
        for whole in (checkpoint({}, args=inner), checkpoint(inner), checkpoint({"w": inner})):
            with pytest.raises(ModelError):
                read_state_dict(container(whole, {}))
    return said


def refusal_alone(content):
    with pytest.raises(ModelError) as caught:
        read_pickle(io.BytesIO(content))
    return str(caught.value)


def program(code):
    return b"\x80\x02" + code + b"."
