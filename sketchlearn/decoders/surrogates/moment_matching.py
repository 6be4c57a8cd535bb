"""The mean and the covariance of surrogate points, beside those of the rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from sketchlearn.decoders.settings import Settings
from sketchlearn.sketches.region import Region


@final
@dataclass(frozen=True)
class MomentSettings(Settings):
    """What moments count beside waves.

    Attributes
    ----------
    weight : float
        Of a moment's number beside a wave, both of order one.
    """

    weight: float = 0.5


MOMENTS = MomentSettings()


class MomentMatching:
    r"""How far points' first two moments are from the rows', and what moves them.

    With columns centred by the rows' mean and divided by their deviation, or by the scale where it
    is larger, :math:`u = (x - \mu) / \max(\sigma, s)`, the numbers of a point are :math:`u_a` and
    :math:`u_a u_b`, times a weight. Their means over the points are to be zero and the rows'
    covariance in these units, less what the points' kernel adds. A point far out has large
    gradients here, and is pulled in where no wave would notice it.

    Points (n, d) are float32, centred and in units of the scale, as in `PointMatching`.

    Parameters
    ----------
    region : Region
        Where the rows lie.
    center, scale : ndarray of shape (d,) and float
        What coordinates are centred and divided by.
    bandwidth : ndarray of shape (d, d)
        Covariance of the points' kernel, squared data units.
    most : int
        Products of two columns are matched if there are no more than so many numbers, else squares
        alone; nothing where the region is not known exactly.
    """

    def __init__(
        self, region: Region, center: np.ndarray, scale: float, bandwidth: np.ndarray, most: int
    ) -> None:
        d = len(region.mean)
        self.mean = ((region.mean - center) / scale).astype(np.float32)
        inverse = scale / np.maximum(region.deviations, scale)
        self.inverse = inverse.astype(np.float32)
        pairs = np.triu_indices(d) if d * (d + 3) // 2 <= most else np.diag_indices(d)
        n_columns = d if region.is_exact else 0
        self.first, self.second = (index[: len(index) if n_columns else 0] for index in pairs)
        left = (region.covariance - bandwidth) * np.outer(inverse, inverse) / scale**2
        self.target = MOMENTS.weight * np.r_[np.zeros(n_columns), left[self.first, self.second]]

    def __len__(self) -> int:
        """Count the numbers."""
        return len(self.target)

    def compute_residual(self, points: np.ndarray) -> np.ndarray:
        """Return what the means of the points' numbers lack."""
        if not len(self):
            return self.target
        u = self._standardise(points)
        products = (u.T @ u / np.float32(len(u)))[self.first, self.second]
        return self.target - MOMENTS.weight * np.r_[u.mean(axis=0, dtype=np.float64), products]

    def compute_moves(self, points: np.ndarray, duals: np.ndarray) -> np.ndarray:
        """Return the move (n, d) of each point that dual variables stand for."""
        d = len(self.inverse)
        matrix = np.zeros((d, d))
        matrix[self.first, self.second] = MOMENTS.weight * duals[d:]
        turned = self._standardise(points) @ (matrix + matrix.T).astype(np.float32)
        return (turned + (MOMENTS.weight * duals[:d]).astype(np.float32)) * self.inverse

    def compute_gauss_newton_matrix(self, points: np.ndarray) -> np.ndarray:
        r"""Return the mean of :math:`J(x) J(x)^T` for one point's gradients J (numbers, d)."""
        u = self._standardise(points).astype(np.float64)
        d, (a, b) = u.shape[1], (self.first, self.second)
        mean, products, squares = u.mean(axis=0), u.T @ u / len(u), self.inverse**2
        result = np.zeros((len(self), len(self)))
        result[:d, :d] = np.diag(squares)
        columns = np.arange(d)
        of_first, of_second = columns[:, None] == a, columns[:, None] == b
        result[:d, d:] = squares[:, None] * (of_first * mean[b] + of_second * mean[a])
        result[d:, :d] = result[:d, d:].T
        for own, other in ((a, b), (b, a)):
            for own_too, other_too in ((a, b), (b, a)):
                is_shared = own[:, None] == own_too
                result[d:, d:] += is_shared * squares[own][:, None] * products[other][:, other_too]
        return MOMENTS.weight**2 * result

    def compute_cross_matrix(
        self, points: np.ndarray, turned: np.ndarray, reach: np.ndarray
    ) -> np.ndarray:
        r"""Return the mean of :math:`J(x) J_\mathrm{waves}(x)^T`, (numbers, 2 m).

        Parameters
        ----------
        points : ndarray of shape (n, d)
            Some points.
        turned : ndarray of shape (n, 2 m)
            Their quarter-turned waves: those of frequency j, times it, are wave gradients.
        reach : ndarray of shape (d, 2 m)
            The frequencies, in radians per standard deviation of each column.
        """
        u = self._standardise(points)
        mean, along = turned.mean(axis=0), u.T @ turned / np.float32(len(u))
        a, b = self.first, self.second
        return MOMENTS.weight * np.vstack([reach * mean, reach[a] * along[b] + reach[b] * along[a]])

    def _standardise(self, points: np.ndarray) -> np.ndarray:
        return (points - self.mean) * self.inverse
