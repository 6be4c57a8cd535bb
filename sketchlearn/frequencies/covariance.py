"""Covariances of rows: as a matrix, or of wide rows as factors, and what is asked of both."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, Self, final

import numpy as np
from scipy.linalg import eigh
from scipy.sparse.linalg import LinearOperator, eigsh

from sketchlearn.linear_maps.linear_map import LinearMap, read_only

# By how much, as a fraction, a covariance may miss symmetry or a correlation of one.
ROUNDING = 1e-6
# Columns for each axis from which on these are sought by products with the covariance.
LEAST_TO_SEEK = 8
# Codes of loadings: a byte, of which this stands for zero; and octaves below the largest loading
# where a column's steps end, so that sums of products are exact in float64.
ZERO, OCTAVES = 128, 16
# Subspace iterations for the widest directions.
N_STEPS = 6
# Types of the arrays that files have of factors, the last one where columns have units.
CODES = {"variances": np.float32, "loadings": np.uint8, "loading_exponents": np.int32}
CODES_IN_UNITS = {**CODES, "row_exponents": np.int32}


class Covariance(ABC):
    """A covariance of rows (d, d), whatever it is held as.

    Attributes
    ----------
    variances : ndarray of shape (n_features,)
        Its diagonal.
    """

    variances: np.ndarray

    @abstractmethod
    def __matmul__(self, vectors: np.ndarray) -> np.ndarray:
        """Return the product with vectors (d,) or (d, n)."""

    @abstractmethod
    def matrix(self) -> np.ndarray:
        """Return the matrix (d, d), made anew where there is none."""

    @abstractmethod
    def in_units(self, units: np.ndarray) -> Covariance:
        """Return the covariance of rows divided by units (d,)."""

    @abstractmethod
    def with_deviations(self, deviations: np.ndarray) -> Covariance:
        """Return that of the same correlations and other standard deviations (d,)."""

    @abstractmethod
    def quadratic_form(self, linear_map: LinearMap) -> np.ndarray:
        r"""Return :math:`\omega_j^T C \omega_j`, (m,), for the frequencies of a map."""

    @abstractmethod
    def draw(self, n_samples: int, rng: np.random.Generator) -> np.ndarray:
        """Draw centred Gaussian rows (n_samples, d), of the positive part."""

    @abstractmethod
    def components(self) -> dict[str, np.ndarray]:
        """Return the arrays that files hold, by name, in the order of fingerprints."""

    @abstractmethod
    def check(self) -> None:
        """Refuse, by a ValueError, what is no covariance."""

    def find_widest(self, n_axes: int) -> tuple[np.ndarray, np.ndarray]:
        """Return variances (n_axes,) along the widest axes (d, n_axes), orthonormal, widest first.

        Where there are many columns for each, by products with the covariance.
        """
        d = len(self.variances)
        if LEAST_TO_SEEK * n_axes <= d:
            start = np.random.default_rng(0).standard_normal(d)
            product = LinearOperator((d, d), self.__matmul__, dtype=np.float64)
            values, axes = eigsh(product, n_axes, v0=start)
        else:
            values, axes = eigh(self.matrix(), subset_by_index=(d - n_axes, d - 1))
        return np.maximum(values[::-1], 0.0), axes[:, ::-1]


@final
@dataclass(frozen=True, eq=False)
class CovarianceMatrix(Covariance):
    """A covariance as its matrix.

    Parameters
    ----------
    values : array-like of shape (n_features, n_features)
        The matrix, of which a copy is kept.

    Raises
    ------
    ValueError
        If it is not square.
    """

    values: np.ndarray
    variances: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        values = read_only(self.values, np.float64)
        d = values.shape[-1] if values.ndim else 1
        if values.shape != (d, d):
            raise ValueError(f"covariance must have shape ({d}, {d}), got {values.shape}")
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "variances", np.diagonal(values))

    def __reduce__(self) -> tuple[Any, ...]:
        return CovarianceMatrix, (self.values,)

    def __matmul__(self, vectors: np.ndarray) -> np.ndarray:
        """Return the product with vectors (d,) or (d, n)."""
        return np.asarray(self.values @ vectors)

    def matrix(self) -> np.ndarray:
        """Return the matrix (d, d)."""
        return self.values

    def in_units(self, units: np.ndarray) -> CovarianceMatrix:
        """Return the covariance of rows divided by units (d,)."""
        return CovarianceMatrix(self.values / np.outer(units, units))

    def with_deviations(self, deviations: np.ndarray) -> CovarianceMatrix:
        """Return that of the same correlations and other standard deviations (d,)."""
        ratios = _compute_ratios(deviations, self.variances)
        values = self.values * ratios
        values *= ratios[:, None]
        np.fill_diagonal(values, deviations**2)
        return CovarianceMatrix(values)

    def quadratic_form(self, linear_map: LinearMap) -> np.ndarray:
        r"""Return :math:`\omega_j^T C \omega_j`, (m,), for the frequencies of a map."""
        return linear_map.quadratic_form(self.values)

    def draw(self, n_samples: int, rng: np.random.Generator) -> np.ndarray:
        """Draw centred Gaussian rows (n_samples, d), of the positive part."""
        variances, axes = np.linalg.eigh(self.values)
        normal = rng.standard_normal((n_samples, len(variances)))
        return np.asarray((normal * np.sqrt(np.maximum(variances, 0.0))) @ axes.T)

    def components(self) -> dict[str, np.ndarray]:
        """Return the matrix, by the name that files give it."""
        return {"covariance": self.values}

    def check(self) -> None:
        """Refuse what is not symmetric, or has correlations above one, up to rounding."""
        deviations = np.sqrt(self.variances)
        slack = ROUNDING * np.outer(deviations, deviations) + np.finfo(np.float64).tiny
        if not np.isfinite(self.values).all():
            raise ValueError("covariance must be finite")
        if np.any(np.abs(self.values - self.values.T) > slack):
            raise ValueError("covariance must be symmetric")
        if np.any(np.abs(self.values) > np.outer(deviations, deviations) + slack):
            raise ValueError("covariance must have correlations of at most 1")


@final
@dataclass(frozen=True, eq=False)
class FactoredCovariance(Covariance):
    r"""A covariance :math:`L L^T + D` with D diagonal, as its diagonal and L: d (r + 1) numbers.

    An operator's is of codes, so that it is the same on any machine, and takes d r bytes in files
    instead of 8 d^2: the entries of L are integers from -127 to 127 times a power of two for each
    of its columns, and one for each row where the data's columns have units.

    Attributes
    ----------
    variances : ndarray of shape (n_features,)
        The whole diagonal, that of D and of :math:`L L^T`.
    loadings : ndarray of shape (n_features, r)
        L.
    codes : dict of str to ndarray, optional
        The arrays that `of_codes` made it of.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn.frequencies.covariance import FactoredCovariance
    >>> rows = np.random.default_rng(0).normal(size=(1000, 3)) * [4.0, 1.0, 1.0]
    >>> wide = FactoredCovariance.of_root(rows / np.sqrt(len(rows)), 1)
    >>> wide.variances.round(0)
    array([16.,  1.,  1.])
    """

    variances: np.ndarray
    loadings: np.ndarray
    codes: dict[str, np.ndarray] | None = None

    def __post_init__(self) -> None:
        for name in ("variances", "loadings"):
            object.__setattr__(self, name, read_only(getattr(self, name), np.float64))

    def __reduce__(self) -> tuple[Any, ...]:
        make = FactoredCovariance if self.codes is None else FactoredCovariance.of_codes
        return make, tuple(self.components().values())

    @classmethod
    def of_codes(
        cls, variances: Any, loadings: Any, loading_exponents: Any, row_exponents: Any = None
    ) -> Self:
        """Return the factors that codes stand for; sums of their matrix are exact in any order.

        Parameters
        ----------
        variances : array-like of shape (n_features,) float32
            The diagonal.
        loadings : array-like of shape (n_features, r) uint8
            The integers of L, 128 added to each.
        loading_exponents : array-like of shape (r,) int32
            What powers of two they are multiplied by; within 16 of each other.
        row_exponents : array-like of shape (n_features,) int32, optional
            And by which ones besides.

        Raises
        ------
        ValueError
            If the shapes do not go together, or exponents are too far apart.
        """
        given = (variances, loadings, loading_exponents, row_exponents)
        types = zip(CODES_IN_UNITS.items(), given, strict=True)
        codes = {name: read_only(one, kind) for (name, kind), one in types if one is not None}
        variances, loadings, exponents, *of_rows = codes.values()
        d, r = len(variances), len(exponents)
        if variances.shape != (d,) or loadings.shape != (d, r) or not r:
            raise ValueError(
                f"loadings of {d} variances and {r} exponents must have shape ({d}, {r}), got "
                f"{loadings.shape}"
            )
        if of_rows and of_rows[0].shape != (d,):
            raise ValueError(f"row_exponents must have shape ({d},), got {of_rows[0].shape}")
        if np.ptp(exponents.astype(np.int64)) > OCTAVES:
            raise ValueError(f"loading_exponents must be within {OCTAVES} of each other")
        values = np.ldexp(loadings.astype(np.float64) - ZERO, exponents)
        for one in of_rows:
            values = np.ldexp(values, one[:, None])
        return cls(variances, values, codes)

    @classmethod
    def of_root(cls, root: np.ndarray, rank: int) -> Self:
        r"""Return the nearest to a covariance along its widest directions, fewer than d.

        Of R (n, d), as of centred rows over :math:`\sqrt n`, it is the covariance :math:`R^T R`.
        Of columns in unlike units, divide R by these, powers of two, and bring back what comes of
        it by `in_units`: else those in fine units have no loadings. Columns that are twice as wide
        as most, or more, get such units for their codes alone.
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
        # How others go with a column many times as wide is not lost beside its own loadings.
        widths = np.sqrt(total)
        typical = np.median(widths[widths > 0.0]) if widths.any() else 1.0
        of_rows = np.maximum(np.frexp(widths / typical)[1] - 1, 0)
        in_rows = np.ldexp(loadings, -of_rows[:, None])
        largest = np.abs(in_rows).max(axis=0)
        _, exponents = np.frexp(np.where(largest > 0.0, largest, largest.max() or 1.0) / (ZERO - 1))
        exponents = np.maximum(exponents, exponents.max() - OCTAVES)
        codes = np.rint(np.ldexp(in_rows, -exponents))
        own = np.square(np.ldexp(codes, exponents + of_rows[:, None])).sum(axis=1)
        variances = np.maximum(total, own).astype(np.float32)
        # Rounded up, so that no correlation exceeds one.
        above = np.nextafter(variances, np.float32(np.inf))
        variances = np.where(variances < own, above, variances)
        return cls.of_codes(
            variances, codes + ZERO, exponents, of_rows if np.any(of_rows) else None
        )

    @property
    def own_variances(self) -> np.ndarray:
        """The diagonal of D, (n_features,): what each column varies by itself."""
        return np.maximum(self.variances - np.square(self.loadings).sum(axis=1), 0.0)

    def __matmul__(self, vectors: np.ndarray) -> np.ndarray:
        """Return the product with vectors (d,) or (d, n)."""
        own = (self.own_variances * vectors.T).T
        return np.asarray(self.loadings @ (self.loadings.T @ vectors) + own)

    def matrix(self) -> np.ndarray:
        """Return the matrix (d, d), made anew."""
        covariance = self.loadings @ self.loadings.T
        np.fill_diagonal(covariance, self.variances)
        return covariance

    def in_units(self, units: np.ndarray) -> FactoredCovariance:
        """Return the covariance of rows divided by units (d,); of codes, if by powers of two."""
        mantissas, exponents = np.frexp(units)
        if self.codes is None or np.any(mantissas != 0.5):
            return FactoredCovariance(self.variances / units**2, self.loadings / units[:, None])
        of_rows = self.codes.get("row_exponents", 0) + 1 - exponents
        codes = {**self.codes, "variances": self.variances / units**2, "row_exponents": of_rows}
        if not np.any(of_rows):
            del codes["row_exponents"]
        return FactoredCovariance.of_codes(**codes)

    def with_deviations(self, deviations: np.ndarray) -> FactoredCovariance:
        """Return that of the same correlations and other standard deviations (d,)."""
        ratios = _compute_ratios(deviations, self.variances)
        return FactoredCovariance(deviations**2, self.loadings * ratios[:, None])

    def quadratic_form(self, linear_map: LinearMap) -> np.ndarray:
        r"""Return :math:`\omega_j^T C \omega_j`, (m,), for the frequencies of a map."""
        result = np.square(linear_map.project(self.loadings.T)).sum(axis=0)
        own = self.own_variances
        if (largest := own.max()) > 0.0:
            # Factors must be positive: a column without variance of its own gets next to none.
            own = np.maximum(own, np.finfo(np.float64).eps ** 2 * largest)
            result += linear_map.stretched(np.sqrt(own)).squared_norms
        return np.asarray(result)

    def draw(self, n_samples: int, rng: np.random.Generator) -> np.ndarray:
        """Draw centred Gaussian rows (n_samples, d)."""
        rows = rng.standard_normal((n_samples, self.loadings.shape[1])) @ self.loadings.T
        rows += rng.standard_normal(rows.shape) * np.sqrt(self.own_variances)
        return np.asarray(rows)

    def components(self) -> dict[str, np.ndarray]:
        """Return its codes, or the factors where it has none, by the names that files give them."""
        return self.codes or {"variances": self.variances, "loadings": self.loadings}

    def check(self) -> None:
        """Refuse loadings that add more to a column than its variance."""
        # Symmetric it is, and correlations are at most one if so little is along its directions.
        if not np.all(np.square(self.loadings).sum(axis=1) <= self.variances):
            raise ValueError("loadings must add no more to a column than its variance")


def is_single(variances: np.ndarray) -> bool:
    """Return whether variances are of sizes that float32 has, as the diagonal is kept in it.

    Those that are nothing beside the largest, as of a constant column after rounding, do not count.
    """
    limits = np.finfo(np.float32)
    positive = variances[variances > np.finfo(np.float64).eps ** 2 * variances.max()]
    if not len(positive):
        return True
    return bool(limits.tiny < positive.min() and positive.max() < limits.max / 2)


def _compute_ratios(deviations: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """Return by what columns of such variances are multiplied to have the deviations (d,)."""
    before = np.sqrt(variances)
    return np.asarray(deviations / np.where(before > 0, before, np.inf))
