"""Moving points until their sketch is the data's: gradients, responses, and two ways to go."""

import numpy as np
import pytest
from planted import central_differences, operator_of

from sketchlearn import Sketcher
from sketchlearn.decoders.surrogates import points as cloud
from sketchlearn.decoders.surrogates.matching import (
    BLOCK,
    PointMatching,
    gauss_newton,
    quasi_newton,
)
from sketchlearn.decoders.surrogates.points import blur_covariance, move


def problem(n_points, *, d=2, m=60, scale=1.0, far=0.0):
    """A sketch of rows with two humps, a blur, and Gaussian points that are to match it."""
    rng = np.random.default_rng(0)
    operator = operator_of(d, m, scale=scale, center=far)
    humps = 1.5 * rng.choice([-1.0, 1.0], size=(4000, d))
    rows = operator.center + scale * (rng.standard_normal((4000, d)) + humps)
    sketch = Sketcher.from_operator(operator).sketch(rows)
    start = operator.center + 2.0 * scale * rng.standard_normal((n_points, d))
    return sketch, blur_covariance(operator), start


def blurred_sketch(operator, points, blur):
    """Centred sketch, stacked real, of equally weighted Gaussians, float64, by definition."""
    omega = operator.frequencies
    waves = np.exp(1j * operator.project(points - operator.center)).mean(axis=0)
    waves *= np.exp(-0.5 * np.sum(omega * (blur @ omega), axis=0))
    return np.concatenate([waves.real, waves.imag])


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize("n_points", [7, 2 * BLOCK + 3])
def test_the_residual_is_what_the_points_lack(scale, n_points):
    sketch, blur, start = problem(n_points, scale=scale, far=100.0 * scale)
    matching = PointMatching(sketch, blur)
    mean = sketch.centered_mean
    target = np.concatenate([mean.real, mean.imag])
    expected = target - blurred_sketch(sketch.operator, start, blur)
    np.testing.assert_allclose(matching.residual(matching.scaled(start)), expected, atol=2e-5)
    np.testing.assert_allclose(
        matching.unscaled(matching.scaled(start)), start, rtol=1e-6, atol=1e-6 * scale
    )


@pytest.mark.parametrize("n_points", [7, 2 * BLOCK + 3])
def test_pulled_points_follow_the_gradient(n_points):
    sketch, blur, start = problem(n_points, m=31)
    matching = PointMatching(sketch, blur)
    pulls = np.random.default_rng(1).standard_normal(62)
    velocities = matching.pulled(matching.scaled(start), pulls)
    assert velocities.shape == start.shape
    for i in (0, n_points - 1):
        expected = central_differences(
            lambda x: pulls @ blurred_sketch(sketch.operator, x[None], blur), start[i], 1e-4
        )
        np.testing.assert_allclose(velocities[i], expected * sketch.operator.scale, atol=2e-4)


def test_responses_are_what_pulls_change():
    sketch, blur, start = problem(300, m=31)
    matching = PointMatching(sketch, blur)
    points = matching.scaled(start)
    responses = matching.responses(points)
    np.testing.assert_allclose(responses, responses.T, atol=1e-6)
    pulls = 1e-2 * np.random.default_rng(1).standard_normal(62)
    moved = points + matching.pulled(points, pulls)
    change = matching.residual(points) - matching.residual(moved)
    expected = responses @ pulls
    # To first order.
    np.testing.assert_allclose(change, expected, atol=0.05 * np.abs(expected).max())


@pytest.mark.parametrize("way", [gauss_newton, quasi_newton])
def test_points_come_to_match(way):
    sketch, blur, start = problem(1500, d=3)
    matching = PointMatching(sketch, blur)
    points = matching.scaled(start)
    costs = []
    for max_iter in (0, 2, 10, 60):
        moved, cost, n_iter = way(matching, points, max_iter)
        assert moved.shape == points.shape
        assert n_iter <= max_iter
        lacking = matching.residual(moved.astype(np.float32))
        assert cost == pytest.approx(lacking @ lacking, rel=1e-2)
        costs.append(cost)
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] < 0.1 * sketch.standard_error**2 < 1e-2 * costs[0]


def test_solving_for_moves_takes_fewer_iterations():
    sketch, blur, start = problem(1500, d=3)
    matching = PointMatching(sketch, blur)
    points = matching.scaled(start)
    solved = gauss_newton(matching, points, 6)[1]
    assert solved < quasi_newton(matching, points, 12)[1]


def test_points_that_match_stay():
    sketch, blur, _ = problem(1)
    rng = np.random.default_rng(3)
    operator = sketch.operator
    at_one = Sketcher.from_operator(operator).sketch(np.tile(operator.center, (5, 1)))
    still = np.tile(operator.center, (400, 1))
    moved = move(at_one, still, np.zeros_like(blur), 5)
    np.testing.assert_allclose(moved.points, still, atol=1e-3)
    assert moved.cost < 1e-6
    jittered = move(at_one, still + 0.1 * rng.standard_normal(still.shape), 0.0 * blur, 20)
    assert np.abs(jittered.points - still).mean() < 0.05


def test_large_sketches_are_matched_without_a_matrix(monkeypatch):
    sketch, blur, start = problem(500)
    small = move(sketch, start, blur, 10)
    monkeypatch.setattr(cloud, "MOST_NUMBERS", 119)
    large = move(sketch, start, blur, 10)
    assert small.n_iter == 10
    assert large.n_iter == 10 * cloud.QUASI_MOVES
    assert max(small.cost, large.cost) < 0.1 * sketch.standard_error**2
