"""Moving points until their sketch is the data's: gradients, the matrix, and two ways to go."""

import numpy as np
import pytest
from planted import central_differences, operator_of

from sketchlearn import Sketcher
from sketchlearn.atoms import Dirac
from sketchlearn.decoders import Problem
from sketchlearn.decoders.refinement import REFINING
from sketchlearn.decoders.surrogates.matching import (
    POINTS_AT_ONCE,
    PointMatching,
    gauss_newton,
    quasi_newton,
)
from sketchlearn.decoders.surrogates.moment_matching import MOMENTS
from sketchlearn.decoders.surrogates.points import choose_bandwidth, match_points


def planted(n_points, *, d=2, m=60, scale=1.0, far=0.0):
    """The problem of rows with two humps, a bandwidth, and Gaussian points that are to match."""
    rng = np.random.default_rng(0)
    operator = operator_of(d, m, scale=scale, center=far)
    humps = 1.5 * rng.choice([-1.0, 1.0], size=(4000, d))
    rows = operator.center + scale * (rng.standard_normal((4000, d)) + humps)
    sketch = Sketcher.from_operator(operator).sketch(rows)
    start = operator.center + 2.0 * scale * rng.standard_normal((n_points, d))
    problem = problem_of(sketch)
    return problem, choose_bandwidth(problem), start


def problem_of(sketch):
    return Problem.of(sketch, Dirac(sketch.operator), 1)


def sketch_of_points(problem, points, bandwidth):
    """Centred sketch, stacked real, of equally weighted Gaussians, float64, by definition."""
    operator = problem.family.operator
    omega = operator.frequencies
    waves = np.exp(1j * operator.project(points - operator.center)).mean(axis=0)
    waves *= np.exp(-0.5 * np.sum(omega * (bandwidth @ omega), axis=0))
    return np.concatenate([waves.real, waves.imag])


def numbers_of_points(problem, points, bandwidth):
    """All numbers of points that are matched, float64, by definition."""
    region, scale = problem.region, problem.family.operator.scale
    units = np.maximum(np.sqrt(np.diag(region.covariance)), scale)
    u = (points - region.mean) / units
    pairs = np.triu_indices(u.shape[1])
    products = (u.T @ u / len(u))[pairs]
    sketch = sketch_of_points(problem, points, bandwidth)
    return np.concatenate([sketch, MOMENTS.weight * u.mean(axis=0), MOMENTS.weight * products])


def moments_that_lack(problem, points, bandwidth):
    """The rows' covariance, less the kernel's and the points', in the units of both; the mean."""
    region, scale = problem.region, problem.family.operator.scale
    units = np.maximum(np.sqrt(np.diag(region.covariance)), scale)
    wanted = (region.covariance - bandwidth) / np.outer(units, units)
    found = numbers_of_points(problem, points, bandwidth)[len(problem.target) :]
    d = len(units)
    return np.concatenate([np.zeros(d), MOMENTS.weight * wanted[np.triu_indices(d)]]) - found


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize("n_points", [7, 2 * POINTS_AT_ONCE + 3])
def test_the_residual_is_what_the_points_lack(scale, n_points):
    problem, bandwidth, start = planted(n_points, scale=scale, far=100.0 * scale)
    matching = PointMatching(problem, bandwidth)
    lacking = matching.compute_residual(matching.to_units(start))
    expected = problem.target - sketch_of_points(problem, start, bandwidth)
    np.testing.assert_allclose(lacking[: len(expected)], expected, atol=2e-5)
    np.testing.assert_allclose(
        lacking[len(expected) :], moments_that_lack(problem, start, bandwidth), atol=2e-4
    )
    np.testing.assert_allclose(
        matching.from_units(matching.to_units(start)), start, rtol=1e-6, atol=1e-6 * scale
    )


@pytest.mark.parametrize("n_points", [7, 2 * POINTS_AT_ONCE + 3])
def test_moves_follow_the_gradient(n_points):
    problem, bandwidth, start = planted(n_points, m=31)
    matching = PointMatching(problem, bandwidth)
    duals = np.random.default_rng(1).standard_normal(62 + 5)
    moves = matching.compute_moves(matching.to_units(start), duals)
    assert moves.shape == start.shape
    for i in (0, n_points - 1):
        expected = central_differences(
            lambda x: duals @ numbers_of_points(problem, x[None], bandwidth), start[i], 1e-4
        )
        np.testing.assert_allclose(moves[i], expected * problem.family.operator.scale, atol=2e-4)


def test_the_matrix_is_what_dual_variables_change():
    problem, bandwidth, start = planted(300, m=31)
    matching = PointMatching(problem, bandwidth)
    points = matching.to_units(start)
    matrix = matching.compute_gauss_newton_matrix(points)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-6)
    duals = 1e-2 * np.random.default_rng(1).standard_normal(62 + 5)
    moved = points + matching.compute_moves(points, duals)
    change = matching.compute_residual(points) - matching.compute_residual(moved)
    expected = matrix @ duals
    # To first order.
    np.testing.assert_allclose(change, expected, atol=0.05 * np.abs(expected).max())


@pytest.mark.parametrize("way", [gauss_newton, quasi_newton])
def test_points_come_to_match(way):
    problem, bandwidth, start = planted(1500, d=3)
    matching = PointMatching(problem, bandwidth)
    points = matching.to_units(start)
    costs = []
    for max_iter in (0, 2, 10, 60):
        moved, cost, n_iter = way(matching, points, max_iter)
        assert moved.shape == points.shape
        assert n_iter <= max_iter
        lacking = matching.compute_residual(moved.astype(np.float32))
        assert cost == pytest.approx(matching.compute_cost(lacking), rel=1e-2)
        costs.append(cost)
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] < 0.1 * problem.noise < 1e-2 * costs[0]


def test_solving_for_moves_takes_fewer_iterations():
    problem, bandwidth, start = planted(1500, d=3)
    matching = PointMatching(problem, bandwidth)
    points = matching.to_units(start)
    solved = gauss_newton(matching, points, 6)[1]
    assert solved < quasi_newton(matching, points, 12)[1]


def test_points_that_match_stay():
    problem, bandwidth, _ = planted(1)
    rng = np.random.default_rng(3)
    operator = problem.family.operator
    at_one = Sketcher.from_operator(operator).sketch(np.tile(operator.center, (5, 1)))
    at_one = problem_of(at_one)
    still = np.tile(operator.center, (400, 1))
    moved = match_points(at_one, still, np.zeros_like(bandwidth), 5)
    np.testing.assert_allclose(moved.points, still, atol=1e-3)
    assert moved.cost < 1e-6
    jittered = match_points(
        at_one, still + 0.1 * rng.standard_normal(still.shape), 0.0 * bandwidth, 20
    )
    assert np.abs(jittered.points - still).mean() < 0.05


def test_large_sketches_are_matched_without_a_matrix():
    problem, bandwidth, start = planted(500)
    small = match_points(problem, start, bandwidth, 10)
    large = match_points(problem, start, bandwidth, 10, most_numbers=119)
    assert small.n_iter == 10
    assert 10 < large.n_iter <= REFINING.n_many
    assert max(small.cost, large.cost) < 0.1 * problem.noise
