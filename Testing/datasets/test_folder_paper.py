"""The two data sets joined and split as in sections III-A and VI of the paper."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from LungCancerDxLib.datasets.folder import in_parts, join, resplit
from LungCancerDxLib.datasets.scan import CohortScan, NoduleLabel
from LungCancerDxLib.errors import UsageError
from Testing.helpers import environment

SIZES_MM = (3.0, 5.99, 6.0, 42.0)
NODULES = tuple(NoduleLabel((0.0, 0.0, 0.0), size) for size in SIZES_MM)


def scan(name, source="DSB2017", part="", label=None, nodules=NODULES):
    return CohortScan(name, Path(name), label, nodules, source, part)


def sizes(found):
    return tuple(nodule.diameter_mm for nodule in found.nodules)


def ids(scans):
    return {found.id for found in scans}


def test_small_nodules_go_from_luna16_only_and_every_scan_stays():
    small_only = scan("b", "LUNA16", nodules=NODULES[:2])
    joined = join([scan("a", "LUNA16"), small_only], [scan("c", label=True)])
    assert [(found.id, sizes(found)) for found in joined] == [("a", (6.0, 42.0)), ("b", ()), ("c", SIZES_MM)]
    assert [found.label for found in joined] == [None, None, True]


def test_a_scan_in_both_data_sets_is_refused():
    with pytest.raises(UsageError, match="The scan a is there twice"):
        join([scan("a", "LUNA16")], [scan("a")])


def test_a_fourth_of_the_training_set_is_the_new_validation_set_and_the_old_one_joins_the_rest():
    training, validation = [scan(f"t{n}", part="training") for n in range(40)], [scan("v", part="validation")]
    others = [scan("luna", "LUNA16", "subset3"), scan("test", part="test"), scan("unknown")]
    scans = resplit([*training, *validation, *others], np.random.default_rng(3))
    new_validation, new_training = in_parts(scans, ["validation"]), in_parts(scans, ["training"])
    assert len(new_validation) == 10
    assert ids(new_validation) < ids(training)
    assert ids(new_training) == ids([*training, *validation, others[0]]) - ids(new_validation)
    assert resplit(scans[:0], np.random.default_rng(3)) == ()
    assert resplit([*training, *validation, *others], np.random.default_rng(3)) == scans
    assert in_parts(resplit(training, np.random.default_rng(4)), ["validation"]) != new_validation


def test_parts_may_be_folds_and_a_part_without_a_scan_is_refused():
    scans = [scan("a", "LUNA16", "subset0"), scan("b", "LUNA16", "subset1"), scan("c", part="validation"), scan("d")]
    assert ids(in_parts(scans, ["subset0", "validation"])) == {"a", "c"}
    assert ids(in_parts(scans, ["training"])) == {"a", "b"}
    with pytest.raises(UsageError, match="No scan is of the part 'test'; there are subset0, subset1, training, valid"):
        in_parts(scans, ["training", "test"])


@pytest.mark.slow
def test_data_sets_are_read_without_torch():
    program = "import sys; import LungCancerDxLib.datasets.folder, LungCancerDxLib.datasets.folder; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment(), check=True
    )
    assert "torch" not in done.stdout.split()
