"""What a likelihood loses to a sketch's noise: against draws, and against likelihoods."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from sketchlearn import Sketcher
from sketchlearn.atoms import DiagonalGaussian, FullGaussian, SphericalGaussian
from sketchlearn.decoders import Problem, adjust, solve_weights
from sketchlearn.decoders.sampling_loss import (
    estimate_sampling_loss,
    estimate_variance_errors,
)

MEANS = np.array([[0.0, 0.0], [40.0, 0.0], [0.0, 40.0]])


def draw(rng, n):
    return MEANS[rng.integers(3, size=n)] + rng.normal(size=(n, 2))


def match(family_of, scale, seed):
    """Return a problem, and the mixture that fits its sketch best near the truth."""
    rows = draw(np.random.default_rng(seed), 4000)
    sketcher = Sketcher(60, n_clusters=3, scale=scale, keep_pilot=False, random_state=0)
    sketch = sketcher.fit(draw(np.random.default_rng(0), 4000)).sketch(rows)
    family = family_of(sketch.operator)
    problem = Problem.of(sketch, family, 3)
    start = solve_weights(problem, family.from_covariances(MEANS, np.array([np.eye(2)] * 3)))
    fit = adjust(problem, start, shapes="free", max_iter=1000, tolerance=1e-12)
    return problem, problem.make_mixture(fit)


def compute_loss(mixture, rows):
    """Return by how much the log-likelihood of rows is below that of the truth."""
    moments = mixture.moments
    truth = sum(multivariate_normal(m, np.eye(2)).pdf(rows) / 3.0 for m in MEANS)
    found = sum(
        w * multivariate_normal(m, c).pdf(rows)
        for w, m, c in zip(moments.weights, moments.means, moments.covariances, strict=True)
    )
    return float(np.mean(np.log(truth) - np.log(found)))


@pytest.mark.slow
@pytest.mark.parametrize("scale", [0.5, 1.0, 5.0])
@pytest.mark.parametrize("family", [SphericalGaussian, DiagonalGaussian, FullGaussian])
def test_the_loss_is_that_of_fits_to_other_draws(family, scale):
    rows = draw(np.random.default_rng(99), 20_000)
    lost, estimated = [], []
    for seed in range(12):
        problem, mixture = match(family, scale, seed)
        lost.append(compute_loss(mixture, rows))
        estimated.append(estimate_sampling_loss(problem, mixture, np.random.default_rng(0)))
    # Less what maximum likelihood loses.
    total = np.mean(estimated) + problem.n_parameters / 2 / 4000
    assert 0.67 < total / np.mean(lost) < 1.5


def test_waves_much_finer_than_clusters_lose_more():
    estimated = []
    for scale in (1.0, 0.5):
        problem, mixture = match(DiagonalGaussian, scale, 0)
        estimated.append(estimate_sampling_loss(problem, mixture, np.random.default_rng(0)))
    assert estimated[1] > 3.0 * estimated[0]


@pytest.mark.slow
@pytest.mark.parametrize("scale", [0.5, 5.0])
def test_errors_of_variances_are_those_of_fits_to_other_draws(scale):
    axes = np.array([[1.0, 0.0], [0.6, 0.8]])
    apart, estimated = [], []
    for seed in range(20):
        _, mixture = match(SphericalGaussian, scale, seed)
        apart.append(np.einsum("qi,ij,qj->q", axes, mixture.covariance, axes))
        estimated.append(estimate_variance_errors(mixture, axes))
    ratios = np.mean(estimated, axis=0) / np.std(apart, axis=0)
    assert np.all((ratios > 0.6) & (ratios < 1.7))
