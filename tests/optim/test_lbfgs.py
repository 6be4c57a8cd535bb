"""The two-loop recursion against dense matrices, and the minimiser against known minima."""

import itertools

import naive
import numpy as np
import pytest
from scipy.optimize import minimize

from sketchlearn._kernels.lbfgs import lbfgs_direction
from sketchlearn.optim.lbfgs import LBFGSSettings, minimise

UNBOUNDED = np.full(2, np.inf)


@pytest.mark.parametrize("n_pairs", [1, 2, 4, 5, 7, 13])
def test_two_loops_equal_the_dense_update(n_pairs):
    memory, n = 5, 7
    rng = np.random.default_rng(n_pairs)
    root = rng.standard_normal((n, n))
    hessian = root @ root.T + np.eye(n)
    pairs = [(step, hessian @ step) for step in rng.standard_normal((n_pairs, n))]
    steps, changes = np.full((memory, n), np.nan), np.full((memory, n), np.nan)
    curvatures = np.full(memory, np.nan)
    for i, (step, change) in enumerate(pairs):
        steps[i % memory], changes[i % memory] = step, change
        curvatures[i % memory] = step @ change
    gradient, direction = rng.standard_normal(n), np.empty(n)
    n_stored, newest = min(n_pairs, memory), (n_pairs - 1) % memory
    lbfgs_direction(gradient, steps, changes, curvatures, n_stored, newest, direction)
    np.testing.assert_allclose(
        direction, naive.lbfgs_direction(gradient, pairs[-memory:]), rtol=1e-9
    )


def test_without_pairs_it_is_steepest_descent():
    gradient, direction = np.array([1.0, -2.0, 3.0]), np.empty(3)
    empty = np.full((4, 3), np.nan)
    lbfgs_direction(gradient, empty, empty, np.full(4, np.nan), 0, -1, direction)
    np.testing.assert_array_equal(direction, naive.lbfgs_direction(gradient, []))


class Watched:
    """An objective that remembers where it was asked."""

    def __init__(self, objective):
        self.objective = objective
        self.points = []

    def __call__(self, x):
        self.points.append(x.copy())
        return self.objective(x)


def quadratic(hessian, middle):
    def objective(x):
        slope = hessian @ (x - middle)
        return 0.5 * float((x - middle) @ slope), slope

    return objective


def rosenbrock(x):
    a, b = 1.0 - x[0], x[1] - x[0] ** 2
    return a**2 + 100.0 * b**2, np.array([-2.0 * a - 400.0 * x[0] * b, 200.0 * b])


def test_a_diagonal_quadratic_in_a_box_is_clipped():
    rng = np.random.default_rng(0)
    diagonal, middle = rng.uniform(0.1, 10.0, 12), 3.0 * rng.standard_normal(12)
    end = minimise(
        quadratic(np.diag(diagonal), middle),
        np.zeros(12),
        np.full(12, -1.0),
        np.full(12, 2.0),
        max_iter=300,
        tolerance=1e-12,
    )
    np.testing.assert_allclose(end.x, np.clip(middle, -1.0, 2.0), atol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_a_quadratic_in_a_box_equals_scipy(seed):
    rng = np.random.default_rng(seed)
    n = 15
    root = rng.standard_normal((n, n))
    objective = Watched(quadratic(root @ root.T + 0.1 * np.eye(n), rng.standard_normal(n)))
    lower, upper = np.full(n, -0.4), np.full(n, 0.6)
    lower[:3], upper[3:6] = -np.inf, np.inf
    end = minimise(objective, rng.standard_normal(n), lower, upper, max_iter=2000, tolerance=1e-13)
    theirs = minimize(
        objective.objective,
        np.zeros(n),
        jac=True,
        method="L-BFGS-B",
        bounds=list(zip(lower, upper, strict=True)),
        options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 5000},
    )
    assert end.converged
    assert end.cost == pytest.approx(theirs.fun, rel=1e-6)
    np.testing.assert_allclose(end.x, theirs.x, atol=2e-3)
    assert all(np.all((lower <= x) & (x <= upper)) for x in objective.points)


def test_rosenbrock():
    end = minimise(
        rosenbrock, np.array([-1.2, 1.0]), -UNBOUNDED, UNBOUNDED, max_iter=200, tolerance=0.0
    )
    np.testing.assert_allclose(end.x, [1.0, 1.0], atol=1e-6)
    assert end.n_iter < 100


