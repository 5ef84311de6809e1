"""A nodule is a ball of its diameter, bent: exact in volume and centre, the same on every grid, of its own kind."""

from dataclasses import replace

import numpy as np
import pytest

from LungCancerDxLib.phantom.nodules.nodule import (
    SyntheticNodule,
    body_field,
    nodule_bounds,
    nodule_fields,
    nodule_mask,
)
from LungCancerDxLib.volume import index_to_world, world_to_index

CENTER = (10.3, -4.2, 7.7)
MARGINS = ("smooth", "lobulated", "spiculated")


def grid(spacing_mm=0.7, size=64, turned=False):
    """An affine and shape whose middle is near CENTER; `turned` by 20 degrees around z, axes in another order."""
    angle = np.deg2rad(20.0 if turned else 0.0)
    x_axis, y_axis = (np.cos(angle), np.sin(angle), 0), (-np.sin(angle), np.cos(angle), 0)
    axes = [y_axis, (0, 0, -1), x_axis] if turned else [(0, 0, 1), y_axis, x_axis]
    affine = np.eye(4)
    affine[:3, :3] = spacing_mm * np.array(axes).T
    affine[:3, 3] = CENTER - affine[:3, :3] @ np.full(3, (size - 1.3) / 2)
    return affine, (size, size, size)


def nodule(**what):
    return SyntheticNodule(**{"center_lps_mm": CENTER, "diameter_mm": 15.0, "seed": 5, **what})


def at(which, offsets_mm):
    """Field and HU of a nodule at offsets (N, 3) from its centre."""
    return nodule_fields(which, *(np.asarray(offsets_mm, dtype=float) + CENTER).T)


@pytest.mark.parametrize("margin", MARGINS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_mask_has_the_volume_of_the_ball_and_its_centre_of_mass(margin, seed):
    affine, shape = grid()
    mask = nodule_mask(nodule(margin=margin, seed=seed), affine, shape)
    assert mask.sum() * 0.7**3 == pytest.approx(np.pi / 6 * 15**3, rel=0.02)
    middle = index_to_world(affine, np.argwhere(mask)).mean(axis=0)
    np.testing.assert_allclose(middle, CENTER, atol=0.1)


def test_a_nodule_is_the_same_on_a_turned_grid():
    which = nodule(margin="lobulated")
    straight, shape = grid()
    mask = nodule_mask(which, straight, shape)
    turned, shape = grid(turned=True)
    other = nodule_mask(which, turned, shape)
    index = np.rint(world_to_index(turned, index_to_world(straight, np.argwhere(mask)))).astype(int)
    assert np.mean(other[tuple(index.T)]) > 0.93
    assert other.sum() == pytest.approx(mask.sum(), rel=0.02)


def test_a_nodule_half_outside_the_grid_is_cut_and_one_beyond_it_leaves_nothing():
    affine, shape = grid()
    whole = nodule_mask(nodule(), affine, shape)
    cut = nodule_mask(nodule(), affine, (32, 64, 64))
    np.testing.assert_array_equal(cut, whole[:32])
    assert 0 < cut.sum() < whole.sum()
    assert not nodule_mask(nodule(center_lps_mm=(500.0, 0.0, 0.0)), affine, shape).any()


def test_the_bounds_hold_body_and_spicules():
    which = nodule(margin="spiculated")
    low, high = nodule_bounds(which)
    x, y, z = (np.linspace(c - 30, c + 30, 90) for c in CENTER)
    field, _ = nodule_fields(which, x[None, None], y[None, :, None], z[:, None, None])
    k, j, i = np.nonzero(field < 0)
    for axis, seen in enumerate((x[i], y[j], z[k])):
        assert low[axis] <= seen.min()
        assert seen.max() <= high[axis]


@pytest.mark.slow
def test_only_a_spiculated_nodule_reaches_beyond_its_body():
    x, y, z = (np.linspace(c - 24, c + 24, 80) for c in CENTER)
    points = x[None, None], y[None, :, None], z[:, None, None]
    for margin in MARGINS:
        which = nodule(margin=margin)
        beyond = np.count_nonzero((nodule_fields(which, *points)[0] < 0) & (body_field(which, *points) > 0.5))
        assert (beyond > 100) == (margin == "spiculated")


def test_lobulated_and_spiculated_outlines_are_less_round_than_smooth_ones():
    directions = np.random.default_rng(0).standard_normal((400, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)

    def roughness(margin):
        spreads = []
        for seed in range(8):
            which = nodule(margin=margin, seed=seed)
            spreads.append(body_field(which, *(7.5 * directions + CENTER).T).std())
        return np.mean(spreads)

    assert roughness("smooth") < 0.75 * roughness("lobulated")
    assert roughness("smooth") < 0.75 * roughness("spiculated")


def test_what_a_nodule_is_made_of_shows_in_its_middle_and_near_its_edge():
    shell = np.random.default_rng(1).standard_normal((300, 3))
    shell *= 6.5 / np.linalg.norm(shell, axis=1, keepdims=True)
    middle = 0.25 * shell

    def hu(points, **what):
        return np.mean(at(nodule(**what), points)[1])

    assert hu(middle, hu=40.0) == pytest.approx(40, abs=25)
    assert hu(middle, kind="ground-glass", hu=-600.0) == pytest.approx(-600, abs=90)
    assert hu(middle, kind="part-solid", hu=-600.0) > hu(shell, kind="part-solid", hu=-600.0) + 300
    assert hu(middle, kind="cavitated", hu=30.0) < -800
    assert hu(shell, kind="cavitated", hu=30.0) > -100
    assert hu(middle, kind="calcified", hu=400.0) > 250


def test_the_seed_shapes_a_nodule_and_nothing_else_does():
    offsets = np.random.default_rng(2).uniform(-9, 9, (200, 3))
    field, hu = at(nodule(), offsets)
    again, hu_again = at(nodule(place="pleura", upper_lobe=True), offsets)
    np.testing.assert_array_equal(field, again)
    np.testing.assert_array_equal(hu, hu_again)
    moved = replace(nodule(), center_lps_mm=(0.0, 0.0, 0.0))
    there, _ = nodule_fields(moved, *offsets.T)
    np.testing.assert_allclose(field, there, atol=1e-3)
    assert np.abs(at(nodule(seed=6), offsets)[0] - field).max() > 0.3
