"""Training cases on disk come back as they were, and what is wrong with a store is said."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from LungCancerDxLib.errors import UsageError
from LungCancerDxLib.training.cases import store as case_store
from LungCancerDxLib.training.cases.store import LIST_FILE, CaseStore, read_case, write_case
from Testing.training.tiny import ball_case, store_of


def content(case):
    """All that a case holds, arrays as lists."""
    arrays = [getattr(case.scan, name) for name in ("image", "kji_to_lps", "dilated", "lung_ends_kji")]
    return (
        case.name,
        case.synthetic,
        *(array.tolist() for array in (*arrays, case.lungs.labels, case.nodules, case.exclusion_regions)),
    )


@pytest.mark.parametrize("synthetic", [False, True])
def test_a_case_comes_back_as_it_was(tmp_path, synthetic):
    case = replace(ball_case(exclusion_regions=[(1.0, 2, 3, 4)]), synthetic=synthetic)
    write_case(tmp_path, case, "DEFAULT")
    assert content(read_case(tmp_path, "case")) == content(case)


def test_a_store_lists_its_cases_and_their_nodules(tmp_path):
    two = replace(ball_case("two", boxes=[]), synthetic=True)
    store = store_of(tmp_path, ball_case("one"), two, ball_case("one", boxes=[(9.0, 9, 9, 7)]))
    assert store.names == ("one", "two")
    assert store.synthetic.tolist() == [False, True]
    assert [len(nodules) for nodules in store.nodules] == [1, 0]
    assert store.case(0).nodules.tolist() == [[9, 9, 9, 7]]
    assert store.preset == "DEFAULT"


@pytest.mark.parametrize(("memory_gb", "kept"), [(1.0, True), (1e-9, False)])
def test_cases_stay_in_memory_where_they_fit(tmp_path, memory_gb, kept):
    store_of(tmp_path, ball_case("one"), ball_case("two"))
    store = CaseStore(tmp_path, memory_gb)
    first = store.case(0)
    store.case(1)
    assert (store.case(0) is first) == kept
    assert content(store.case(0)) == content(first)


def test_threads_read_several_cases_at_once_and_none_twice(tmp_path, monkeypatch):
    store_of(tmp_path, ball_case("one"), ball_case("two"))
    store, read, both_begun = CaseStore(tmp_path), [], threading.Barrier(2, timeout=30)

    def slow(folder, name):
        read.append(name)
        both_begun.wait()
        return read_case(folder, name)

    monkeypatch.setattr(case_store, "read_case", slow)
    with ThreadPoolExecutor(4) as pool:
        first, second, again, last = pool.map(store.case, (0, 1, 0, 1))
    assert first is again
    assert second is last
    assert sorted(read) == ["one", "two"]


def test_a_case_that_could_not_be_read_is_read_again(tmp_path, monkeypatch):
    store_of(tmp_path, ball_case("one"), ball_case("two"))
    store = CaseStore(tmp_path)
    whole = (tmp_path / "one.npz").read_bytes()
    (tmp_path / "one.npz").write_bytes(whole[:2000])
    with pytest.raises(UsageError, match=r"one\.npz cannot be read"):
        store.case(0)
    (tmp_path / "one.npz").write_bytes(whole)
    store.case(1)
    assert store.case(0).name == "one"


def test_a_store_has_one_preset(tmp_path):
    write_case(tmp_path, ball_case("one"), "DEFAULT")
    with pytest.raises(UsageError, match="holds cases of preset DEFAULT, this one is of GRT123"):
        write_case(tmp_path, ball_case("two"), "GRT123")


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden"])
def test_a_case_is_named_by_a_files_name(tmp_path, name):
    with pytest.raises(UsageError, match="cannot name a case"):
        write_case(tmp_path, ball_case(name), "DEFAULT")


def test_a_folder_without_a_list_is_no_store(tmp_path):
    with pytest.raises(UsageError, match=f"no case store: its {LIST_FILE} cannot be read.*train prepare"):
        CaseStore(tmp_path)


def test_a_damaged_case_is_named(tmp_path):
    store = store_of(tmp_path, ball_case())
    (tmp_path / "case.npz").write_bytes((tmp_path / "case.npz").read_bytes()[:2000])
    with pytest.raises(UsageError, match=r"case\.npz cannot be read"):
        store.case(0)


def test_nothing_is_left_beside_the_cases(tmp_path):
    write_case(tmp_path, ball_case(), "DEFAULT")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["case.npz", LIST_FILE]
