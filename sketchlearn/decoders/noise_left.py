"""What sampling noise leaves of a sketch, once a mixture's parameters have absorbed their share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from sketchlearn.decoders.mixture import Mixture
from sketchlearn.decoders.problem import Problem
from sketchlearn.decoders.quality import NoiseLeft
from sketchlearn.decoders.tangents import N_DRAWN, Tangents, compute_waves, draw_rows

# Added to the Gram matrix of the tangents, which are of norm one: parameters may be alike.
RIDGE = 1e-4
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
    if mixture.family.is_wide_off_axes:
        return None
    found = Tangents.of(mixture, MOST_NUMBERS)
    if found is None:
        return None
    waves = compute_waves(mixture, draw_rows(mixture, rng))
    tangents = found.directions / found.norms
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
