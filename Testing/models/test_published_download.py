"""Downloads are checked before they are kept; what goes wrong is said with the way round it, and leaves nothing."""

import io
import os
import socket
import subprocess
import sys
import time

import pooch
import pytest

from LungCancerDxLib.errors import Cancelled, ModelError, UsageError
from LungCancerDxLib.models import published
from LungCancerDxLib.models.published import PUBLIC_ADDRESS, PUBLISHED_IDS, fetch_checkpoints, git_blob_id
from LungCancerDxLib.runtime.progress import silent
from Testing.models.http_folder import http_folder

DETECTOR, CLASSIFIER = "detector.ckpt", "classifier.ckpt"
FILES = {DETECTOR: bytes(range(256)) * 400, CLASSIFIER: bytes(range(256))[::-1] * 300}


@pytest.fixture(autouse=True)
def known(monkeypatch):
    """Small files stand for the published ones; no proxy of this machine is in the way."""
    for role, content in FILES.items():
        monkeypatch.setitem(PUBLISHED_IDS, role, (git_blob_id(content),))
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def server():
    with http_folder(dict(FILES)) as server:
        yield server


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def fetched(server, cache, progress=silent):
    paths = fetch_checkpoints(server.address, progress, cache)
    assert [path.read_bytes() for path in paths] == list(FILES.values())
    assert sorted(path.name for path in cache.iterdir()) == [CLASSIFIER, DETECTOR]
    return paths


def refusal(server, cache):
    with pytest.raises(ModelError, match=r"models import detector\.ckpt classifier\.ckpt") as caught:
        fetch_checkpoints(getattr(server, "address", server), silent, cache)
    return str(caught.value)


def test_both_files_come_whole_with_progress(server, cache):
    reports = []
    fetched(server, cache, lambda stage, fraction: reports.append((stage, fraction)))
    fractions = [fraction for _, fraction in reports]
    assert fractions == sorted(fractions)
    assert len(set(fractions)) > 6
    assert fractions[-1] == 1.0
    assert [stage for stage, _ in reports][:: len(reports) - 1] == [f"fetching {DETECTOR}", f"fetching {CLASSIFIER}"]


def test_what_is_in_the_cache_is_not_fetched_again(server, cache):
    fetched(server, cache)
    server.requests.clear()
    fetched(server, cache)
    assert server.requests == []


def test_what_was_damaged_in_the_cache_is_fetched_again(server, cache):
    detector, _ = fetched(server, cache)
    detector.write_bytes(b"rubbish")
    server.requests.clear()
    fetched(server, cache)
    assert server.requests == [DETECTOR]


def test_a_download_that_is_cut_off_is_said_and_nothing_of_it_stays(server, cache):
    server.cut_after = [40_000]
    said = refusal(server, cache)
    assert f"{server.address}/{DETECTOR} cannot be fetched (" in said
    assert list(cache.iterdir()) == []
    fetched(server, cache)


def test_a_server_that_does_not_say_how_long_the_file_is_will_do(server, cache):
    server.says_length = False
    fetched(server, cache)
    for path in cache.iterdir():
        path.unlink()
    server.cut_after = [40_000]
    assert "is not the published file" in refusal(server, cache)
    assert list(cache.iterdir()) == []


def test_a_corrupted_file_is_refused_and_not_kept(server, cache):
    server.files[DETECTOR] = FILES[DETECTOR][:-1] + b"x"
    said = refusal(server, cache)
    assert f"{server.address}/{DETECTOR}" in said
    assert "is not the published file" in said
    assert "proxy" in said
    assert list(cache.iterdir()) == []


def test_a_slow_server_is_waited_for_and_a_silent_one_not(server, cache, monkeypatch):
    server.pause_s = 0.002
    fetched(server, cache)
    monkeypatch.setattr(published, "TIMEOUT_S", (1.0, 0.3))
    for path in cache.iterdir():
        path.unlink()
    server.pause_s = 5.0
    start = time.perf_counter()
    said = refusal(server, cache)
    assert "cannot be fetched" in said
    assert "timed out" in said
    assert time.perf_counter() - start < 4


def test_a_stop_ends_the_download_and_leaves_nothing(server, cache):
    def stop(stage, fraction):
        if fraction > 0.2:
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        fetch_checkpoints(server.address, stop, cache)
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(("status", "message"), [(404, "404 Client Error"), (403, "403"), (503, "503"), (407, "407")])
def test_what_the_server_refuses_is_said(server, cache, status, message):
    server.status = status
    said = refusal(server, cache)
    assert f"{server.address}/{DETECTOR}" in said
    assert message in said
    assert list(cache.iterdir()) == []


def test_no_server_and_no_network_are_said(cache):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    said = refusal(f"http://127.0.0.1:{port}", cache)
    assert "cannot be fetched" in said
    assert "refused" in said
    assert "HTTPS_PROXY" in said
    assert "cannot be fetched" in refusal("https://no-such-host.invalid/model", cache)
    assert "cannot be fetched" in refusal("http://:::/model", cache)
    assert list(cache.iterdir()) == []


def test_a_server_that_never_ends_is_left(server, cache, monkeypatch):
    monkeypatch.setattr(published, "MAX_FILE_BYTES", 50_000)
    assert "far too much" in refusal(server, cache)
    assert server.requests == [DETECTOR]


def test_the_proxy_of_the_environment_is_used(server, cache, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
    paths = fetch_checkpoints("http://far-away.invalid/model", silent, cache)
    assert [path.read_bytes() for path in paths] == list(FILES.values())


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="every folder can be written")
def test_a_cache_that_cannot_be_written_is_said(server, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    assert "cannot be kept" in refusal(server, tmp_path / "closed" / "cache")
    assert list((tmp_path / "closed").iterdir()) == []


def test_a_cache_in_the_place_of_a_file_is_said(server, tmp_path):
    (tmp_path / "file").write_text("")
    assert "cannot be kept" in refusal(server, tmp_path / "file" / "cache")
    assert (tmp_path / "file").read_text() == ""


def test_a_folder_needs_no_network(tmp_path):
    for role, content in FILES.items():
        (tmp_path / role).write_bytes(content)
    assert fetch_checkpoints(str(tmp_path), silent) == (tmp_path / DETECTOR, tmp_path / CLASSIFIER)
    (tmp_path / CLASSIFIER).unlink()
    for wrong in (str(tmp_path), str(tmp_path / "nowhere"), "ftp://server/model"):
        with pytest.raises(UsageError, match="neither an http"):
            fetch_checkpoints(wrong, silent)


def test_pooch_says_nothing_of_its_own(server, cache, monkeypatch):
    said = io.StringIO()
    for handler in pooch.get_logger().handlers:
        monkeypatch.setattr(handler, "stream", said)
    fetched(server, cache)
    assert pooch.get_logger().handlers
    assert said.getvalue() == ""


def test_the_public_address_is_at_a_fixed_commit():
    commit = PUBLIC_ADDRESS.split("/")[-2]
    assert len(commit) == 40
    assert commit.startswith("0ac3eb9")


def test_the_command_line_does_not_load_the_network_before_it_is_needed():
    code = "import sys; import LungCancerDxLib.cli; print({'requests', 'pooch', 'torch'} & set(sys.modules))"
    process = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert process.stdout == "set()\n"
