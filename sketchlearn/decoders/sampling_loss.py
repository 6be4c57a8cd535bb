"""What a mixture's likelihood loses because its parameters follow the noise of a sketch."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from sketchlearn.decoders.mixture import Mixture
from sketchlearn.decoders.problem import Problem
from sketchlearn.decoders.tangents import Tangents, compute_waves, draw_rows
from sketchlearn.points.densities import compute_joint_log_densities, invert_covariances

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
    tangents = Tangents.of(mixture, MOST_NUMBERS)
    if tangents is None or np.linalg.eigvalsh(tangents.covariances[0]).min() <= 0.0:
        return None
    rows = draw_rows(mixture, rng)
    waves, d = compute_waves(mixture, rows), rows.shape[1]
    densities = [
        compute_joint_log_densities(rows, tangents.weights, each[:, :d], invert_covariances(own))
        for each, own in zip(tangents.parameters, tangents.covariances, strict=True)
    ]
    shares = np.exp(densities[0] - logsumexp(densities[0], axis=1, keepdims=True))
    gained = [
        (after - before) for after, before in zip(densities[1::2], densities[2::2], strict=True)
    ]
    slopes = np.concatenate([shares.T, *((shares * each).T for each in gained)])
    scores = tangents.project(slopes)
    sampling = float(np.sum(waves**2)) / (len(rows) - 1) / problem.n_rows
    added = max(problem.noise - sampling, 0.0) / len(problem.target)
    loss = np.sum(np.square(scores @ waves.T)) / len(rows) / problem.n_rows
    loss += added * np.sum(np.square(scores))
    return max(0.5 * float(loss) / len(rows) - 0.5 * len(slopes) / problem.n_rows, 0.0)


def estimate_variance_errors(mixture: Mixture, axes: np.ndarray) -> np.ndarray | None:
    r"""Estimate the standard errors, by noise, of a mixture's variances along axes (q, d).

    To first order, with A and C as in `estimate_sampling_loss` and g the gradient of a variance,
    :math:`\sqrt{g^T A C A^T g}`. None where there are too many numbers.
    """
    tangents = Tangents.of(mixture, MOST_NUMBERS)
    if tangents is None:
        return None
    weights, d = tangents.weights, axes.shape[1]
    shares = weights / weights.sum()
    waves = compute_waves(mixture, draw_rows(mixture, np.random.default_rng(0)))
    squares = []
    for parameters, covariances in zip(tangents.parameters, tangents.covariances, strict=True):
        apart = (parameters[:, :d] - shares @ tangents.parameters[0][:, :d]) @ axes.T
        squares.append(apart**2 + np.einsum("qi,kij,qj->kq", axes, covariances, axes))
    whole = shares @ squares[0]
    gained = [(after - before) for after, before in zip(squares[1::2], squares[2::2], strict=True)]
    slopes = (
        np.concatenate([squares[0] - whole, *gained]) * np.tile(shares, len(gained) + 1)[:, None]
    )
    errors = tangents.project(slopes) @ waves.T
    return np.asarray(np.sqrt(np.mean(errors**2, axis=1) / max(mixture.quality.n_rows, 1.0)))
