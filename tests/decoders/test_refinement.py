"""What all decoders share: weights by non-negative least squares, and the joint adjustment."""

from dataclasses import replace

import numpy as np
import pytest
from planted import central_differences, operator_of
from scipy.optimize import nnls

from sketchlearn.atoms import Dirac, SphericalGaussian
from sketchlearn.decoders import Fit, Problem, adjust, solve_weights
from sketchlearn.decoders.refinement import (
    Candidates,
    JointObjective,
    compute_gram_matrix,
    solve_nonnegative,
)
from sketchlearn.sketches import Region

SHAPES = ["fixed", "shared", "free"]


@pytest.fixture
def family():
    return SphericalGaussian(operator_of(3, 200, reach=6.0))


def problem_of(family, weights, parameters):
    target = weights @ family.sketch(parameters).astype(np.float64)
    region = Region.of_operator(family.operator)
    return Problem(family, len(weights), target, noise=1.0, n_rows=1.0, region=region)


@pytest.fixture
def planted(family):
    """Parameters and weights, and the problem of finding them from their sketch."""
    parameters = family.at(
        family.operator.center
        + np.array([[-4.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, -4.0], [4.0, 0.0, 4.0]])
    )
    parameters[:, -1] = [0.0, 0.5, -0.5, 0.2]
    weights = np.array([0.1, 0.2, 0.3, 0.4])
    return parameters, weights, problem_of(family, weights, parameters)


def disturbed(problem, parameters, size=0.4):
    """The best weights for parameters that are off by about ``size``."""
    noise = size * np.random.default_rng(5).standard_normal(parameters.shape)
    return solve_weights(problem, np.clip(parameters + noise, *problem.bounds()))


def test_weights_equal_scipys_nnls(family):
    rng = np.random.default_rng(0)
    least, greatest = problem_of(family, np.ones(1), family.at(np.zeros((1, 3)))).bounds()
    # Some of the targets are no mixtures, so that some weights end at zero.
    n_zero = 0
    for _ in range(20):
        atoms = family.sketch(rng.uniform(least, greatest, size=(6, 4)))
        target = rng.standard_normal(6) @ atoms + 0.3 * rng.standard_normal(atoms.shape[1])
        expected, _ = nnls(atoms.T.astype(np.float64), target)
        weights = solve_nonnegative(target, atoms)
        assert np.all(weights >= 0)
        np.testing.assert_allclose(weights, expected, atol=1e-4)
        n_zero += np.count_nonzero(weights == 0)
    assert n_zero > 10


def test_equal_atoms_share_their_weight(family):
    atoms = np.repeat(family.sketch(family.at(family.operator.center[None])), 3, axis=0)
    weights = solve_nonnegative(0.6 * atoms[0].astype(np.float64), atoms)
    assert weights.sum() == pytest.approx(0.6, rel=1e-4)


