"""The compiled adjustment against the same in numpy, and the climb against a slow twin."""

from dataclasses import replace

import naive
import numpy as np
import pytest
from planted import operator_of

from sketchlearn._kernels.descent import climb
from sketchlearn._kernels.descent import descend as descend_blocks
from sketchlearn.atoms import DiagonalGaussian, Dirac, FullGaussian, SphericalGaussian
from sketchlearn.decoders import Fit, Problem
from sketchlearn.decoders.descent import descend
from sketchlearn.decoders.refinement import JointObjective
from sketchlearn.linear_maps import DenseMap, LinearMap
from sketchlearn.linear_maps.linear_map import in_blocks
from sketchlearn.optim.lbfgs import minimise
from sketchlearn.sketches import Region

# Features that are added four at a time, and one that is left.
D, K = 5, 4
KINDS = [Dirac, SphericalGaussian, DiagonalGaussian]


def draw_objective(kind, shapes, prior, *, m=300, spread=0.3):
    """An objective whose start is near what it is to find, where cost is not zero."""
    family, rng = kind(operator_of(D, m, reach=6.0)), np.random.default_rng(m)
    locations = family.operator.center + rng.uniform(-4.0, 4.0, (K, D))
    parameters = family.at(locations)
    parameters[:, D:] += spread * rng.standard_normal((K, family.n_shape))
    weights = rng.uniform(0.5, 1.5, K) / K
    noise = 0.02 * rng.standard_normal(2 * m)
    target = weights @ family.sketch(parameters).astype(np.float64) + noise
    region = Region.of_operator(family.operator)
    problem = Problem(family, K, target, noise=1.0, n_rows=1.0, region=region)
    start = parameters + 0.2 * rng.standard_normal(parameters.shape)
    return JointObjective(problem, Fit(np.full(K, 1.0 / K), start, np.nan), shapes, prior)


def run_both(objective, max_iter, tolerance=1e-6):
    box = objective.start, objective.lower, objective.upper
    expected = minimise(objective, *box, max_iter=max_iter, tolerance=tolerance)
    blocks = objective.problem.family.in_blocks
    return descend(objective, blocks, max_iter, tolerance), expected


@pytest.mark.parametrize("n_rows", [1, 3])
@pytest.mark.parametrize("m", [1, 16, 100, 256, 257, 1000])
def test_blocks_hold_the_rows_and_a_padding(n_rows, m):
    rows = np.random.default_rng(m).standard_normal((n_rows, m)).astype(np.float32)
    blocks = in_blocks(rows, padding=-7.0)
    flat = blocks.swapaxes(0, 1).reshape(n_rows, -1)
    np.testing.assert_array_equal(flat[:, :m], rows)
    assert np.all(flat[:, m:] == -7.0)
    assert flat.shape[1] - m < 16 * len(blocks)


