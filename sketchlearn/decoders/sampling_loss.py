"""What a mixture's likelihood loses because its parameters follow the noise of a sketch."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from sketchlearn.atoms import GaussianFamily
from sketchlearn.decoders.mixture import Mixture
from sketchlearn.decoders.problem import Problem
from sketchlearn.decoders.tangents import Tangents, compute_waves, draw_rows
from sketchlearn.points.densities import compute_joint_log_densities, invert_covariances

# Numbers in all tangents above which they are not computed: it would take longer than the decode,
# or where k-means asks, as long.
MOST_NUMBERS, MOST_NUMBERS_BESIDE = 6e7, 3e6


def estimate_sampling_loss(problem: Problem, mixture: Mixture, rng: np.random.Generator) -> float:
    r"""Estimate by how much the log-likelihood of a row is below that of maximum likelihood.

    To first order in the noise: with J the tangents (p, 2 m) of the mixture's sketch in its p
    parameters, C the covariance of the sketch's noise and F the Fisher information of a row, the
    parameters' errors have the covariance :math:`A C A^T` with :math:`A = (J J^T)^{-1} J`, and
    lose

    .. math:: \tfrac{1}{2} \operatorname{tr}(F A C A^T) - \frac{p}{2 n},

    less what n rows lose by maximum likelihood. C and F are those of rows drawn of the mixture, to
    C comes noise that was added to the sketch. See van der Vaart, "Asymptotic Statistics", 1998,
    theorem 5.21.

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
    rows = draw_rows(mixture, rng)
    n, waves, d = len(rows), compute_waves(mixture, rows), rows.shape[1]

    def score(parameters: np.ndarray) -> np.ndarray:
        roots = invert_covariances(family.covariances_of_type(parameters))
        return compute_joint_log_densities(rows, tangents.weights, parameters[:, :d], roots)

    densities = score(tangents.parameters)
    shares = np.exp(densities - logsumexp(densities, axis=1, keepdims=True))
    gained = ((shares * each).T for each in tangents.differentiate(score))
    slopes = np.concatenate([shares.T, *gained])
    scores = tangents.project(slopes)
    sampling = float(np.sum(waves**2)) / (n - 1) / problem.n_rows
    added = max(problem.noise - sampling, 0.0) / len(problem.target)
    # A row's own score goes with its own waves: of many parameters that is more than the rest.
    errors = np.square(scores @ waves.T)
    loss = (errors.sum() - np.trace(errors)) / (n * (n - 1)) / problem.n_rows
    loss += added * np.sum(np.square(scores)) / n
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
    errors = tangents.project(slopes) @ waves.T
    return np.asarray(np.sqrt(np.mean(errors**2, axis=1) / max(mixture.quality.n_rows, 1.0)))
