"""A linear map kept as a plain matrix."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Self, final

import numpy as np

from sketchlearn.linear_maps.directions import orthogonal_directions
from sketchlearn.linear_maps.linear_map import (
    TWO_PI,
    Index,
    LinearMap,
    even_power,
    in_blocks,
    read_only,
)
from sketchlearn.linear_maps.linear_map import root_mean_squares as rounded_root_mean_squares
from sketchlearn.linear_maps.pairs import FrequencyPairs

# Features up to which compiled loops take no longer than products by BLAS.
MOST_IN_LOOPS = 64


@final
class DenseMap(LinearMap, kind="dense"):
    r"""A linear map that stores its frequencies, in turns, as a float32 matrix.

    That float32 matrix *is* the map: `frequencies` is it times :math:`2\pi` in float64, so no error
    comes from storing it.

    Parameters
    ----------
    turns : array-like of shape (n_features, n_frequencies)
        Frequencies over :math:`2\pi`, per unit of the data; rounded to float32.

    Raises
    ------
    ValueError
        If it is no matrix, or its numbers are too large or too small for float32.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn.linear_maps import DenseMap
    >>> DenseMap([[0.25, 0.5]]).project(np.array([[2.0]])) / np.pi
    array([[1., 2.]])
    """

    def __init__(self, turns: Any) -> None:
        given = np.asarray(turns)
        self._turns = read_only(given, np.float32)
        if self._turns.ndim != 2 or 0 in self._turns.shape:
            raise ValueError(
                f"turns must have shape (n_features, n_frequencies), got {self._turns.shape}"
            )
        largest = np.abs(self._turns).max()
        if not (np.finfo(np.float32).tiny <= largest < np.inf):
            raise ValueError(
                "turns must be of a size that float32 has, got up to "
                f"{np.abs(given).max():.3g}; rescale the data to order one"
            )
        self._powers: dict[tuple[int, float], np.ndarray] = {}

    @classmethod
    def draw(cls, radii: np.ndarray, n_features: int, rng: np.random.Generator) -> Self:
        """Draw orthogonal directions uniform on the sphere, see `orthogonal_directions`."""
        with np.errstate(over="ignore"):
            return cls(orthogonal_directions(n_features, len(radii), rng) * radii)

    @classmethod
    def along(cls, linear_map: LinearMap, axes: np.ndarray) -> Self:
        """Return a map's frequencies along axes (d, q): the map of coordinates y, x = axes y."""
        return cls(linear_map.project(axes.T) / TWO_PI)

    @property
    def n_features(self) -> int:
        """Dimension d of a row."""
        return self._turns.shape[0]

    @property
    def n_frequencies(self) -> int:
        """Number m of frequencies."""
        return self._turns.shape[1]

    @property
    def turns(self) -> np.ndarray:
        """Frequencies over 2 pi, shape (n_features, n_frequencies), float32."""
        return self._turns

    @cached_property
    def frequencies(self) -> np.ndarray:
        """Omega, shape (n_features, n_frequencies), float64, radians per unit of the data."""
        return read_only(self._turns.astype(np.float64) * TWO_PI, np.float64)

    @cached_property
    def squared_norms(self) -> np.ndarray:
        """Squared lengths of the frequencies (m,), float64 squared radians."""
        return np.asarray(np.sum(self.frequencies**2, axis=0))

    @cached_property
    def root_mean_squares(self) -> np.ndarray:
        """Root mean squares of Omega's rows (d,), see `LinearMap.root_mean_squares`."""
        return rounded_root_mean_squares(self._turns)

    @cached_property
    def pairs(self) -> FrequencyPairs:
        """Which frequencies are exactly twice others."""
        return FrequencyPairs.find(self._turns)

    @cached_property
    def in_blocks(self) -> np.ndarray | None:
        """Omega in turns, (n_blocks, d, size) float32, see `LinearMap.in_blocks`."""
        return in_blocks(self._turns) if self.n_features <= MOST_IN_LOOPS else None

    @cached_property
    def _single_turns(self) -> np.ndarray:
        """Omega^T, (m, d) float32, as the adjoint reads it."""
        return np.ascontiguousarray(self.frequencies.T, dtype=np.float32)

    def project(self, X: np.ndarray) -> np.ndarray:
        """Return X @ Omega, see `LinearMap.project`."""
        return np.asarray(X, dtype=np.float64) @ self.frequencies

    def project_turns(self, X: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Return X @ Omega / (2 pi), see `LinearMap.project_turns`."""
        turns = self._turns if X.dtype == np.float32 else self.frequencies / TWO_PI
        return np.matmul(X, turns, out=out)

    def adjoint(self, C: np.ndarray) -> np.ndarray:
        """Return C @ Omega^T, see `LinearMap.adjoint`."""
        return C @ (self._single_turns if C.dtype == np.float32 else self.frequencies.T)

    def project_reproducibly(self, X: np.ndarray) -> np.ndarray:
        """Return phases in turns, one feature after the other."""
        result = np.zeros((len(X), self.n_frequencies))
        for column, turns in zip(X.T, self._turns.astype(np.float64), strict=True):
            result += column[:, None] * turns
        return result

    def rows_in_turns(self) -> Iterator[np.ndarray]:
        """Yield Omega's rows (m,) in turns, float64."""
        return (turns.astype(np.float64) for turns in self._turns)

    def project_powers(self, V: np.ndarray, exponent: int, unit: float) -> np.ndarray:
        """Return V @ (unit Omega)^exponent, see `LinearMap.project_powers`."""
        return np.asarray(V @ self._entrywise_power(exponent, unit).T)

    def adjoint_powers(self, P: np.ndarray, exponent: int, unit: float) -> np.ndarray:
        """Return P @ ((unit Omega)^exponent)^T, see `LinearMap.adjoint_powers`."""
        return np.asarray(P @ self._entrywise_power(exponent, unit))

    def quadratic_form(self, B: np.ndarray) -> np.ndarray:
        """Return omega_j^T B omega_j, (m,), see `LinearMap.quadratic_form`."""
        omega = self.frequencies
        return np.asarray(np.einsum("lj,lj->j", omega, B @ omega))

    def gram(self) -> np.ndarray:
        """Return Omega^T Omega, (m, m) float32."""
        return np.asarray(self._single_turns @ self._single_turns.T)

    def take(self, index: Index) -> DenseMap:
        """Return the map of some of the frequencies; of a slice of them, views."""
        taken = self._with_turns(self._turns[:, index], self.frequencies[:, index])
        taken.__dict__["_single_turns"] = self._single_turns[index]
        return taken

    def stretched(self, factors: np.ndarray | float) -> DenseMap:
        """Return the map of rows that are multiplied by factors beforehand.

        Powers of two change nothing but exponents. With others the new frequencies are products in
        float64, and the new turns are these in float32.
        """
        columns = np.reshape(factors, (-1, 1))
        turns = (self.frequencies * (columns / TWO_PI)).astype(np.float32)
        return self._with_turns(turns, self.frequencies * columns)

    def state(self) -> dict[str, np.ndarray]:
        """Return the turns."""
        return {"turns": self._turns}

    def _with_turns(self, turns: np.ndarray, frequencies: np.ndarray) -> DenseMap:
        """Return a map of these arrays, which it does not copy."""
        new = object.__new__(DenseMap)
        for array in (turns, frequencies):
            array.flags.writeable = False
        new.__dict__.update(_turns=turns, frequencies=frequencies, _powers={})
        return new

    def _entrywise_power(self, exponent: int, unit: float) -> np.ndarray:
        """Return entrywise powers of unit Omega, (m, d) float32; kept, as decoders come back."""
        powers = self._powers.get((exponent, unit))
        if powers is None:
            powers = even_power(self._single_turns * np.float32(unit), exponent)
            self._powers[exponent, unit] = powers
        return powers
