"""The memory of this process, as the system tells it."""

import numpy as np
import pytest

from LungCancerDxLib.runtime.memory import PeakMemory


def test_memory_that_is_taken_and_given_back_is_seen():
    with PeakMemory() as before:
        pass
    with PeakMemory() as peak:
        taken = np.ones(300_000_000, np.uint8)
        del taken
    if before.gb is None:
        pytest.skip("this system does not tell the memory of a process")
    assert 0.25 < peak.gb - before.gb < 0.6
