"""Folders appear whole or not at all, and what was there before is lost only to a whole new one."""

import os
import stat
from contextlib import suppress
from pathlib import Path

import pytest

from LungCancerDxLib.errors import Cancelled, OutputError, UsageError
from LungCancerDxLib.runtime import atomic as staging
from LungCancerDxLib.runtime.atomic import (
    atomic_file,
    atomic_files,
    atomic_folder,
    check_target,
    remove_leftovers,
    remove_unfinished,
)

MARK = "case.json"
RESULT = (MARK, "old.txt")


@pytest.fixture
def earlier(tmp_path):
    """A folder with an earlier result."""
    folder = tmp_path / "result"
    folder.mkdir()
    (folder / MARK).write_text("old")
    (folder / "old.txt").write_text("old")
    return folder


def fill(target, text="new", **options):
    with atomic_folder(target, **options) as folder:
        (folder / MARK).write_text(text)


def fail(target, error, replaceable=()):
    with atomic_folder(target, replaceable) as folder:
        (folder / MARK).write_text("half")
        raise error


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_folder_has_its_name_only_once_it_is_whole(tmp_path):
    target = tmp_path / "a" / "b" / "result"
    with atomic_folder(target) as folder:
        (folder / MARK).write_text("new")
        assert not target.exists()
    assert (target / MARK).read_text() == "new"
    assert names(target.parent) == ["result"]


@pytest.mark.parametrize("error", [ValueError, Cancelled, KeyboardInterrupt])
def test_an_error_in_the_block_passes_and_leaves_nothing(tmp_path, error):
    with pytest.raises(error):
        fail(tmp_path / "result", error)
    assert names(tmp_path) == []


def test_a_failure_to_write_becomes_an_output_error_that_says_what_to_do(tmp_path):
    words = r"result could not be written to .*result \(No space left on device\); nothing was left.* Make room"
    with pytest.raises(OutputError, match=words):
        fail(tmp_path / "result", OSError(28, os.strerror(28)))
    assert names(tmp_path) == []


def test_an_earlier_result_is_replaced_as_a_whole(earlier):
    fill(earlier, replaceable=RESULT)
    assert names(earlier) == [MARK]
    assert (earlier / MARK).read_text() == "new"
    assert names(earlier.parent) == ["result"]


def test_an_earlier_result_stays_when_the_new_one_fails(earlier):
    with pytest.raises(ValueError, match="enough"):
        fail(earlier, ValueError("enough"), RESULT)
    assert names(earlier) == [MARK, "old.txt"]
    assert names(earlier.parent) == ["result"]


def test_an_earlier_result_comes_back_when_the_new_one_cannot_take_its_place(earlier, monkeypatch):
    rename = Path.rename

    def fail_for_the_new_one(self, target):
        if self.name.startswith(".result") and not self.name.endswith(".old"):
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_for_the_new_one)
    with pytest.raises(OutputError):
        fill(earlier, replaceable=RESULT)
    assert (earlier / "old.txt").read_text() == "old"
    assert names(earlier.parent) == ["result"]


def test_an_empty_folder_is_accepted(tmp_path):
    (tmp_path / "result").mkdir()
    fill(tmp_path / "result")
    assert names(tmp_path / "result") == [MARK]


def test_a_folder_in_use_is_refused_unless_it_may_be_replaced(earlier):
    with pytest.raises(UsageError, match=r"exists and is not empty\. Choose another folder, or pass --overwrite"):
        check_target(earlier, RESULT, overwrite=False)
    check_target(earlier, RESULT)


def test_overwrite_is_advised_only_where_something_may_be_replaced(earlier):
    with pytest.raises(UsageError, match=r"exists and is not empty\. Choose another folder\.$"):
        check_target(earlier)


@pytest.mark.parametrize("name", ["n" * 255, "ä" * 127])
def test_a_name_as_long_as_names_may_be_is_written(tmp_path, name):
    with atomic_folder(tmp_path / name):
        pass
    with atomic_folder(tmp_path / name, RESULT) as folder, atomic_file(folder / name) as file:
        file.write_text("new")
    assert names(tmp_path / name) == [name]
    remove_leftovers(tmp_path)
    assert names(tmp_path) == [name]


def test_a_folder_with_something_else_is_never_replaced(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match=r"holds something else than an earlier result \(it has thesis.txt\)"):
        check_target(tmp_path, RESULT)


def test_a_result_beside_something_else_or_without_its_mark_is_never_replaced(earlier):
    (earlier / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"\(it has notes.txt\)"):
        check_target(earlier, RESULT)
    (earlier / "notes.txt").unlink()
    (earlier / MARK).unlink()
    with pytest.raises(UsageError, match=r"\(it has no case.json\)"):
        check_target(earlier, RESULT)


def test_a_file_in_the_place_is_refused(tmp_path):
    (tmp_path / "result").write_text("a file")
    with pytest.raises(UsageError, match="exists and is a file"):
        check_target(tmp_path / "result", RESULT)


def test_the_current_folder_is_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="current folder or a mount point"):
        check_target(Path())


