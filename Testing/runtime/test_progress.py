"""Progress: one callable, its parts, and silence."""

import pytest

from LungCancerDxLib.runtime.progress import part, silent


def test_a_part_maps_its_own_range_into_the_whole():
    reports = []
    inner = part(lambda stage, fraction: reports.append((stage, fraction)), 0.3, 0.8)
    for fraction in (0.0, 0.5, 1.0):
        inner("detecting", fraction)
    assert [stage for stage, _ in reports] == ["detecting"] * 3
    assert [fraction for _, fraction in reports] == pytest.approx([0.3, 0.55, 0.8])


def test_parts_of_parts_stay_within_their_parent():
    reports = []
    inner = part(part(lambda _, fraction: reports.append(fraction), 0.5, 1.0), 0.0, 0.5)
    inner("a", 0.0)
    inner("a", 1.0)
    assert reports == pytest.approx([0.5, 0.75])


def test_silence_reports_to_nobody(capsys):
    silent("anything", 0.5)
    assert capsys.readouterr() == ("", "")