@pytest.mark.parametrize("m", [5, 300])
def test_cost_and_gradient(m):
    rng = np.random.default_rng(m)
    turns, target = 0.1 * rng.standard_normal((D, m)).astype(np.float32), rng.standard_normal(2 * m)
    weights, parameters = rng.uniform(0.5, 1.5, K), rng.standard_normal((K, 2 * D))
    powers = -0.5 * np.log2(np.e) * (2.0 * np.pi * 1.5 * turns) ** 2
    rows = np.concatenate([in_blocks(turns), in_blocks(powers.astype(np.float32))], axis=1)
    common = in_blocks(np.zeros((1, m), np.float32), -200.0)[:, 0]
    x = np.concatenate([weights, parameters[:, :D].ravel(), parameters[:, D:].ravel()])
    n, gradient, past = x.size, np.full(x.size, np.nan), np.zeros(11)
    walls, pairs = np.full(n, np.inf), np.zeros((2, 10, n))
    counts = np.array([0, 0, -1, 0, 12, 0])
    work = np.full((2 * K + 3, rows.shape[2]), np.nan, dtype=np.float32)
    descend_blocks(
        rows, common, in_blocks(target.reshape(2, -1)), parameters, 2, 0.0, np.zeros(D),
        np.zeros(D), np.ones(n), -walls, walls, 0, np.ones(6), x, gradient, *pairs, np.zeros(10),
        past, counts, work,
    )  # fmt: skip
    cost, in_weights, slopes = naive.descend(turns, 1.5, weights, parameters, target)
    expected = np.concatenate([in_weights, slopes[:, :D].ravel(), slopes[:, D:].ravel()])
    assert past[0] == pytest.approx(cost, rel=1e-5)
    np.testing.assert_allclose(gradient, expected, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_array_equal(counts, [0, 0, -1, 1, 12, 0])


@pytest.mark.parametrize("prior", [0.0, 0.3])
@pytest.mark.parametrize("shapes", ["fixed", "shared", "free"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_first_iterations_are_those_of_the_minimiser(kind, shapes, prior):
    objective = draw_objective(kind, shapes, prior)
    for max_iter in (0, 1, 3):
        found, expected = run_both(objective, max_iter)
        assert found.n_iter == expected.n_iter == max_iter
        assert found.cost == pytest.approx(expected.cost, rel=1e-4)
        np.testing.assert_allclose(found.x, expected.x, atol=1e-4 * np.abs(expected.x).max())


@pytest.mark.parametrize("m", [16, 100, 300, 1000])
def test_any_number_of_frequencies_fits_in_blocks(m):
    found, expected = run_both(draw_objective(SphericalGaussian, "free", 0.0, m=m), 2)
    assert found.cost == pytest.approx(expected.cost, rel=1e-4)
    np.testing.assert_allclose(found.x, expected.x, atol=1e-4 * np.abs(expected.x).max())


@pytest.mark.parametrize("shapes", ["fixed", "shared", "free"])
def test_it_ends_in_the_same_minimum(shapes):
    found, expected = run_both(draw_objective(DiagonalGaussian, shapes, 0.01), 500)
    assert found.converged
    assert expected.converged
    assert found.cost == pytest.approx(expected.cost, rel=1e-4)


def test_equal_shapes_that_stay_have_one_envelope():
    found, expected = run_both(draw_objective(SphericalGaussian, "fixed", 0.0, spread=0.0), 3)
    assert found.cost == pytest.approx(expected.cost, rel=1e-4)


def test_what_all_envelopes_have_in_common_counts():
    objective = draw_objective(SphericalGaussian, "free", 0.0)
    problem, plain = objective.problem, objective.problem.family
    common = -np.random.default_rng(0).uniform(0.0, 3.0, 300)
    family = SphericalGaussian(plain.operator, common_log_envelope=common)
    start = Fit(np.full(K, 1.0 / K), objective.parameters, np.nan)
    other = JointObjective(replace(problem, family=family), start, "free")
    found, expected = run_both(other, 3)
    assert found.cost == pytest.approx(expected.cost, rel=1e-4)
    assert found.cost != pytest.approx(run_both(objective, 3)[0].cost, rel=1e-3)


def test_other_envelopes_and_wide_or_fast_maps_have_no_blocks():
    assert FullGaussian(operator_of(D, 30)).in_blocks is None
    rng = np.random.default_rng(0)
    assert DenseMap.draw(np.ones(300), 200, rng).in_blocks is None
    assert LinearMap.of_kind("fast").draw(np.ones(30), D, rng).in_blocks is None


@pytest.mark.parametrize("m", [40, 300])
@pytest.mark.parametrize("n_steps", [1, 4])
def test_points_climb(m, n_steps):
    rng = np.random.default_rng(n_steps)
    turns, center = 0.1 * rng.standard_normal((D, m)).astype(np.float32), rng.standard_normal(D)
    hill = np.exp(2j * np.pi * rng.standard_normal(D) @ turns)
    residual = np.concatenate([hill.real, hill.imag]).astype(np.float32)
    points, tau2 = center + rng.uniform(-3.0, 3.0, (20, D)), 0.4
    box = center - 2.5, center + 2.5
    blocks = in_blocks(residual.reshape(2, -1))
    expected = naive.climb(turns, residual, center, box, tau2, n_steps, 1e-3, points)
    climb(in_blocks(turns), blocks, center, *box, tau2, n_steps, 0.0, 1e-3, points)
    np.testing.assert_allclose(points, expected, atol=2e-3)
