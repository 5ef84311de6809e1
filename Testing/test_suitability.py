"""Warnings where a scan is outside what the method was made for."""

from dataclasses import replace

import numpy as np
import pytest

from LungCancerDxLib.suitability import suitability_warnings
from LungCancerDxLib.volume import CTVolume
from Testing.helpers import reoriented


def scan(slice_mm=1.0, **info):
    return CTVolume(
        np.zeros((3, 3, 3), np.int16), np.diag([1.0, 1, 1, 1])[[2, 1, 0, 3]] @ np.diag([slice_mm, 1, 1, 1]), info
    )


@pytest.mark.parametrize(("slice_mm", "warned"), [(0.6, False), (3.0, False), (3.1, True), (5.0, True)])
def test_slices_over_3_mm_apart_are_warned_of(slice_mm, warned):
    assert any(f"{slice_mm:.1f} mm apart" in message for message in suitability_warnings(scan(slice_mm))) is warned


def test_thick_slices_are_found_whichever_axis_they_lie_along():
    thick = reoriented(scan(5.0), (2, 0, 1), (False, True, False))
    assert any("5.0 mm apart" in message for message in suitability_warnings(thick))


def test_thick_slices_that_overlap_are_thick():
    overlapping = scan(2.5)
    overlapping.info["slice_thickness_mm"] = 5.0
    assert any("5.0 mm thick" in message for message in suitability_warnings(overlapping))


def test_coarse_pixels_are_no_thick_slices():
    coarse_in_plane = replace(scan(), kji_to_lps=scan().kji_to_lps @ np.diag([1, 5, 5, 1]))
    assert suitability_warnings(coarse_in_plane) == []


@pytest.mark.parametrize("kernel", ["B80f", "B75f", "Br76d", "BONEPLUS", "BONE", "EDGE", "Ultra"])
def test_a_very_sharp_kernel_is_named(kernel):
    (message,) = suitability_warnings(scan(kernel=kernel))
    assert f"very sharp kernel ({kernel})" in message


@pytest.mark.parametrize("kernel", ["B30f", "B70f", "Br40d", "STANDARD", "LUNG", "FC51", "C", "", None])
def test_a_usual_or_unknown_kernel_is_no_reason_to_warn(kernel):
    assert suitability_warnings(scan(kernel=kernel)) == []


def test_a_scan_of_unknown_kernel_is_not_warned_of():
    assert suitability_warnings(scan()) == []
