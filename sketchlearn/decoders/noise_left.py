"""What sampling noise leaves of a sketch, once a mixture's parameters have absorbed their share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from sketchlearn.decoders.mixture import Mixture
from sketchlearn.decoders.problem import Problem
from sketchlearn.decoders.quality import NoiseLeft

# Rows that are drawn of the mixture: their noise is known to some five per cent then.
N_DRAWN = 500
# Added to the Gram matrix of the tangents, which are of norm one: parameters may be alike.
RIDGE = 1e-4
# Step of the differences that tangents are taken by: of an atom's deviation, and of a shape.
STEP = 1e-2
# Numbers in all tangents above which they are not computed.
MOST_NUMBERS = 2e7


def judge_noise(problem: Problem, mixture: Mixture, rng: np.random.Generator) -> Mixture:
    """Return the mixture, its quality knowing what noise leaves where this may matter.

    That is where no more is left than all of the noise, and moments are not the rows' yet.
    """
    quality = mixture.quality
    is_known = quality.region.is_exact and quality.has_enough_rows
    if not (is_known and quality.is_noise) or quality.is_beyond_doubt:
        return mixture
    left = estimate_noise_left(problem, mixture, rng)
    return replace(mixture, quality=replace(quality, noise_left=left))


def estimate_noise_left(
    problem: Problem, mixture: Mixture, rng: np.random.Generator
) -> NoiseLeft | None:
    r"""Estimate what of the noise a mixture of the right kind would leave, to first order.

    With C the covariance of one row's waves, J the tangents (2 m, p) of the mixture's sketch in its
    parameters and H the projection onto them, that is :math:`\operatorname{tr}((I - H) C) / n`.
    Waves that hardly vary within clusters have almost all their noise in the clusters' shares and
    means, and leave far less than a share of 1 - p / (2 m). C is that of rows drawn of the mixture.

    None where an atom has common factors that rows do not have, or there are too many numbers.
    """
    family, weights = mixture.family, mixture.weights
    parameters = mixture.parameters
    if np.any(family.common_log_envelope) or parameters.size * len(problem.target) > MOST_NUMBERS:
        return None
    waves = compute_waves(mixture, draw_rows(mixture, rng))
    tangents = _compute_tangents(mixture)[np.repeat(weights > 0.0, 1 + parameters.shape[1])]
    gram = tangents @ tangents.T
    gram[np.diag_indices_from(gram)] += RIDGE
    absorbed = cho_solve(cho_factor(gram), tangents @ waves.T).T @ tangents
    left = waves - absorbed
    sampling = min(float(np.sum(waves**2)) / (N_DRAWN - 1) / problem.n_rows, problem.noise)
    products = left @ left.T
    total, squares = np.trace(products), np.sum(np.square(products))
    own = np.sum(np.square(np.diag(products)))
    # For independent rows r and s the mean of (r^T s)^2 is the trace of the squared covariance.
    freedom = (total / N_DRAWN) ** 2 / ((squares - own) / (N_DRAWN * (N_DRAWN - 1)))
    expected = sampling * float(total / np.sum(waves**2))
    expected += max(problem.noise - sampling, 0.0) * max(problem.spare_share, 0.0)
    return NoiseLeft(expected, float(np.sqrt(2.0 / freedom)))


def draw_rows(mixture: Mixture, rng: np.random.Generator) -> np.ndarray:
    """Return rows (n, d) drawn of a mixture."""
    family, d = mixture.family, mixture.family.n_features
    values, axes = np.linalg.eigh(family.covariance_matrices(mixture.parameters))
    factors = axes * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    atom = rng.choice(len(mixture.weights), size=N_DRAWN, p=mixture.weights)
    apart = np.einsum("nij,nj->ni", factors[atom], rng.standard_normal((N_DRAWN, d)))
    return np.asarray(mixture.locations[atom] + apart)


def compute_waves(mixture: Mixture, rows: np.ndarray) -> np.ndarray:
    """Return the centred waves (n, 2 m) of rows (n, d)."""
    family = mixture.family
    even = np.ones((1, family.operator.n_frequencies), dtype=np.float32)
    waves = family.waves(rows, even).astype(np.float64)
    return waves - waves.mean(axis=0)


def _compute_tangents(mixture: Mixture) -> np.ndarray:
    """Return the directions (k (1 + p), 2 m), of norm one, in which parameters move the sketch."""
    family, parameters = mixture.family, mixture.parameters
    widths = np.sqrt(mixture.covariances.mean(axis=1)) + STEP * family.operator.scale
    tangents = [family.sketch(parameters).astype(np.float64)]
    for j in range(parameters.shape[1]):
        step = np.zeros(parameters.shape)
        step[:, j] = STEP * widths if j < family.n_features else STEP
        after, before = (family.sketch(parameters + sign * step) for sign in (1.0, -1.0))
        tangents.append(after.astype(np.float64) - before)
    stacked = np.stack(tangents, axis=1).reshape(-1, tangents[0].shape[1])
    norms = np.linalg.norm(stacked, axis=1, keepdims=True)
    return stacked / np.maximum(norms, 1e-30)
