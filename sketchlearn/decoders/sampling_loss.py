"""What a mixture's likelihood loses because its parameters follow the noise of a sketch."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from sketchlearn.atoms import GaussianFamily
from sketchlearn.decoders.mixture import Mixture
from sketchlearn.decoders.problem import Problem
from sketchlearn.decoders.refinement import compute_median
from sketchlearn.decoders.tangents import N_DRAWN, Tangents, compute_waves, draw_rows
from sketchlearn.points.densities import compute_joint_log_densities, invert_covariances

# Numbers in all tangents above which they are not computed: it would take longer than the decode,
# or where k-means asks, as long.
MOST_NUMBERS, MOST_NUMBERS_BESIDE = 6e7, 3e6
# Rows that are drawn times directions, and most rows: of few parameters 500 left an eighth of the
# loss to chance.
NUMBERS_DRAWN, MOST_DRAWN = 500_000, 2000


def estimate_sampling_loss(problem: Problem, mixture: Mixture, rng: np.random.Generator) -> float:
    r"""Estimate by how much the log-likelihood of a row is below that of maximum likelihood.

    To first order: with J the tangents (p, 2 m) of the mixture's sketch in its p parameters, P the
    projection onto shapes, :math:`\rho` the prior that held these together (`Mixture.prior`), C
    the covariance of the sketch's noise, :math:`\sigma^2` that of one number, and F the Fisher
    information of a row, the parameters' errors are :math:`G^{-1} (J \epsilon - \rho P \eta)`
    with :math:`G = J J^T + \rho P`, :math:`\epsilon` the noise and :math:`\eta` how shapes
    differ, of variance :math:`\tau^2 = \sigma^2 / \rho` if the prior is right, or as shapes show
    where that is more. They lose

    .. math:: \tfrac{1}{2} \operatorname{tr}(F G^{-1} (J C J^T + \rho^2 \tau^2 P) G^{-1})
        - \frac{p}{2 n},

    less what n rows lose by maximum likelihood. C and F are those of rows drawn of the mixture, to
    C comes noise that was added to the sketch. See van der Vaart, "Asymptotic Statistics", 1998,
    theorem 5.21. Where waves hardly tell widths, the prior is most of what does: without it the
    loss of alike clusters was estimated three to ten times too large.

    Parameters
    ----------
    problem : Problem
        What was matched.
    mixture : Mixture
        Of Gaussians.
    rng : numpy.random.Generator
        Draws the rows.

    Returns
    -------
    float
        Nats a row, 0 or more; infinite, which is not known, where there are too many numbers.
    """
    family = mixture.family
    assert isinstance(family, GaussianFamily)
    tangents = Tangents.of(mixture, MOST_NUMBERS)
    if tangents is None:
        return float("inf")
    n = int(np.clip(NUMBERS_DRAWN // len(tangents.directions), N_DRAWN, MOST_DRAWN))
    rows = draw_rows(mixture, rng, n)
    waves, d = compute_waves(mixture, rows), rows.shape[1]

    def score(parameters: np.ndarray) -> np.ndarray:
        roots = invert_covariances(family.covariances_of_type(parameters))
        return compute_joint_log_densities(rows, tangents.weights, parameters[:, :d], roots)

    densities = score(tangents.parameters)
    shares = np.exp(densities - logsumexp(densities, axis=1, keepdims=True))
    gained = ((shares * each).T for each in tangents.differentiate(score))
    slopes = np.concatenate([shares.T, *gained])
    turned = tangents.solve(slopes, mixture.prior)
    # A row's own score goes with its own waves: of many parameters that is more than the rest.
    errors = np.square(turned.T @ tangents.correlate(waves))
    loss = (errors.sum() - np.trace(errors)) / (n * (n - 1)) / problem.n_rows
    sampling = float(np.sum(waves**2)) / (n - 1) / problem.n_rows
    added = max(problem.noise - sampling, 0.0) / len(problem.target)
    loss += added * np.vdot(turned, tangents.gram @ turned) / n
    of_shapes = np.sum(np.square(tangents.shape_steps[:, None] * turned)) / n
    by_prior = problem.estimate_noise(mixture.cost) * mixture.prior
    shapes = family.split(tangents.parameters)[1]
    spread = float(np.mean((shapes - compute_median(shapes)) ** 2))
    loss += max(by_prior, mixture.prior**2 * spread) * of_shapes
    return max(0.5 * float(loss) - 0.5 * len(slopes) / problem.n_rows, 0.0)


def estimate_variance_errors(mixture: Mixture, axes: np.ndarray) -> np.ndarray | None:
    r"""Estimate the standard errors, by noise, of a mixture's variances along axes (q, d).

    To first order, with A and C as in `estimate_sampling_loss` and g the gradient of a variance,
    :math:`\sqrt{g^T A C A^T g}`. None where there are too many numbers.
    """
    tangents = Tangents.of(mixture, MOST_NUMBERS_BESIDE)
    if tangents is None:
        return None
    family, weights, d = mixture.family, tangents.weights, axes.shape[1]
    shares = weights / weights.sum()
    middle = shares @ tangents.parameters[:, :d]

    def measure(parameters: np.ndarray) -> np.ndarray:
        apart = (parameters[:, :d] - middle) @ axes.T
        covariances = family.covariance_matrices(parameters)
        return np.asarray(apart**2 + np.einsum("qi,kij,qj->kq", axes, covariances, axes))

    waves = compute_waves(mixture, draw_rows(mixture, np.random.default_rng(0)))
    squares = measure(tangents.parameters)
    gained = list(tangents.differentiate(measure))
    slopes = np.concatenate([squares - shares @ squares, *gained])
    slopes *= np.tile(shares, len(gained) + 1)[:, None]
    errors = tangents.solve(slopes).T @ tangents.correlate(waves)
    return np.asarray(np.sqrt(np.mean(errors**2, axis=1) / max(mixture.quality.n_rows, 1.0)))
