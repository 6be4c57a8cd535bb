"""Noise of a sketch, what mixtures leave beside it, and valleys between components."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from sketchlearn import Sketcher
from sketchlearn.model_selection.noise import ChosenWaves, WhitenedSketch
from sketchlearn.model_selection.overlap import compute_valleys, group_components
from sketchlearn.model_selection.refinement import Shapes, linearise, refine
from sketchlearn.model_selection.stability import assign_rows, draw_rows
from sketchlearn.points.em import Moments, merge

MIXTURE = Moments(
    np.array([0.5, 0.3, 0.2]),
    np.array([[0.0, 0.0], [4.0, 1.0], [-3.0, 5.0]]),
    np.array([[[1.0, 0.3], [0.3, 0.5]], [[0.4, 0.0], [0.0, 2.0]], [[1.0, -0.8], [-0.8, 1.0]]]),
)
FREQUENCIES = np.random.default_rng(1).normal(size=(2, 12))
WAVES = ChosenWaves(FREQUENCIES, np.array([0.5, -1.0]))


def draw(n, seed):
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, size=n, p=MIXTURE.weights)
    factors = np.linalg.cholesky(MIXTURE.covariances)
    return MIXTURE.means[labels] + np.einsum(
        "nde,ne->nd", factors[labels], rng.standard_normal((n, 2))
    )


def whiten(n, seed, mixture=MIXTURE):
    sketcher = Sketcher(40, scale=1.0, random_state=seed + 100).fit(draw(500, seed + 1))
    sketch = sketcher.sketch(draw(n, seed))
    frequencies = sketch.operator.linear_map.project(np.eye(2))
    waves = ChosenWaves(frequencies, sketch.operator.center)
    return WhitenedSketch.of(sketch, waves, np.arange(40), mixture)


def test_the_covariance_is_that_of_rows_cosines_and_sines():
    turns = (draw(200_000, 0) - WAVES.center) @ FREQUENCIES
    empirical = np.cov(np.hstack([np.cos(turns), np.sin(turns)]).T)
    np.testing.assert_allclose(WAVES.compute_covariance(MIXTURE), empirical, atol=0.01)


def test_a_blur_is_a_covariance_off_the_axes():
    wide = np.random.default_rng(2).normal(size=(3, 12))
    flat = ChosenWaves(wide[:2], np.zeros(2), 0.7 * np.outer(wide[2], wide[2]))
    means = np.hstack([MIXTURE.means, np.zeros((3, 1))])
    covariances = np.zeros((3, 3, 3))
    covariances[:, :2, :2], covariances[:, 2, 2] = MIXTURE.covariances, 0.7
    whole = ChosenWaves(wide, np.zeros(3))
    np.testing.assert_allclose(
        flat.compute_covariance(MIXTURE),
        whole.compute_covariance(Moments(MIXTURE.weights, means, covariances)),
        atol=1e-12,
    )
    np.testing.assert_allclose(
        flat.compute_atoms(MIXTURE.means, MIXTURE.covariances),
        whole.compute_atoms(means, covariances),
    )


@pytest.mark.slow
def test_the_right_mixture_leaves_a_square_for_each_number():
    sketches = [whiten(20_000, seed) for seed in range(30)]
    left = [np.sum(each.compute_residual(MIXTURE) ** 2) - each.n_numbers for each in sketches]
    deviation = np.sqrt(2 * np.mean([each.n_numbers for each in sketches]))
    assert abs(np.mean(left)) < 4 * deviation / np.sqrt(30)
    assert np.std(left) == pytest.approx(deviation, rel=0.6)


@pytest.mark.parametrize("covariance_type", ["spherical", "diag", "full"])
def test_derivatives_are_differences(covariance_type):
    shapes = Shapes.of(covariance_type, 2, 1e-3)
    sketch, step = whiten(5_000, 3), 1e-5
    rest = sketch.target
    residual, jacobian = linearise(sketch, MIXTURE, shapes.tangents, rest)
    np.testing.assert_allclose(residual, sketch.compute_residual(MIXTURE))
    columns = []
    for i in range(3):
        directions = [(step, np.zeros(2), np.zeros((2, 2)))]
        directions += [(0.0, step * axis, np.zeros((2, 2))) for axis in np.eye(2)]
        directions += [(0.0, np.zeros(2), step * each) for each in shapes.tangents]
        for parts in directions:
            left = []
            for sign in (1.0, -1.0):
                moved = Moments(*(each.copy() for each in MIXTURE))
                for whole, part in zip(moved, parts, strict=True):
                    whole[i] += sign * part
                left.append(sketch.compute_residual(moved))
            columns.append((left[1] - left[0]) / (2 * step))
    np.testing.assert_allclose(jacobian, np.array(columns).T, rtol=1e-3, atol=1e-2)


def test_refinement_finds_the_mixture_again():
    sketch = whiten(200_000, 4)
    start = MIXTURE._replace(means=MIXTURE.means + 0.2, covariances=1.3 * MIXTURE.covariances)
    found, deviance = refine(sketch, start, Shapes.of("full", 2, 1e-3), np.arange(3), 30)
    np.testing.assert_allclose(found.means, MIXTURE.means, atol=0.05)
    np.testing.assert_allclose(found.covariances, MIXTURE.covariances, atol=0.1)
    np.testing.assert_allclose(found.weights, MIXTURE.weights, atol=0.01)
    assert deviance == pytest.approx(np.sum(sketch.compute_residual(found) ** 2))
    assert deviance < np.sum(sketch.compute_residual(MIXTURE) ** 2)


def test_components_outside_the_block_stay():
    sketch = whiten(5_000, 5)
    found, _ = refine(sketch, MIXTURE, Shapes.of("full", 2, 1e-3), np.array([1]), 3)
    for before, after in zip(MIXTURE, found, strict=True):
        np.testing.assert_array_equal(before[[0, 2]], after[[0, 2]])
        assert not np.array_equal(before[1], after[1])


def test_a_merger_keeps_the_moments():
    one = merge(MIXTURE, np.array([0]), np.array([1]))
    shares = MIXTURE.weights[:2] / 0.8
    mean = shares @ MIXTURE.means[:2]
    second = MIXTURE.covariances[:2] + np.einsum("kd,ke->kde", MIXTURE.means[:2], MIXTURE.means[:2])
    assert one.weights == pytest.approx([0.8])
    np.testing.assert_allclose(one.means[0], mean)
    np.testing.assert_allclose(
        one.covariances[0], np.tensordot(shares, second, 1) - np.outer(mean, mean)
    )


@pytest.mark.parametrize("apart", [1.0, 1.9, 2.5, 3.0, 4.0])
def test_the_valley_between_equal_components_is_half_way(apart):
    turn = np.array([[1.0, 2.0], [-0.5, 0.7]])
    means = np.array([[0.0, 0.0], [apart, 0.0]]) @ turn.T
    pair = Moments(np.array([0.3, 0.3]), means, np.array([turn @ turn.T] * 2))
    # At the peaks the density is at most one component's plus the other's there.
    x = np.linspace(0.0, apart, 2001)
    density = np.exp(-0.5 * x**2) + np.exp(-0.5 * (x - apart) ** 2)
    expected = 2 * np.exp(-(apart**2) / 8) / density.max()
    assert compute_valleys(pair)[0, 1] == pytest.approx(min(expected, 1.0), abs=2e-3)


def test_there_is_no_valley_around_a_common_centre():
    wide = Moments(np.array([0.1, 0.9]), np.zeros((2, 2)), np.array([np.eye(2), 9.0 * np.eye(2)]))
    np.testing.assert_allclose(compute_valleys(wide), 1.0)


def test_groups_are_chains_without_a_valley():
    valleys = np.array([[1.0, 0.9, 0.1], [0.9, 1.0, 0.85], [0.1, 0.85, 1.0]])
    assert len(set(group_components(valleys, 0.8))) == 1
    assert len(set(group_components(valleys, 0.87))) == 2


def test_other_noise_is_of_unit_variance_and_leaves_the_sum_of_weights():
    sketch = whiten(5_000, 3)
    rng = np.random.default_rng(0)
    noise = np.array([sketch.add_noise(rng).target - sketch.target for _ in range(200)])
    assert not noise[:, -1].any()
    squares = noise[:, :-1] ** 2
    assert abs(squares.mean() - 1.0) < 5 * np.sqrt(2 / squares.size)
    assert abs(noise[:, :-1].mean()) < 5 / np.sqrt(squares.size)


def test_rows_are_drawn_of_the_mixture_and_assigned_as_by_its_densities():
    rows = draw_rows(MIXTURE, 100_000, np.random.default_rng(0))
    apart = MIXTURE.means - MIXTURE.weights @ MIXTURE.means
    covariance = np.einsum("k,kde->de", MIXTURE.weights, MIXTURE.covariances)
    covariance += np.einsum("k,kd,ke->de", MIXTURE.weights, apart, apart)
    np.testing.assert_allclose(rows.mean(axis=0), MIXTURE.weights @ MIXTURE.means, atol=0.07)
    np.testing.assert_allclose(np.cov(rows.T), covariance, rtol=0.05)
    densities = [
        weight * multivariate_normal(mean, matrix).pdf(rows[:500])
        for weight, mean, matrix in zip(*MIXTURE, strict=True)
    ]
    np.testing.assert_array_equal(assign_rows(MIXTURE, rows[:500]), np.argmax(densities, axis=0))
    absent = MIXTURE._replace(weights=np.array([0.5, 0.5, 0.0]))
    assert set(assign_rows(absent, rows)) == {0, 1}
