"""What lies outside of what the method was made for is said, and makes the score unreliable where it is serious."""

from dataclasses import replace

import numpy as np
import pytest

from LungCancerDxLib.suitability import findings, soft_tissue_noise_hu
from LungCancerDxLib.volume import CTVolume
from Testing.helpers import chest, reoriented, slab


def scan(slice_mm=1.0, **info):
    return CTVolume(
        np.zeros((3, 3, 3), np.int16), np.diag([1.0, 1, 1, 1])[[2, 1, 0, 3]] @ np.diag([slice_mm, 1, 1, 1]), info
    )


def of(volume, lungs=None):
    """Clauses that make the score unreliable, and those that do not."""
    found = findings(volume, np.zeros(volume.shape_kji, np.uint8) if lungs is None else lungs)
    return [f.text for f in found if f.serious], [f.text for f in found if not f.serious]


# ---------------------------------------------------------------------- slices and kernel


@pytest.mark.parametrize(
    ("slice_mm", "said", "serious"),
    [
        (0.6, False, False),
        (3.0, False, False),
        (3.0000004, False, False),  # positions of an oblique series have six digits
        (3.1, True, False),
        (4.0, True, False),
        (4.0000004, True, False),
        (5.0, True, True),
        (8.0, True, True),
    ],
)
def test_slices_over_3_mm_apart_are_named_and_those_over_4_make_the_score_unreliable(slice_mm, said, serious):
    unreliable, warned = of(scan(slice_mm))
    assert any(f"{slice_mm:.1f} mm apart" in text for text in unreliable) == bool(serious)
    assert any(f"{slice_mm:.1f} mm apart" in text for text in warned) == (bool(said) and not serious)


def test_thick_slices_are_found_whichever_axis_they_lie_along():
    thick = reoriented(scan(5.0), (2, 0, 1), (False, True, False))
    assert any("5.0 mm apart" in text for text in of(thick)[0])


def test_thick_slices_that_overlap_are_thick():
    overlapping = scan(2.5)
    overlapping.info["slice_thickness_mm"] = 5.0
    assert any("5.0 mm thick" in text for text in of(overlapping)[0])


def test_coarse_pixels_are_no_thick_slices():
    coarse_in_plane = replace(scan(), kji_to_lps=scan().kji_to_lps @ np.diag([1, 5, 5, 1]))
    assert of(coarse_in_plane) == ([], [])


@pytest.mark.parametrize("kernel", ["B80f", "B75f", "Br76d", "BONEPLUS", "BONE", "EDGE", "Ultra"])
def test_a_very_sharp_kernel_is_named(kernel):
    unreliable, (text,) = of(scan(kernel=kernel))
    assert f"very sharp kernel ({kernel})" in text
    assert unreliable == []


@pytest.mark.parametrize("kernel", ["B30f", "B70f", "Br40d", "STANDARD", "LUNG", "FC51", "C", "", None])
def test_a_usual_or_unknown_kernel_is_no_reason_to_warn(kernel):
    assert of(scan(kernel=kernel)) == ([], [])


# ---------------------------------------------------------------------- noise and lungs


def test_an_ordinary_chest_is_no_reason_to_warn():
    patient = chest(spacing_mm_kji=(2.5, 2.0, 2.0))
    assert of(patient.volume, patient.lungs) == ([], [])


@pytest.mark.parametrize(("noise_hu", "serious"), [(20, False), (70, False), (130, True)])
def test_noise_is_measured_and_makes_the_score_unreliable_beyond_that_of_low_dose(noise_hu, serious):
    hu = np.random.default_rng(0).normal(40, noise_hu, (6, 80, 80))
    assert soft_tissue_noise_hu(hu) == pytest.approx(noise_hu, rel=0.1)
    volume = CTVolume(hu.astype(np.int16), scan().kji_to_lps)
    assert any("very noisy" in text for text in of(volume)[0]) == serious


def test_an_image_without_soft_tissue_has_no_noise_to_measure():
    assert soft_tissue_noise_hu(np.full((4, 50, 50), -1000)) is None


@pytest.mark.parametrize(("median_hu", "said"), [(-850, None), (-790, "warned"), (-760, "serious"), (-690, "serious")])
def test_lungs_as_dense_as_after_breathing_out_make_the_score_unreliable(median_hu, said):
    patient = slab()
    hu, lungs = patient.volume.voxels.copy(), patient.lungs
    hu[lungs > 0] += np.int16(median_hu - np.median(hu[lungs > 0]))
    unreliable, warned = of(replace(patient.volume, voxels=hu), lungs)
    assert any("denser than after breathing in" in text for text in unreliable) == (said == "serious")
    assert any("denser than after breathing in" in text for text in warned) == (said == "warned")


def test_lungs_that_hold_little_but_air_make_the_score_unreliable():
    patient = slab()
    hu = np.where(patient.lungs > 0, -950, patient.volume.voxels).astype(np.int16)
    assert any("hardly more than air" in text for text in of(replace(patient.volume, voxels=hu), patient.lungs)[0])


@pytest.mark.parametrize(("label", "side"), [(1, "left"), (2, "right")])
def test_one_lung_of_gas_or_next_to_nothing_makes_the_score_unreliable(label, side):
    patient = chest(spacing_mm_kji=(2.5, 2.0, 2.0))
    hu = np.where(patient.lungs == label, -1000, patient.volume.voxels).astype(np.int16)
    said = [f"the {side} lung holds hardly more than air (median -1000 HU)"]
    assert of(replace(patient.volume, voxels=hu), patient.lungs)[0] == said
    lung = patient.lungs == label
    filled = lung & (np.cumsum(lung.sum(axis=(1, 2))) > 0.25 * lung.sum())[:, None, None]  # but for its base
    (text,) = of(patient.volume, np.where(filled, 0, patient.lungs).astype(np.uint8))[0]
    assert text.startswith(f"the {side} lung is small (")
    assert text.endswith("what fills the rest was not searched")


def test_small_lungs_a_single_lung_and_lungs_that_are_cut_off_make_the_score_unreliable():
    patient = chest(spacing_mm_kji=(2.5, 2.0, 2.0))
    small = replace(patient.volume, kji_to_lps=patient.volume.kji_to_lps @ np.diag([0.6, 0.6, 0.6, 1]))
    assert any("lungs are small" in text for text in of(small, patient.lungs)[0])
    for label, side in ((1, "the left lung"), (2, "the right lung"), (3, "one lung")):
        one = np.where(patient.lungs == 1, label, 0).astype(np.uint8)
        assert any(text == f"only {side} was searched" for text in of(patient.volume, one)[0])
    middle = np.flatnonzero((patient.lungs > 0).any(axis=(1, 2))).mean().astype(int)
    for part, where in ((slice(None, middle), "top"), (slice(middle, None), "bottom")):
        cut = replace(patient.volume, voxels=patient.volume.voxels[part])
        assert any(f"cut off at the {where}" in text for text in of(cut, patient.lungs[part])[0])


def test_a_little_cut_off_the_bases_does_not_make_the_score_unreliable():
    patient = chest(spacing_mm_kji=(2.5, 2.0, 2.0))
    bottom = np.flatnonzero((patient.lungs > 0).any(axis=(1, 2)))[0] + 4
    assert of(replace(patient.volume, voxels=patient.volume.voxels[bottom:]), patient.lungs[bottom:]) == ([], [])
