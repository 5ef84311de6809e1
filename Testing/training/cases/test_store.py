"""Training cases on disk come back as they were, and what is wrong with a store is said."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from LungCancerDxLib.errors import UsageError
from LungCancerDxLib.training.cases import store as case_store
from LungCancerDxLib.training.cases.store import (
    LABELS_FILE,
    LIST_FILE,
    CaseStore,
    read_case,
    read_outcomes,
    write_case,
    write_outcomes,
)
from Testing.training.tiny import ball_case, store_of


def content(case):
    """All that a case holds, arrays as lists."""
    arrays = [getattr(case.scan, name) for name in ("image", "kji_to_lps", "dilated", "lung_ends_kji")]
    return (
        case.name,
        case.synthetic,
        case.bank_fold,
        case.bank,
        *(array.tolist() for array in (*arrays, case.lungs.labels, case.nodules, case.exclusion_regions)),
    )


@pytest.mark.parametrize("synthetic", [False, True])
def test_a_case_comes_back_as_it_was(tmp_path, synthetic):
    case = replace(
        ball_case(exclusion_regions=[(1.0, 2, 3, 4)]),
        synthetic=synthetic,
        bank_fold=0 if synthetic else None,
        bank="ab12" if synthetic else "",
    )
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
    assert CaseStore(tmp_path).without({"two"}).names == ("one",)


@pytest.mark.slow
@pytest.mark.parametrize(("memory_gb", "kept"), [(1.0, True), (1e-9, False)])
def test_cases_stay_in_memory_where_they_fit(tmp_path, memory_gb, kept):
    store_of(tmp_path, ball_case("one"), ball_case("two"))
    store = CaseStore(tmp_path, memory_gb)
    first = store.case(0)
    store.case(1)
    assert (store.case(0) is first) == kept
    assert content(store.case(0)) == content(first)


def test_a_store_without_some_cases_shares_the_memory_of_the_others(tmp_path):
    two = replace(ball_case("two"), synthetic=True)
    store = store_of(tmp_path, ball_case("one"), two, ball_case("three", boxes=[]))
    others = store.without({"one"})
    assert (others.names, others.synthetic.tolist(), len(others.nodules[1])) == (("two", "three"), [True, False], 0)
    assert others.case(0) is store.case(1)
    assert store.case(2) is others.case(1)
    assert len(store) == 3
    with pytest.raises(UsageError, match="lists no cases but two, three"):
        others.without(others.names)


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


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "blank ", " blank"])
def test_a_case_is_named_by_a_files_name(tmp_path, name):
    with pytest.raises(UsageError, match="cannot name a case"):
        write_case(tmp_path, ball_case(name), "DEFAULT")


def test_a_folder_without_a_list_is_no_store(tmp_path):
    with pytest.raises(UsageError, match=f"no case store: .*{LIST_FILE} cannot be read.*train prepare"):
        CaseStore(tmp_path)


def test_a_damaged_case_is_named(tmp_path):
    store = store_of(tmp_path, ball_case())
    (tmp_path / "case.npz").write_bytes((tmp_path / "case.npz").read_bytes()[:2000])
    with pytest.raises(UsageError, match=r"case\.npz cannot be read"):
        store.case(0)


def test_nothing_is_left_beside_the_cases(tmp_path):
    write_case(tmp_path, ball_case(), "DEFAULT")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["case.npz", LIST_FILE]


# ---------------------------------------------------------------------- which cases have cancer


def test_labels_come_back_in_the_order_of_the_cases(tmp_path):
    write_outcomes(tmp_path, {"a": True, "b": False})
    write_outcomes(tmp_path, {"b": True, "c": False})
    assert (tmp_path / LABELS_FILE).read_text().split() == ["id,cancer", "a,1", "b,1", "c,0"]
    np.testing.assert_array_equal(read_outcomes(tmp_path, ["c", "a"]), [False, True])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,label\na,1\n", "no column cancer; its header line names id, label"),
        ("id,cancer\na,yes\n", "line 2, column cancer: expected a number, got .yes"),
        ("id,cancer\na,1\na,0\n", "line 3: the case a is there twice"),
        ("id,cancer\na,1\n", "no label for b;"),
        ("id,cancer\na,0\nb,0\nc,1\n", "says 0 of all 2 cases"),
        ("id,cancer\na,1\nb,1\n", "says 1 of all 2 cases"),
        (None, "cannot be read"),
    ],
)
def test_labels_that_will_not_do_are_named(tmp_path, content, message):
    if content is not None:
        (tmp_path / LABELS_FILE).write_text(content)
    with pytest.raises(UsageError, match=message) as caught:
        read_outcomes(tmp_path, ["a", "b"])
    assert str(tmp_path / LABELS_FILE) in str(caught.value)
