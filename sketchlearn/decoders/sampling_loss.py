"""What a mixture's likelihood loses because its parameters follow the noise of a sketch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self, final

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
    tangents = Tangents.of(mixture)
    if tangents is None or np.linalg.eigvalsh(tangents.covariances[0]).min() <= 0.0:
        return None
    rows = draw_rows(mixture, rng)
    waves, d = compute_waves(mixture, rows), rows.shape[1]
    densities = [
        compute_log_densities(rows, each[:, :d], own)
        for each, own in zip(tangents.parameters, tangents.covariances, strict=True)
    ]
    joint = np.log(tangents.weights) + densities[0]
    shares = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
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
    tangents = Tangents.of(mixture)
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


@final
@dataclass(frozen=True)
class Tangents:
    """Directions in which a mixture's parameters move its sketch.

    Attributes
    ----------
    weights : ndarray of shape (k,)
        Of the atoms that have any.
    parameters : list of ndarray of shape (k, p)
        Those of the atoms, and with each in turn a step more and a step less.
    covariances : list of ndarray of shape (k, d, d)
        Of all these.
    directions : ndarray of shape (k (1 + p), 2 m)
        What a step changes; of the weights, which come first, their own share.
    """

    weights: np.ndarray
    parameters: list[np.ndarray]
    covariances: list[np.ndarray]
    directions: np.ndarray

    @classmethod
    def of(cls, mixture: Mixture) -> Self | None:
        """Return a mixture's, by differences; None where they have too many numbers."""
        is_used = mixture.weights > 0.0
        weights, given = mixture.weights[is_used], mixture.parameters[is_used]
        family, d = mixture.family, mixture.family.n_features
        if 2 * given.size * family.operator.n_frequencies > MOST_NUMBERS:
            return None
        own = family.covariance_matrices(given)
        widths = np.sqrt(np.diagonal(own, axis1=1, axis2=2).mean(axis=1))
        # Atoms may have no width; steps then are parts of the scale.
        widths = np.maximum(widths, STEP * family.operator.scale)
        parameters = [given]
        for j in range(given.shape[1]):
            step = np.zeros(given.shape)
            step[:, j] = STEP * widths if j < d else STEP
            parameters += [given + step, given - step]
        sketches = [family.sketch(each).astype(np.float64) for each in parameters]
        moved = [
            after - before for after, before in zip(sketches[1::2], sketches[2::2], strict=True)
        ]
        directions = np.concatenate([weights[:, None] * each for each in (sketches[0], *moved)])
        covariances = [own, *map(family.covariance_matrices, parameters[1:])]
        return cls(weights, parameters, covariances, directions)

    def project(self, slopes: np.ndarray) -> np.ndarray:
        """Return how numbers of slopes (k (1 + p), q) change with the sketch, (q, 2 m)."""
        norms = np.maximum(np.linalg.norm(self.directions, axis=1, keepdims=True), 1e-30)
        directions = self.directions / norms
        gram = directions @ directions.T
        gram[np.diag_indices_from(gram)] += RIDGE
        return np.asarray((slopes / norms).T @ cho_solve(cho_factor(gram), directions))


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
