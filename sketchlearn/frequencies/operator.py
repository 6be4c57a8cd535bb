"""The contract of a frequency operator: the linear map whose waves a sketch averages."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np


class BlockAccumulator(ABC):
    """One thread's way to add rows to integer sums; holds scratch memory, hence not shared.

    A row's contribution depends on the row alone, so that any split of the rows gives the same
    sums.

    Attributes
    ----------
    chunk_size : int
        The most rows that `add` takes.
    """

    chunk_size: int

    @abstractmethod
    def add(self, rows: np.ndarray, weights: np.ndarray | None, sums: np.ndarray) -> int:
        """Add the features of rows to the sums, or nothing at all if a row is bad.

        Parameters
        ----------
        rows : ndarray of shape (n, n_features), n <= chunk_size
            Native float32 or float64, any layout, in data coordinates.
        weights : ndarray of shape (n,) int64, optional
            Fixed-point weights, multiples of 2^-20.
        sums : ndarray of shape (2, n_frequencies) int64
            Sums of sin^2(t/2) and sin(t/2) cos(t/2), t the centred phase, units of 2^-22. Added to.

        Returns
        -------
        int
            How many entries are not finite, or too large for the operator; if any, `sums` is as it
            was.
        """


class FrequencyOperator(ABC):
    """An immutable, picklable linear map x -> Omega^T x, and where to centre and search.

    Two operators are the same if and only if their fingerprints are equal: sketches taken with the
    same operator can be added. All arrays are read-only.
    """

    @property
    @abstractmethod
    def n_features(self) -> int:
        """Dimension d of a row."""

    @property
    @abstractmethod
    def n_frequencies(self) -> int:
        """Number m of frequencies, that is of complex entries of a sketch."""

    @property
    @abstractmethod
    def frequencies(self) -> np.ndarray:
        """Omega, shape (n_features, n_frequencies), float64, radians per unit of the data."""

    @property
    @abstractmethod
    def center(self) -> np.ndarray:
        """Point (n_features,) float64 that rows are taken from before they are projected."""

    @property
    @abstractmethod
    def scale(self) -> float:
        """Standard deviation of a cluster that the frequencies were drawn for, data units."""

    @property
    @abstractmethod
    def lower(self) -> np.ndarray:
        """Lower corner (n_features,) float64 of the box that decoders search, data coordinates."""

    @property
    @abstractmethod
    def upper(self) -> np.ndarray:
        """Upper corner (n_features,) float64 of the box that decoders search, data coordinates."""

    @property
    @abstractmethod
    def covariance(self) -> np.ndarray:
        """Covariance (n_features, n_features) float64 of the pilot, where decoders start."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """BLAKE2b digest, in hexadecimal, of everything that the operator consists of."""

    @abstractmethod
    def project(self, X: np.ndarray) -> np.ndarray:
        """Give X @ frequencies, shape (n, n_frequencies), float64 radians; nothing is centred."""

    @abstractmethod
    def adjoint(self, R: np.ndarray) -> np.ndarray:
        """Give R @ frequencies.T, shape (n, n_features), for real R of shape (n, n_frequencies)."""

    @abstractmethod
    def accumulator(self) -> BlockAccumulator:
        """Give a fresh accumulator, for one thread."""

    @abstractmethod
    def components(self) -> dict[str, np.ndarray | float | bool]:
        """Everything that the operator consists of, by name: what the fingerprint covers."""
