"""Drawn nodules are as many, as large and where the population has them."""

import numpy as np
import pytest

from LungCancerDxLib.phantom.nodules.population import (
    APART_MM,
    BIG_MM,
    BRONCHIAL_DEPTH,
    INNER_FREE_MM,
    ISOLATED_FREE_MM,
    MOST_BIG,
    ON_VESSEL,
    PLEURAL_DEPTH,
    draw_diameter_mm,
    draw_nodule,
    draw_nodules,
    find_place,
)
from Testing.Benchmarks.phantom_figures import PlainLungs

LUNGS = PlainLungs()


def patients(count, population="dsb", seed=0):
    rng = np.random.default_rng(seed)
    return [draw_nodules(rng, LUNGS, population=population) for _ in range(count)]


@pytest.fixture(scope="module")
def cohort():
    return patients(250)


@pytest.mark.parametrize(("population", "mean_mm"), [("luna", 8.3), ("dsb", 13.7)])
def test_mean_diameters_are_those_of_figure_2(population, mean_mm):
    rng = np.random.default_rng(1)
    diameters = np.array([draw_diameter_mm(rng, population) for _ in range(6000)])
    assert diameters.mean() == pytest.approx(mean_mm, rel=0.03)
    beyond = np.mean(diameters > 40)
    assert 0.015 < beyond < 0.05 if population == "dsb" else beyond == 0


def test_no_patient_has_more_than_four_big_nodules_and_some_have_none(cohort):
    assert max(sum(n.diameter_mm >= BIG_MM for n in patient) for patient in cohort) <= MOST_BIG
    crowd = [draw_nodules(np.random.default_rng(seed), LUNGS, count=12) for seed in range(4)]
    assert [sum(n.diameter_mm >= BIG_MM for n in patient) for patient in crowd] == [MOST_BIG] * 4
    assert 0.2 < np.mean([len(patient) == 0 for patient in cohort]) < 0.5


def test_the_same_seed_draws_the_same_nodules():
    assert patients(5, seed=3) == patients(5, seed=3)
    assert patients(5, seed=3) != patients(5, seed=4)


def test_every_kind_margin_and_place_occurs_and_big_nodules_are_more_often_spiculated(cohort):
    nodules = [nodule for patient in cohort for nodule in patient]
    assert {n.kind for n in nodules} == {"solid", "part-solid", "ground-glass", "calcified", "cavitated"}
    assert {n.margin for n in nodules} == {"smooth", "lobulated", "spiculated"}
    assert {n.place for n in nodules} == {"isolated", "vessel", "pleura", "bronchus"}
    big = [n.margin == "spiculated" for n in nodules if n.diameter_mm > 20]
    small = [n.margin == "spiculated" for n in nodules if n.diameter_mm < 12]
    assert np.mean(big) > 0.3 > 0.1 > np.mean(small)
    assert len({n.seed for n in nodules}) == len(nodules)


def test_every_place_keeps_its_depth(cohort):
    for patient in cohort:
        for n in patient:
            radius, center = n.diameter_mm / 2, np.array([n.center_lps_mm])
            depth = LUNGS.depth_mm(center)[0]
            if n.place == "isolated":
                assert depth >= radius + ISOLATED_FREE_MM
            elif n.place == "pleura":
                assert PLEURAL_DEPTH[0] * radius <= depth <= PLEURAL_DEPTH[1] * radius
            elif n.place == "vessel":
                assert depth >= radius + INNER_FREE_MM
                way = np.linalg.norm(LUNGS.vessels[:, :3] - center, axis=1).min()
                assert way <= ON_VESSEL[1] * radius + 1e-6
            else:
                assert depth >= BRONCHIAL_DEPTH * radius
                way = (np.linalg.norm(LUNGS.bronchi[:, :3] - center, axis=1) - LUNGS.bronchi[:, 3]).min()
                assert way <= radius + 1e-6
            assert n.upper_lobe == LUNGS.upper(center)[0]


def test_nodules_of_a_patient_lie_apart(cohort):
    for patient in cohort:
        for number, a in enumerate(patient):
            for b in patient[:number]:
                way = np.linalg.norm(np.subtract(a.center_lps_mm, b.center_lps_mm))
                assert way >= (a.diameter_mm + b.diameter_mm) / 2 + APART_MM - 1e-6


def test_a_nodule_without_room_at_its_place_goes_to_another_and_one_too_large_to_none():
    rng = np.random.default_rng(0)
    without = PlainLungs(vessels=np.empty((0, 4)), bronchi=np.empty((0, 4)))
    moved = draw_nodule(rng, without, 12.0, place="vessel")
    assert moved is not None
    assert moved.place == "isolated"
    assert draw_nodule(rng, without, 200.0) is None


def test_a_place_stays_out_of_the_balls_to_keep_away_from():
    rng = np.random.default_rng(0)
    ball = ((75.0, 0.0, -30.0), 40.0)
    for _ in range(20):
        center = find_place(rng, LUNGS, 10.0, "isolated", [ball])
        assert np.linalg.norm(np.subtract(center, ball[0])) >= 45.0