def test_candidates_of_which_some_are_left_out_weigh_as_if_alone(family):
    rng = np.random.default_rng(1)
    parameters = family.at(family.operator.center + 5.0 * rng.standard_normal((6, 3)))
    problem = problem_of(family, np.full(6, 1.0 / 6.0), parameters)
    some = np.array([0, 2, 5])
    joined = Candidates.of(problem, parameters[some]).join(parameters[3:4])
    taken = Candidates.of(problem, parameters).take(np.append(some, 3))
    alone = solve_weights(problem, parameters[np.append(some, 3)])
    for one in (joined, taken):
        np.testing.assert_allclose(one.gram, taken.gram, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(one.solve_weights().weights, alone.weights, atol=1e-5)
        np.testing.assert_array_equal(one.parameters, alone.parameters)


def test_the_gram_matrix_is_that_of_the_atoms_and_positive(family):
    parameters = np.repeat(family.at(family.operator.center[None]), 2, axis=0)
    atoms = family.sketch(parameters)
    gram = compute_gram_matrix(atoms)
    np.testing.assert_allclose(gram, atoms @ atoms.T, rtol=3e-6)
    assert np.linalg.eigvalsh(gram)[0] > 0


def test_the_residual_is_what_the_atoms_leave(family, planted):
    parameters, weights, problem = planted
    atoms = family.sketch(parameters)
    residual = problem.compute_residual(weights[:3], atoms[:3])
    assert residual.dtype == np.float64
    np.testing.assert_allclose(residual, weights[3] * atoms[3], atol=1e-6)


def test_reweighting_finds_the_planted_weights(family, planted):
    parameters, weights, problem = planted
    fit = solve_weights(problem, parameters)
    np.testing.assert_allclose(fit.weights, weights, atol=1e-5)
    residual = problem.target - fit.weights @ family.sketch(parameters)
    assert fit.cost == pytest.approx(residual @ residual, abs=1e-9)


@pytest.mark.parametrize("shapes", SHAPES)
@pytest.mark.parametrize("kind", [Dirac, SphericalGaussian], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("prior", [0.0, 0.5])
def test_the_objectives_gradient(kind, shapes, prior, planted):
    family = kind(operator_of(3, 200, reach=6.0))
    problem = replace(planted[2], family=family)
    before = disturbed(problem, family.at(planted[0][:, :3]))
    objective = JointObjective(problem, before, shapes, prior)
    gradient = objective(objective.start)[1]
    # A step that float32 atoms resolve, in variables that are of order one.
    expected = central_differences(lambda x: objective(x)[0], objective.start, 3e-3)
    n_shapes = {"fixed": 0, "shared": family.n_shape, "free": 4 * family.n_shape}[shapes]
    assert gradient.shape == (4 + 4 * 3 + n_shapes,)
    np.testing.assert_allclose(gradient, expected, atol=2e-3 * np.abs(expected).max())


@pytest.mark.parametrize("shapes", SHAPES)
def test_the_variables_are_scaled_to_about_unit_curvature(planted, shapes):
    parameters, _, problem = planted
    objective = JointObjective(problem, solve_weights(problem, parameters), shapes)
    x, h = objective.start, 1e-3
    curvatures = []
    for i in range(x.size):
        ahead, behind = x + h * np.eye(x.size)[i], x - h * np.eye(x.size)[i]
        curvatures.append((objective(ahead)[1][i] - objective(behind)[1][i]) / (2 * h))
    assert np.min(curvatures) > 0.5
    assert np.max(curvatures) < 2.0


@pytest.mark.parametrize("shapes", SHAPES)
def test_adjusting_lowers_the_cost_and_moves_only_what_it_may(family, planted, shapes):
    parameters, _, problem = planted
    before = disturbed(problem, parameters)
    after = adjust(problem, before, shapes=shapes, max_iter=200)
    assert after.cost < 0.5 * before.cost
    assert after.n_iter > before.n_iter
    # The cost is that of what came back.
    residual = problem.compute_residual(after.weights, family.sketch(after.parameters))
    assert after.cost == pytest.approx(residual @ residual, rel=1e-3, abs=1e-9)
    moved = after.parameters[:, 3]
    if shapes == "fixed":
        np.testing.assert_array_equal(moved, before.parameters[:, 3])
    if shapes == "shared":
        assert np.ptp(moved) == 0.0


def test_a_prior_keeps_shapes_together_and_is_no_part_of_the_cost(family, planted):
    parameters, _, problem = planted
    start = solve_weights(problem, parameters)
    free, held = (
        adjust(problem, start, shapes="free", max_iter=200, prior=prior) for prior in (0.0, 100.0)
    )
    assert np.ptp(free.parameters[:, 3]) > 0.5
    assert np.ptp(held.parameters[:, 3]) < 0.1
    residual = problem.compute_residual(held.weights, family.sketch(held.parameters))
    assert held.cost == pytest.approx(residual @ residual, rel=1e-3)


def test_freeing_shapes_never_costs(family, planted):
    parameters, _, problem = planted
    fit = disturbed(problem, family.at(parameters[:, :3]))
    costs = []
    for shapes in SHAPES:
        fit = adjust(problem, fit, shapes=shapes, max_iter=300)
        costs.append(fit.cost)
    assert costs[0] > costs[1] > costs[2]
    np.testing.assert_allclose(fit.parameters, parameters, atol=1e-3)
    np.testing.assert_allclose(fit.weights, planted[1], atol=1e-4)


@pytest.mark.parametrize("shapes", SHAPES)
def test_adjusting_stays_within_the_bounds(shapes):
    inner = operator_of(3, 200, reach=2.0)
    family = SphericalGaussian(inner)
    # What is sought lies outside the box, is wider than any atom may be, and has a negative share.
    outside = np.array([[3.0, 0.0, 0.0, 0.0], [0.0, -3.0, 0.0, 5.0], [0.0, 0.0, 1.0, 0.0]])
    outside[:, :3] += inner.center
    problem = problem_of(family, np.array([0.7, 0.7, -0.4]), outside)
    least, greatest = problem.bounds()
    start = np.clip(outside, least, greatest)
    fit = Fit(np.full(3, 1 / 3), start, np.inf)
    after = adjust(problem, fit, shapes=shapes, max_iter=200)
    assert np.all(after.weights >= 0)
    # The scaling of the variables costs a rounding.
    slack = 1e-12 * np.maximum(1.0, np.abs(least) + np.abs(greatest))
    assert np.all(after.parameters >= least - slack)
    assert np.all(after.parameters <= greatest + slack)
    assert np.any(np.abs(after.parameters - greatest) <= slack)


def test_an_adjustment_that_is_cut_short_says_so(family, planted):
    parameters, _, problem = planted
    before = replace(disturbed(problem, parameters), n_iter=11)
    after = adjust(problem, before, shapes="free", max_iter=2)
    assert not after.converged
    assert after.n_iter == 13


def test_nearly_equal_atoms_have_weights():
    family = SphericalGaussian(operator_of(5, 400))
    rng = np.random.default_rng(0)
    for spread in 10.0 ** np.arange(-6.0, 0.0):
        locations = family.operator.center + spread * rng.standard_normal((30, 5))
        atoms = family.sketch(family.at(locations))
        target = atoms.astype(np.float64).mean(axis=0)
        weights = solve_nonnegative(target, atoms)
        assert weights.sum() == pytest.approx(1.0, abs=1e-3)
