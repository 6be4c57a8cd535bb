"""What a mixture's likelihood loses because its parameters follow the noise of a sketch."""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.special import logsumexp

from sketchlearn.decoders.mixture import Mixture
from sketchlearn.decoders.noise_left import STEP, compute_waves, draw_rows
from sketchlearn.decoders.problem import Problem

# Added to the Gram matrix of the tangents, which are of norm one: parameters may be alike.
RIDGE = 1e-12
# Numbers in all tangents above which they are not computed: it would take as long as the decode.
MOST_NUMBERS = 3e6


def estimate_sampling_loss(
    problem: Problem, mixture: Mixture, rng: np.random.Generator
) -> float | None:
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
    float or None
        Nats a row, 0 or more; None where there are too many numbers, or atoms without width.
    """
    is_used = mixture.weights > 0.0
    weights, parameters = mixture.weights[is_used], mixture.parameters[is_used]
    family, target = mixture.family, problem.target
    if parameters.size * len(target) > MOST_NUMBERS:
        return None
    covariances = family.covariance_matrices(parameters)
    if np.linalg.eigvalsh(covariances).min() <= 0.0:
        return None
    rows = draw_rows(mixture, rng)
    waves = compute_waves(mixture, rows)
    densities = np.log(weights) + compute_log_densities(
        rows, parameters[:, : rows.shape[1]], covariances
    )
    shares = np.exp(densities - logsumexp(densities, axis=1, keepdims=True))
    widths = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2).mean(axis=1))
    tangents = [weights[:, None] * family.sketch(parameters).astype(np.float64)]
    scores = [shares.T]
    for j in range(parameters.shape[1]):
        step = np.zeros(parameters.shape)
        step[:, j] = STEP * widths if j < family.n_features else STEP
        after, before = parameters + step, parameters - step
        moved = family.sketch(after).astype(np.float64) - family.sketch(before)
        tangents.append(weights[:, None] * moved)
        gained = [
            compute_log_densities(rows, ends[:, : rows.shape[1]], family.covariance_matrices(ends))
            for ends in (after, before)
        ]
        scores.append((shares * (gained[0] - gained[1])).T)
    directions, slopes = np.concatenate(tangents), np.concatenate(scores)
    norms = np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-30)
    directions, slopes = directions / norms, slopes / norms
    gram = directions @ directions.T
    gram[np.diag_indices_from(gram)] += RIDGE
    solved = cho_solve(cho_factor(gram), directions)
    errors = solved @ waves.T
    sampling = float(np.sum(waves**2)) / (len(rows) - 1) / problem.n_rows
    added = max(problem.noise - sampling, 0.0) / len(target)
    loss = np.sum(np.square(slopes.T @ errors)) / len(rows) / problem.n_rows
    loss += added * np.sum(np.square(slopes.T @ solved))
    return max(0.5 * float(loss) / len(rows) - 0.5 * len(slopes) / problem.n_rows, 0.0)


def estimate_variance_errors(mixture: Mixture, axes: np.ndarray) -> np.ndarray | None:
    r"""Estimate the standard errors, by noise, of a mixture's variances along axes (q, d).

    To first order, with A and C as in `estimate_sampling_loss` and g the gradient of a variance,
    :math:`\sqrt{g^T A C A^T g}`. None where there are too many numbers.
    """
    is_used = mixture.weights > 0.0
    weights, parameters = mixture.weights[is_used], mixture.parameters[is_used]
    family, d = mixture.family, mixture.family.n_features
    if 2 * parameters.size * family.operator.n_frequencies > MOST_NUMBERS:
        return None
    waves = compute_waves(mixture, draw_rows(mixture, np.random.default_rng(0)))
    covariances = family.covariance_matrices(parameters)
    widths = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2).mean(axis=1))
    widths += STEP * family.operator.scale
    apart = (parameters[:, :d] - weights @ parameters[:, :d] / weights.sum()) @ axes.T
    within = np.einsum("qi,kij,qj->kq", axes, covariances, axes)
    whole = weights @ (within + apart**2)
    tangents = [weights[:, None] * family.sketch(parameters).astype(np.float64)]
    gradients = [weights[:, None] * (within + apart**2 - whole)]
    for j in range(parameters.shape[1]):
        step = np.zeros(parameters.shape)
        step[:, j] = STEP * widths if j < d else STEP
        ends = [parameters + sign * step for sign in (1.0, -1.0)]
        moved = [family.sketch(each).astype(np.float64) for each in ends]
        tangents.append(weights[:, None] * (moved[0] - moved[1]))
        if j < d:
            gained = 4.0 * apart * step[:, j, None] * axes[:, j]
        else:
            gained = np.einsum(
                "qi,kij,qj->kq",
                axes,
                family.covariance_matrices(ends[0]) - family.covariance_matrices(ends[1]),
                axes,
            )
        gradients.append(weights[:, None] * gained)
    directions, slopes = np.concatenate(tangents), np.concatenate(gradients)
    norms = np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-30)
    directions, slopes = directions / norms, slopes / norms
    gram = directions @ directions.T
    gram[np.diag_indices_from(gram)] += RIDGE
    errors = slopes.T @ cho_solve(cho_factor(gram), directions @ waves.T)
    n_rows = max(mixture.quality.n_rows, 1.0)
    return np.asarray(np.sqrt(np.mean(errors**2, axis=1) / n_rows))


def compute_log_densities(
    rows: np.ndarray, locations: np.ndarray, covariances: np.ndarray
) -> np.ndarray:
    """Return the log-densities (n, k) of rows (n, d) under Gaussians, but for their constant."""
    found = np.empty((len(rows), len(locations)))
    for j, (location, factor) in enumerate(
        zip(locations, np.linalg.cholesky(covariances), strict=True)
    ):
        apart = solve_triangular(factor, (rows - location).T, lower=True, check_finite=False)
        found[:, j] = -0.5 * np.einsum("ij,ij->j", apart, apart) - np.log(np.diag(factor)).sum()
    return found