def test_a_mount_point_is_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "is_mount", lambda self: self == tmp_path)
    with pytest.raises(UsageError, match="current folder or a mount point"):
        check_target(tmp_path)


def test_a_link_to_an_empty_folder_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    fill(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert names(tmp_path / "real") == [MARK]
    assert names(tmp_path) == ["link", "real"]


def test_a_path_below_a_file_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="Nothing can be written to"):
        check_target(tmp_path / "file" / "result")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs Linux' /proc")
def test_a_place_that_takes_no_folders_is_found_before_any_work():
    with pytest.raises(OutputError, match="Nothing can be written to /proc/nope"):
        check_target(Path("/proc/nope"))


@pytest.mark.parametrize(
    ("target", "theirs", "replaceable"),
    [("result", "result/notes.txt", RESULT), ("new", f"new/{MARK}", ()), ("file", "file", ())],
)
def test_what_others_write_into_the_place_meanwhile_is_refused_and_stays(
    tmp_path, earlier, target, theirs, replaceable
):
    def write():
        with atomic_folder(tmp_path / target, replaceable) as folder:
            (folder / MARK).write_text("new")
            (tmp_path / theirs).parent.mkdir(exist_ok=True)
            (tmp_path / theirs).write_text("theirs")

    with pytest.raises(UsageError, match=f"{target} exists and "):
        write()
    assert (tmp_path / theirs).read_text() == "theirs"
    assert (earlier / MARK).read_text() == "old"
    assert names(tmp_path) == sorted({target, earlier.name})


def test_a_name_too_long_for_the_disk_cannot_be_written(tmp_path):
    with pytest.raises(OutputError, match="File name too long"):
        check_target(tmp_path / ("x" * 300))


def test_a_folder_that_may_not_be_looked_into_cannot_be_written(tmp_path, monkeypatch):
    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_dir", refuse)
    with pytest.raises(OutputError, match="Permission denied"):
        check_target(tmp_path / "result")


def test_checking_leaves_nothing_behind(tmp_path):
    check_target(tmp_path / "a" / "result")
    assert names(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o755), (0o077, 0o700)])
def test_the_folder_is_as_private_as_the_user_wants_it(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        fill(tmp_path / "result")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "result").stat().st_mode) == mode


def test_what_is_in_work_can_be_removed_from_outside(tmp_path):
    target = tmp_path / "result"
    with suppress(OutputError), atomic_folder(target) as folder:
        (folder / MARK).write_text("half")
        remove_unfinished()
        assert names(tmp_path) == []
        (folder / "more").write_text("")  # the work goes on, but nothing of it can appear
    assert names(tmp_path) == []


def test_a_file_is_flushed_by_a_handle_that_may_write(tmp_path, monkeypatch):
    """Windows flushes by no other."""
    fcntl = pytest.importorskip("fcntl")
    modes = []
    monkeypatch.setattr(os, "fsync", lambda handle: modes.append(fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE))
    with atomic_file(tmp_path / "new") as file:
        file.write_text("new")
    assert modes == [os.O_RDWR]
    assert (tmp_path / "new").read_text() == "new"


def test_a_file_in_work_is_removed_with_the_folders(tmp_path):
    with staging.cleanup_on_exit(tmp_path / "entry.part") as path:
        path.write_text("half")
        remove_unfinished()
        assert names(tmp_path) == []


def test_what_is_done_is_no_longer_in_work(tmp_path):
    fill(tmp_path / "result")
    remove_unfinished()
    assert names(tmp_path) == ["result"]


def test_files_take_their_places_together_and_leave_others_alone(earlier):
    with atomic_files(earlier) as folder:
        (folder / MARK).write_text("new")
        (folder / "more.txt").write_text("new")
        assert (earlier / MARK).read_text() == "old"
    assert {path.name: path.read_text() for path in earlier.iterdir()} == {
        MARK: "new",
        "more.txt": "new",
        "old.txt": "old",
    }


def test_files_of_a_block_that_fails_change_nothing(earlier):
    with suppress(ValueError), atomic_files(earlier) as folder:
        (folder / MARK).write_text("half")
        raise ValueError
    assert {path.name: path.read_text() for path in earlier.iterdir()} == {MARK: "old", "old.txt": "old"}


def test_where_one_file_cannot_take_its_place_none_does(earlier, monkeypatch):
    replace = os.replace

    def refuse(path, target):
        if Path(target).name == "z.txt":
            raise PermissionError("open in a viewer")
        replace(path, target)

    monkeypatch.setattr(os, "replace", refuse)

    def write():
        with atomic_files(earlier) as folder:
            for name in ("a.txt", MARK, "z.txt"):
                (folder / name).write_text("new")

    with pytest.raises(OutputError, match="what was there is untouched"):
        write()
    assert {path.name: path.read_text() for path in earlier.iterdir()} == {MARK: "old", "old.txt": "old"}
    assert names(earlier.parent) == [earlier.name]


def test_files_that_cannot_be_written_are_told(tmp_path):
    with pytest.raises(OutputError, match="could not be written"), atomic_files(tmp_path / "missing"):
        pass
