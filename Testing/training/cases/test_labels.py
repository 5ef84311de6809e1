"""Which cases have cancer, as a file beside the cases."""

import numpy as np
import pytest

from LungCancerDxLib.errors import UsageError
from LungCancerDxLib.training.cases.labels import LABELS_FILE, read_labels, write_labels


def test_labels_come_back_in_the_order_of_the_cases(tmp_path):
    write_labels(tmp_path, {"a": True, "b": False})
    write_labels(tmp_path, {"b": True, "c": False})
    assert (tmp_path / LABELS_FILE).read_text().split() == ["id,cancer", "a,1", "b,1", "c,0"]
    np.testing.assert_array_equal(read_labels(tmp_path, ["c", "a"]), [False, True])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("id,label\na,1\n", "no column cancer; expected a header with id,cancer"),
        ("id,cancer\na,yes\n", "line 2: expected cancer 0 or 1, got yes"),
        ("id,cancer\na,1\na,0\n", "line 3: a had another label before"),
        ("id,cancer\na,1\n", "no label for b;"),
        ("id,cancer\na,0\nb,0\nc,1\n", "says 0 of all 2 cases"),
        ("id,cancer\na,1\nb,1\n", "says 1 of all 2 cases"),
        (None, "cannot be read"),
    ],
)
def test_labels_that_will_not_do_are_named(tmp_path, content, words):
    if content is not None:
        (tmp_path / LABELS_FILE).write_text(content)
    with pytest.raises(UsageError, match=words) as caught:
        read_labels(tmp_path, ["a", "b"])
    assert str(tmp_path / LABELS_FILE) in str(caught.value)
