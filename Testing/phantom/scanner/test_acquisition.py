"""The fast kernels are the ones that they stand for."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from LungCancerDxLib.phantom.scanner.acquisition import blurred, gaussian, narrow


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("sigma", [0.3, 0.7, 1.8])
def test_a_blur_is_the_gaussian_filter_of_its_widths(sigma, wrap):
    values = np.random.default_rng(1).normal(0, 100, (19, 23)).astype(np.float32)
    expected = gaussian_filter(values, (sigma, 0.5), truncate=3.0, mode="wrap" if wrap else "reflect")
    found = blurred(values, (gaussian(sigma, 3.0), gaussian(0.5, 3.0)), wrap=wrap)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("variance", [0.0, 0.2, 0.45, 1.7])
def test_a_narrow_kernel_keeps_the_sum_and_has_the_variance_asked_for(variance):
    half = narrow(variance)
    at = np.arange(len(half))
    assert half[0] + 2 * half[1:].sum() == pytest.approx(1)
    assert 2 * (half * at**2).sum() == pytest.approx(variance, abs=1e-6)


def test_what_is_blurred_is_left_as_it_was():
    values = np.eye(5, dtype=np.float32)
    blurred(values, (gaussian(1.0, 2.0), gaussian(1.0, 2.0)))
    np.testing.assert_array_equal(values, np.eye(5))
