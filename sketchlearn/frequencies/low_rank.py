"""Covariances of wide rows along the few directions in which they are widest."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
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
class FactoredCovariance:
    r"""A covariance :math:`L L^T + D` with D diagonal, as its diagonal and L: d (r + 1) numbers.

    Attributes
    ----------
    variances : ndarray of shape (n_features,)
        The whole diagonal, that of D and of :math:`L L^T`.
    loadings : ndarray of shape (n_features, r)
        L.
    """

    variances: np.ndarray
    loadings: np.ndarray

    @property
    def own_variances(self) -> np.ndarray:
        """The diagonal of D, (n_features,): what each column varies by itself."""
        return np.maximum(self.variances - np.square(self.loadings).sum(axis=1), 0.0)

    def __matmul__(self, vectors: np.ndarray) -> np.ndarray:
        """Return the product with vectors (d,) or (d, n)."""
        own = (self.own_variances * vectors.T).T
        return np.asarray(self.loadings @ (self.loadings.T @ vectors) + own)

    def matrix(self) -> np.ndarray:
        """Return the covariance (d, d)."""
        covariance = self.loadings @ self.loadings.T
        np.fill_diagonal(covariance, self.variances)
        return covariance

    def in_units(self, units: np.ndarray) -> FactoredCovariance:
        """Return the covariance of rows divided by units (d,)."""
        return FactoredCovariance(self.variances / units**2, self.loadings / units[:, None])


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
    >>> rows = np.random.default_rng(0).normal(size=(1000, 3)) * [4.0, 1.0, 1.0]
    >>> wide = LowRankCovariance.of_root(rows / np.sqrt(len(rows)), 1)
    >>> wide.factored.variances.round(0)
    array([16.,  1.,  1.])
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
    def of_root(cls, root: np.ndarray, rank: int) -> Self:
        r"""Return the nearest to a covariance along its widest directions, fewer than d.

        Of R (n, d), as of centred rows over :math:`\sqrt n`, it is the covariance :math:`R^T R`.
        """
        from sklearn.utils.extmath import randomized_svd

        d = root.shape[1]
        total = np.einsum("ij,ij->j", root, root)
        _, deviations, rows = randomized_svd(root, rank, n_iter=N_STEPS, random_state=0)
        axes, values = rows.T, deviations**2
        # Less what the diagonal adds along these directions as along all others (Tipping and
        # Bishop, "Probabilistic principal component analysis", 1999, equation 7).
        rest = max(float(total.sum() - values.sum()), 0.0) / (d - rank)
        loadings = axes * np.sqrt(np.maximum(values - rest, 0.0))
        largest = np.abs(loadings).max(axis=0)
        _, exponents = np.frexp(np.where(largest > 0.0, largest, largest.max() or 1.0) / (ZERO - 1))
        exponents = np.maximum(exponents, exponents.max() - OCTAVES)
        codes = np.rint(np.ldexp(loadings, -exponents))
        own = np.square(np.ldexp(codes, exponents)).sum(axis=1)
        variances = np.maximum(total, own).astype(np.float32)
        # Rounded up, so that no correlation exceeds one.
        above = np.nextafter(variances, np.float32(np.inf))
        variances = np.where(variances < own, above, variances)
        return cls(variances, codes + ZERO, exponents)

    @cached_property
    def factored(self) -> FactoredCovariance:
        """The same in float64; sums of its matrix are exact, whatever adds them up."""
        centered = self.loadings.astype(np.float64) - ZERO
        loadings = np.ldexp(centered, self.loading_exponents)
        return FactoredCovariance(self.variances.astype(np.float64), loadings)

    def components(self) -> dict[str, np.ndarray]:
        """Return its arrays by name, in the order of the operator's fingerprint."""
        return {name: getattr(self, name) for name in TYPES}


def is_single(variances: np.ndarray) -> bool:
    """Return whether variances are of sizes that float32 has, as the diagonal is kept in it.

    Those that are nothing beside the largest, as of a constant column after rounding, do not count.
    """
    limits = np.finfo(np.float32)
    positive = variances[variances > np.finfo(np.float64).eps ** 2 * variances.max()]
    return bool(len(positive)) and limits.tiny < positive.min() and positive.max() < limits.max / 2