def test_rosenbrock_against_a_wall():
    upper = np.array([0.5, np.inf])
    end = minimise(
        rosenbrock, np.array([-1.2, 1.0]), -UNBOUNDED, upper, max_iter=200, tolerance=1e-12
    )
    np.testing.assert_allclose(end.x, [0.5, 0.25], atol=1e-6)
    assert end.cost == pytest.approx(0.25, rel=1e-9)


def test_a_start_outside_the_box_is_moved_into_it():
    objective = Watched(quadratic(np.eye(2), np.zeros(2)))
    lower, upper = np.array([1.0, 1.0]), np.array([2.0, 2.0])
    end = minimise(objective, np.array([9.0, -9.0]), lower, upper, max_iter=50, tolerance=1e-9)
    np.testing.assert_allclose(end.x, lower, atol=1e-9)
    np.testing.assert_array_equal(objective.points[0], [2.0, 1.0])


def test_at_the_minimum_it_stays():
    minimum = np.array([0.3, -0.2])
    end = minimise(
        quadratic(np.eye(2), minimum), minimum, -UNBOUNDED, UNBOUNDED, max_iter=50, tolerance=1e-9
    )
    assert end.converged
    assert end.n_iter == 1
    np.testing.assert_array_equal(end.x, minimum)


def test_the_cost_never_rises_with_more_iterations():
    costs = [
        minimise(
            rosenbrock, np.array([-1.2, 1.0]), -UNBOUNDED, UNBOUNDED, max_iter=n, tolerance=0.0
        ).cost
        for n in range(1, 40)
    ]
    assert costs[0] < rosenbrock(np.array([-1.2, 1.0]))[0]
    assert all(after <= before for before, after in itertools.pairwise(costs))


def test_the_iteration_limit_is_told():
    end = minimise(
        rosenbrock, np.array([-1.2, 1.0]), -UNBOUNDED, UNBOUNDED, max_iter=3, tolerance=0.0
    )
    assert (end.n_iter, end.converged) == (3, False)


def test_a_loose_tolerance_ends_it_earlier():
    start = np.array([-1.2, 1.0])
    ends = [
        minimise(rosenbrock, start, -UNBOUNDED, UNBOUNDED, max_iter=200, tolerance=tolerance)
        for tolerance in (0.99, 1e-12)
    ]
    assert ends[0].converged
    assert ends[1].converged
    assert ends[0].n_iter < ends[1].n_iter
    assert ends[0].cost > ends[1].cost


def test_the_first_step_is_no_longer_than_asked():
    objective = Watched(quadratic(1e6 * np.eye(2), np.array([5.0, -5.0])))
    minimise(
        objective,
        np.zeros(2),
        -UNBOUNDED,
        UNBOUNDED,
        max_iter=5,
        tolerance=0.0,
        first_step=0.25,
    )
    assert np.abs(objective.points[1]).max() == pytest.approx(0.25)


def test_more_steps_than_the_memory_holds():
    rng = np.random.default_rng(1)
    memory = LBFGSSettings().memory
    n = 6 * memory
    objective = quadratic(np.diag(np.geomspace(1.0, 1e4, n)), rng.standard_normal(n))
    unbounded = np.full(n, np.inf)
    end = minimise(objective, np.zeros(n), -unbounded, unbounded, max_iter=2000, tolerance=1e-12)
    assert end.n_iter > 2 * memory
    assert end.cost < 1e-10


def test_every_iteration_tells_the_cost_before_it():
    told, start = [], np.array([-1.2, 1.0])
    options = {"max_iter": 20, "tolerance": 0.0}
    end = minimise(rosenbrock, start, -UNBOUNDED, UNBOUNDED, on_iteration=told.append, **options)
    assert len(told) == end.n_iter == 20
    assert told[0] == rosenbrock(start)[0]
    assert sorted(told, reverse=True) == told
    assert told[-1] >= end.cost


def test_one_pair_is_memory_enough_for_a_circle():
    settings = LBFGSSettings(memory=1, window=3)
    options = {"max_iter": 50, "tolerance": 1e-12, "settings": settings}
    end = minimise(quadratic(np.eye(2), np.ones(2)), np.zeros(2), -UNBOUNDED, UNBOUNDED, **options)
    np.testing.assert_allclose(end.x, 1.0, atol=1e-9)
    assert end.converged
