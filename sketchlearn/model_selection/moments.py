"""Whether a mixture that was matched to a sketch's waves has its rows' exact moments too."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.stats import chi2

from sketchlearn.model_selection.noise import WhitenedSketch
from sketchlearn.model_selection.refinement import Shapes, linearise
from sketchlearn.points.em import Moments
from sketchlearn.sketches.region import Region

# Added to matrices of ones on the diagonal: parameters may be alike, and so may moments.
RIDGE = 1e-10


class Sums(NamedTuple):
    """A mixture's own moments: of coordinates, and of products as far as shapes tell them apart.

    Attributes
    ----------
    mean : ndarray of shape (q,)
        What they are, about the waves' centre.
    covariance : ndarray of shape (q, q)
        That of one row's.
    with_waves : ndarray of shape (2 m, q)
        Their covariance with the row's cosines and sines, cosines first.
    tangents : ndarray of shape (q, k (1 + d + s))
        Their derivatives, by the parameters that `linearise` has.
    """

    mean: np.ndarray
    covariance: np.ndarray
    with_waves: np.ndarray
    tangents: np.ndarray


def compute_moments_chance(
    whitened: WhitenedSketch, mixture: Moments, shapes: Shapes, region: Region
) -> float:
    r"""Return how probable moments are that differ from a mixture's as much as the rows' do.

    Waves show a cluster of few rows by its share, and may hide it in their noise; moments show it
    by its distance as well, and much of their noise is in the waves. With :math:`e` the noise of
    the whitened numbers, that of the moments is :math:`B^T e + u`. Parameters that were matched to
    the waves, with tangents J, err by :math:`(J^T J)^{-1} J^T e`. So the moments, which have
    tangents M, less those of the mixture and less :math:`B^T` times what it leaves of the waves,
    have mean zero and the covariance

    .. math:: \operatorname{Cov} u + (M - B^T J) (J^T J)^{-1} (M - B^T J)^T .

    Parameters
    ----------
    whitened : WhitenedSketch
        By the noise of this very mixture.
    mixture : Moments
        What is judged.
    shapes : Shapes
        Its covariances: only moments that these can have are compared.
    region : Region
        The rows' exact moments.
    """
    rest, jacobian = linearise(whitened, mixture, shapes.tangents, whitened.target)
    sums = compute_sums(whitened, mixture, shapes)
    with_waves = whitened.root @ sums.with_waves / whitened.n_rows
    with_waves = np.vstack([with_waves, np.zeros(len(sums.mean))])
    norms = np.maximum(np.linalg.norm(jacobian, axis=0), np.finfo(float).tiny)
    moved = (sums.tangents - with_waves.T @ jacobian) / norms
    normal = (jacobian / norms).T @ (jacobian / norms)
    normal[np.diag_indices_from(normal)] += RIDGE
    noise = sums.covariance / whitened.n_rows - with_waves.T @ with_waves
    noise += moved @ cho_solve(cho_factor(normal), moved.T)
    # Components cannot be narrower, however narrow the rows are.
    d = len(region.mean)
    noise[np.diag_indices_from(noise)] += np.repeat(
        [shapes.least_variance, shapes.least_variance**2], [d, len(noise) - d]
    )
    mean = region.mean - whitened.waves.center
    squares = _take(region.covariance + np.outer(mean, mean), shapes)
    left = np.append(mean, squares) - sums.mean - with_waves.T @ rest
    deviations = np.sqrt(np.diag(noise))
    left, noise = left / deviations, noise / np.outer(deviations, deviations)
    noise[np.diag_indices_from(noise)] += RIDGE
    return float(chi2.sf(left @ cho_solve(cho_factor(noise), left), len(left)))


def compute_sums(whitened: WhitenedSketch, mixture: Moments, shapes: Shapes) -> Sums:
    """Return what a mixture's moments are and how they vary, alone and with the waves."""
    waves, bends = whitened.waves, shapes.tangents
    weights, means, covariances = mixture
    (k, d), s = means.shape, len(bends)
    shares, means = weights / weights.sum(), means - waves.center
    each = np.hstack([means, _take(covariances + means[:, :, None] * means[:, None], shapes)])

    slopes = 2.0 * np.einsum("sde,ke->ksd", bends, means)
    away = each - shares @ each
    covariance = (away * shares[:, None]).T @ away
    for share, slope, matrix in zip(shares, slopes, covariances, strict=True):
        bent, both = matrix @ bends, slope @ matrix
        squares = both @ slope.T + 2.0 * bent.reshape(s, -1) @ bent.mT.reshape(s, -1).T
        covariance += share * np.block([[matrix, both.T], [both, squares]])

    atoms = waves.compute_atoms(mixture.means, covariances)
    turned = means[:, :, None] + 1j * (covariances @ waves.vectors)
    products = np.einsum("kdm,sde,kem->ksm", turned, bends, turned, optimize=True)
    products += _take(covariances, shapes)[:, :, None]
    joint = np.einsum("k,km,kqm->mq", shares, atoms, np.concatenate([turned, products], axis=1))
    joint -= np.outer(shares @ atoms, shares @ each)

    tangents = np.zeros((d + s, k, 1 + d + s))
    tangents[:, :, 0] = each.T
    tangents[:d, :, 1 : 1 + d] = np.eye(d)[:, None] * weights[:, None]
    tangents[d:, :, 1 : 1 + d] = slopes.transpose(1, 0, 2) * weights[:, None]
    tangents[d:, :, 1 + d :] = np.einsum("sde,tde->st", bends, bends)[:, None] * weights[:, None]
    with_waves = np.vstack([joint.real, joint.imag])
    return Sums(weights @ each, covariance, with_waves, tangents.reshape(d + s, -1))


def _take(squares: np.ndarray, shapes: Shapes) -> np.ndarray:
    """Return the parts (..., s) of matrices (..., d, d) that shapes tell apart."""
    return np.asarray(np.einsum("...de,sde->...s", squares, shapes.tangents))
