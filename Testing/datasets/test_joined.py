"""The two cohorts joined as in sections III-A and VI of the paper."""

from pathlib import Path

import numpy as np
import pytest

from LungCancerDxLib.datasets import CohortScan, NoduleLabel, join, resplit, without_small_nodules
from LungCancerDxLib.errors import UsageError

SIZES_MM = (3.0, 5.99, 6.0, 42.0)
NODULES = tuple(NoduleLabel((0.0, 0.0, 0.0), size) for size in SIZES_MM)


def scan(name, source="DSB2017", label=None, nodules=NODULES):
    return CohortScan(name, Path(name), label, nodules, source)


def sizes(found):
    return tuple(nodule.diameter_mm for nodule in found.nodules)


def test_small_nodules_go_from_luna16_only_and_every_scan_stays():
    small_only = scan("b", "LUNA16", nodules=NODULES[:2])
    joined = join([scan("a", "LUNA16"), small_only], [scan("c", label=True)])
    assert [(found.id, sizes(found)) for found in joined] == [("a", (6.0, 42.0)), ("b", ()), ("c", SIZES_MM)]
    assert [found.label for found in joined] == [None, None, True]


def test_detection_is_judged_without_small_nodules_of_either_cohort():
    assert sizes(without_small_nodules(scan("c"))) == (6.0, 42.0)


def test_a_scan_in_both_cohorts_is_refused():
    with pytest.raises(UsageError, match="The scan a is in two cohorts"):
        join([scan("a", "LUNA16")], [scan("a")])


def test_a_fourth_of_the_training_set_is_the_new_validation_set_and_the_old_one_joins_the_rest():
    training, validation = [scan(f"t{n}") for n in range(40)], [scan(f"v{n}") for n in range(5)]
    new_training, new_validation = resplit(training, validation, np.random.default_rng(3))
    assert len(new_validation) == 10
    assert set(new_validation) < set(training)
    assert {found.id for found in new_training} == {found.id for found in [*training, *validation]} - {
        found.id for found in new_validation
    }
    assert resplit(training, validation, np.random.default_rng(3)) == (new_training, new_validation)
    assert resplit(training, validation, np.random.default_rng(4))[1] != new_validation
