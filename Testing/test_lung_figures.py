"""What is measured in the lungs: emphysema counts in the smoothed share below -950 HU, noise does not."""

import numpy as np
import pytest

from LungCancerDxLib import lung_figures
from LungCancerDxLib.preprocessing import CTLungs
from LungCancerDxLib.volume import CTVolume
from Testing.helpers import reoriented


def lungs_of(tissue_hu=-860.0, noise_hu=0.0, slices=12):
    """A block of lung in a body, 2.5 x 0.8 x 0.8 mm: the CT and its label map."""
    hu = np.full((slices, 60, 60), 40.0)
    hu[:, 5:55, 5:55] = tissue_hu
    labels = (hu < -500).astype(np.uint8)
    hu += np.random.default_rng(0).normal(0, noise_hu, hu.shape)
    return CTVolume(np.rint(hu).astype(np.int16), np.diag([0.8, 0.8, 2.5, 1.0])[:, [2, 1, 0, 3]]), labels


def emphysema():
    """Tissue (50, 50) with patches of 5 mm, every 10 mm."""
    tissue = np.full((50, 50), -860.0)
    for j in range(3, 44, 12):
        for i in range(3, 44, 12):
            tissue[j : j + 6, i : i + 6] = -990.0
    return tissue


def shares(volume, labels):
    """Of the lungs below -950 HU: raw and smoothed."""
    figures = lung_figures.lung_figures(volume, CTLungs(labels, volume.kji_to_lps))
    return figures["share_below_950_hu"], figures["smoothed_share_below_950_hu"]


def test_noise_is_no_emphysema():
    raw, smoothed = shares(*lungs_of(noise_hu=75.0))
    assert raw > 0.05
    assert smoothed < 0.01


@pytest.mark.parametrize("noise_hu", [0.0, 75.0])
def test_patches_of_emphysema_are_kept_but_for_their_edges(noise_hu):
    true = np.mean(emphysema() < -950)
    _, smoothed = shares(*lungs_of(emphysema(), noise_hu))
    assert 0.05 < 0.4 * true < smoothed < true


@pytest.mark.parametrize(("axes", "flipped"), [((2, 0, 1), (False,) * 3), ((1, 2, 0), (True, False, True))])
def test_however_a_scan_is_stored_its_axial_slices_are_smoothed(axes, flipped):
    volume, labels = lungs_of(emphysema(), 75.0)
    turned = np.ascontiguousarray(np.flip(labels.transpose(axes), np.flatnonzero(flipped)))
    assert shares(reoriented(volume, axes, flipped), turned) == pytest.approx(shares(volume, labels))


def test_of_many_slices_no_more_than_a_hundred_are_smoothed(monkeypatch):
    few, smooth, smoothed = shares(*lungs_of(emphysema())), lung_figures.gaussian_filter, []

    def count(hu, sd):
        smoothed.append(hu.shape)
        return smooth(hu, sd)

    monkeypatch.setattr(lung_figures, "gaussian_filter", count)
    assert shares(*lungs_of(emphysema(), slices=130)) == pytest.approx(few)
    assert smoothed == [(60, 60)] * 65
