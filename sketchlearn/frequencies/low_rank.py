"""Covariances of wide rows along the few directions in which they are widest, in few bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self, final

import numpy as np

from sketchlearn.linear_maps.linear_map import read_only

# Codes of loadings: a byte, of which this stands for zero; and octaves below the largest loading
# where a column's steps end, so that sums of products are exact in float64.
ZERO, OCTAVES = 128, 16
# Subspace iterations for the widest directions.
N_STEPS = 6
# Types of the arrays that files have.
TYPES = {"variances": np.float32, "loadings": np.uint8, "loading_exponents": np.int32}


@final
@dataclass(frozen=True, eq=False)
class LowRankCovariance:
    r"""A covariance whose diagonal is given, and whose other entries are those of :math:`L L^T`.

    The entries of L are integers from -127 to 127 times a power of two for each column, so that
    the matrix is the same on any machine. An array of d columns and r directions has d r bytes
    instead of 8 d^2.

    Parameters
    ----------
    variances : array-like of shape (n_features,) float32
        The diagonal.
    loadings : array-like of shape (n_features, r) uint8
        The integers of L, 128 added to each.
    loading_exponents : array-like of shape (r,) int32
        What powers of two they are multiplied by; within 16 of each other.

    Raises
    ------
    ValueError
        If the shapes do not go together, or exponents are too far apart.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn.frequencies.low_rank import LowRankCovariance
    >>> wide = LowRankCovariance.of(np.diag([4.0, 1.0, 1.0]) + 1.0, 1)
    >>> wide.matrix().round(1)[0]
    array([5. , 1.2, 1.2])
    """

    variances: np.ndarray
    loadings: np.ndarray
    loading_exponents: np.ndarray

    def __post_init__(self) -> None:
        for name, kind in TYPES.items():
            object.__setattr__(self, name, read_only(getattr(self, name), kind))
        d, r = len(self.variances), len(self.loading_exponents)
        if self.variances.shape != (d,) or self.loadings.shape != (d, r) or not r:
            raise ValueError(
                f"loadings of {d} variances and {r} exponents must have shape ({d}, {r}), got "
                f"{self.loadings.shape}"
            )
        if np.ptp(self.loading_exponents.astype(np.int64)) > OCTAVES:
            raise ValueError(f"loading_exponents must be within {OCTAVES} of each other")

    @classmethod
    def of(cls, covariance: np.ndarray, rank: int) -> Self:
        """Return the nearest to a covariance (d, d) along its widest directions, fewer than d."""
        from sklearn.utils.extmath import randomized_svd

        axes, values, _ = randomized_svd(covariance, rank, n_iter=N_STEPS, random_state=0)
        # Less what the diagonal adds along these directions as along all others (Tipping and
        # Bishop, "Probabilistic principal component analysis", 1999, equation 7).
        rest = max(float(np.trace(covariance) - values.sum()), 0.0) / (len(covariance) - rank)
        loadings = axes * np.sqrt(np.maximum(values - rest, 0.0))
        largest = np.abs(loadings).max(axis=0)
        _, exponents = np.frexp(np.where(largest > 0.0, largest, largest.max() or 1.0) / (ZERO - 1))
        exponents = np.maximum(exponents, exponents.max() - OCTAVES)
        codes = np.rint(np.ldexp(loadings, -exponents))
        own = np.square(np.ldexp(codes, exponents)).sum(axis=1)
        variances = np.maximum(np.diag(covariance), own).astype(np.float32)
        # Rounded up, so that no correlation exceeds one.
        above = np.nextafter(variances, np.float32(np.inf))
        variances = np.where(variances < own, above, variances)
        return cls(variances, codes + ZERO, exponents)

    def matrix(self) -> np.ndarray:
        """Return the covariance (d, d), float64: exact sums, whatever adds them up."""
        centered = self.loadings.astype(np.float64) - ZERO
        loadings = np.ldexp(centered, self.loading_exponents)
        covariance = loadings @ loadings.T
        np.fill_diagonal(covariance, self.variances)
        return covariance

    def components(self) -> dict[str, np.ndarray]:
        """Return its arrays by name, in the order of the operator's fingerprint."""
        return {name: getattr(self, name) for name in TYPES}


def is_single(variances: np.ndarray) -> bool:
    """Return whether variances are of sizes that float32 has, as the diagonal is kept in it."""
    limits = np.finfo(np.float32)
    positive = variances[variances > 0.0]
    return bool(len(positive)) and limits.tiny < positive.min() and positive.max() < limits.max / 2
